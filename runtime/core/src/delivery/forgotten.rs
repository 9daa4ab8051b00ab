//! Which events the ledger may have forgotten, and what must still hold when a batch commits that takes one for new.
//! Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::entry::Item;
use super::slot::{Fate, Slot};
use crate::store::{Advance, Claim, FloorFence, Floors, LEAST_RETENTION_MS, MarkerKey, PartitionId};

/// Returns the topics whose floors must be read before the events can be judged. Either an event that the ledger does
/// not have may be so old that it was forgotten, or a partition has no time of creation yet. The markers of other
/// events cannot be gone: the ledger is swept by the stored times of creation, and the claims have these or later ones.
pub(super) fn in_doubt(
    slots: &[Slot],
    seen: &HashMap<MarkerKey, i64>,
    heads: &BTreeMap<PartitionId, Claim>,
) -> BTreeSet<Arc<str>> {
    let mut topics = BTreeSet::new();
    let mut last: Option<(&PartitionId, Option<i64>)> = None;
    for slot in slots {
        let Item::Event(event) = &slot.entry.item else { continue };
        let partition = slot.entry.partition();
        let highest_ms = match last {
            Some((known, highest_ms)) if known == partition => highest_ms,
            _ => heads.get(partition).and_then(|claim| claim.highest_created_at_ms),
        };
        last = Some((partition, highest_ms));
        let safe_ms = highest_ms.map_or(i64::MAX, |highest_ms| highest_ms.saturating_sub(LEAST_RETENTION_MS));
        let is_new = || matches!(&slot.fate, Fate::Event { marker, .. } if !seen.contains_key(&marker.key));
        if highest_ms.is_none() || (event.created_at_ms < safe_ms && is_new()) {
            topics.insert(Arc::clone(&partition.topic));
        }
    }
    topics
}

/// Returns the fences that must still hold when a batch commits whose events were judged by these floors.
pub(super) fn fences(floors: &Floors, advances: &[Advance]) -> Vec<FloorFence> {
    let begins =
        |advance: &&Advance| advance.claim.highest_created_at_ms.is_none() && advance.highest_created_at_ms.is_some();
    let begin: BTreeSet<&Arc<str>> = advances.iter().filter(begins).map(|advance| &advance.partition.topic).collect();
    let known = floors.topics.iter().map(|floor| FloorFence {
        floor: Some(floor.clone()),
        topic: Arc::clone(&floor.topic),
        begins: begin.contains(&floor.topic),
    });
    let unknown = begin.iter().filter(|topic| floors.topics.iter().all(|floor| floor.topic != ***topic));
    known.chain(unknown.map(|topic| FloorFence { floor: None, topic: Arc::clone(topic), begins: true })).collect()
}

#[cfg(test)]
#[path = "forgotten_test.rs"]
mod tests;
