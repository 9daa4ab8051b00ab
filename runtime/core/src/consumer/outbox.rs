//! What waits for the committer, so that the loop never does. Pure.
//!
//! Invariant: it is bounded whatever the committer does. Successive changes of ownership are merged into one, with at
//! most one entry a partition, and records are added only when the committer has asked for some.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::delivery::{Entry, Work};
use crate::store::{Claim, PartitionId};

/// Work for the committer, in the order in which the committer must get it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    Ownership(Ownership),
    Records(Vec<Entry>),
}

/// What the committer owns after several changes, and of what it tries no parked deliveries. A partition that is
/// disowned is in neither of the others.
#[derive(Debug, Default)]
struct Ownership {
    disown: BTreeSet<PartitionId>,
    own: BTreeMap<PartitionId, Claim>,
    rest: BTreeSet<PartitionId>,
}

impl Ownership {
    /// Takes the first of the three that is not empty, in the order in which the committer must get them.
    fn take(&mut self) -> Work {
        if !self.disown.is_empty() {
            return Work::Disown(std::mem::take(&mut self.disown).into_iter().collect());
        }
        if !self.own.is_empty() {
            return Work::Own(std::mem::take(&mut self.own).into_iter().collect());
        }
        Work::Rest(std::mem::take(&mut self.rest).into_iter().collect())
    }

    fn is_empty(&self) -> bool {
        self.disown.is_empty() && self.own.is_empty() && self.rest.is_empty()
    }
}

impl Outbox {
    /// Has the committer own these.
    pub(super) fn own(&mut self, claims: Vec<(PartitionId, Claim)>) {
        if claims.is_empty() {
            return;
        }
        let last = self.last_ownership();
        for (partition, claim) in claims {
            last.disown.remove(&partition);
            last.rest.remove(&partition);
            last.own.insert(partition, claim);
        }
    }

    /// Has the committer own these no longer.
    pub(super) fn disown(&mut self, partitions: &[PartitionId]) {
        if partitions.is_empty() {
            return;
        }
        let last = self.last_ownership();
        for partition in partitions {
            last.own.remove(partition);
            last.rest.remove(partition);
            last.disown.insert(partition.clone());
        }
    }

    /// Has the committer try no parked deliveries of these any more.
    pub(super) fn rest(&mut self, partitions: &[PartitionId]) {
        if !partitions.is_empty() {
            self.last_ownership().rest.extend(partitions.iter().cloned());
        }
    }

    /// Has the committer account for these records, which it has asked for.
    pub(super) fn commit(&mut self, entries: Vec<Entry>) {
        self.waiting.push_back(Waiting::Records(entries));
    }

    /// Takes the next work.
    pub(super) fn take(&mut self) -> Option<Work> {
        match self.waiting.pop_front()? {
            Waiting::Records(entries) => Some(Work::Commit(entries)),
            Waiting::Ownership(mut ownership) => {
                let work = ownership.take();
                if !ownership.is_empty() {
                    self.waiting.push_front(Waiting::Ownership(ownership));
                }
                Some(work)
            }
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns the change of ownership that waits behind everything else, or a new one if records come last.
    fn last_ownership(&mut self) -> &mut Ownership {
        if !matches!(self.waiting.back(), Some(Waiting::Ownership(_))) {
            self.waiting.push_back(Waiting::Ownership(Ownership::default()));
        }
        match self.waiting.back_mut() {
            Some(Waiting::Ownership(ownership)) => ownership,
            _ => unreachable!("it has just been added"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn id(number: i32) -> PartitionId {
        PartitionId { topic: Arc::from("t"), partition: number }
    }

    /// What the loop may say, in short.
    #[derive(Debug, Clone)]
    enum Said {
        Own(i32, i64),
        Disown(i32),
        Rest(i32),
        Commit,
    }

    fn said() -> impl Strategy<Value = Said> {
        prop_oneof![
            (0..4, 1_i64..9).prop_map(|(partition, epoch)| Said::Own(partition, epoch)),
            (0..4).prop_map(Said::Disown),
            (0..4).prop_map(Said::Rest),
            Just(Said::Commit),
        ]
    }

    /// Returns the claims that hold whenever records come and at the end, each with whether its partition rests.
    fn heard(works: impl IntoIterator<Item = Work>) -> Vec<Vec<(PartitionId, i64, bool)>> {
        let mut claims: BTreeMap<PartitionId, (i64, bool)> = BTreeMap::new();
        let mut stood = Vec::new();
        let standing = |claims: &BTreeMap<PartitionId, (i64, bool)>| {
            claims.iter().map(|(partition, (epoch, rests))| (partition.clone(), *epoch, *rests)).collect()
        };
        for work in works {
            match work {
                Work::Own(owned) => {
                    claims.extend(owned.into_iter().map(|(partition, claim)| (partition, (claim.epoch, false))));
                }
                Work::Disown(partitions) => claims.retain(|partition, _| !partitions.contains(partition)),
                Work::Rest(partitions) => {
                    for (partition, (_, rests)) in &mut claims {
                        *rests |= partitions.contains(partition);
                    }
                }
                Work::Commit(_) => stood.push(standing(&claims)),
                Work::AtEnd(_) => unreachable!("it never waits"),
            }
        }
        stood.push(standing(&claims));
        stood
    }

    proptest! {
        #[test]
        fn merged_or_not_the_committer_hears_the_same(all in prop::collection::vec(said(), 0..40)) {
            let mut outbox = Outbox::default();
            let mut plain = Vec::new();
            for said in &all {
                match said {
                    Said::Own(partition, epoch) => {
                        let claims = vec![(id(*partition), Claim::new(*epoch, 0))];
                        plain.push(Work::Own(claims.clone()));
                        outbox.own(claims);
                    }
                    Said::Disown(partition) => {
                        plain.push(Work::Disown(vec![id(*partition)]));
                        outbox.disown(&[id(*partition)]);
                    }
                    Said::Rest(partition) => {
                        plain.push(Work::Rest(vec![id(*partition)]));
                        outbox.rest(&[id(*partition)]);
                    }
                    Said::Commit => {
                        plain.push(Work::Commit(Vec::new()));
                        outbox.commit(Vec::new());
                    }
                }
            }
            let commits = all.iter().filter(|said| matches!(said, Said::Commit)).count();
            prop_assert!(outbox.waiting.len() <= 2 * commits + 1);
            prop_assert_eq!(heard(std::iter::from_fn(|| outbox.take())), heard(plain));
            prop_assert!(outbox.is_empty());
        }
    }
}
