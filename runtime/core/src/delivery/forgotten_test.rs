//! Which events the ledger may have forgotten, and what a batch that begins a partition rests on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::batch::{Batch, Judge};
use super::super::entry::{Entry, Item};
use super::super::samples_test::{event, ledger, partition};
use super::super::slot::Fate;
use super::super::statements::Form;
use super::in_doubt;
use crate::delivery::Routes;
use crate::event::RawRecord;
use crate::store::{Buckets, Claim, Fence, Floor, FloorFence, Floors, MarkerKey, PartitionId};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_000 * HOUR;

/// Returns a batch with one event for each of these times of creation.
fn batch(created_at_ms: &[i64]) -> Batch {
    let entries = (0..).zip(created_at_ms).map(|(offset, created_at_ms)| {
        let item = Item::Event(Arc::new(event(&format!("e{offset}"), *created_at_ms)));
        Entry::of_log(partition(), offset, item, Arc::new(RawRecord::default()))
    });
    Batch::new(entries.collect(), &ledger(HOUR), None)
}

fn heads(highest_created_at_ms: Option<i64>) -> BTreeMap<PartitionId, Claim> {
    BTreeMap::from([(partition(), Claim { highest_created_at_ms, ..Claim::new(1, 0) })])
}

fn floors(floor_ms: Option<i64>) -> Floors {
    Floors { open: 0, topics: vec![Floor { topic: Arc::from("outbox"), floor_ms, swept: None }] }
}

fn route(batch: &mut Batch, highest_ms: Option<i64>, seen: &HashMap<MarkerKey, i64>, floors: &Floors) {
    let (routes, buckets, heads) = (Routes::default(), Buckets::default(), heads(highest_ms));
    batch.route(&Judge {
        seen,
        routes: &routes,
        heads: &heads,
        buckets: &buckets,
        floors,
        now_ms: Some(NOW),
        held: None,
    });
}

fn beyond(batch: &Batch) -> Vec<bool> {
    let is_beyond = |fate: &Fate| matches!(fate, Fate::Dead(failure) if failure.reason == "beyond-ledger");
    batch.slots().iter().map(|slot| is_beyond(&slot.fate)).collect()
}

#[test]
fn what_may_be_forgotten_is_refused_and_nothing_else() {
    let floor = NOW - 24 * HOUR;
    let mut old_and_new = batch(&[floor - 1, floor, NOW - 400 * HOUR]);
    route(&mut old_and_new, Some(NOW), &HashMap::new(), &floors(Some(floor)));
    assert_eq!(beyond(&old_and_new), [true, false, true]);
}

#[test]
fn without_a_floor_nothing_is_too_old() {
    for highest_ms in [None, Some(NOW)] {
        let mut backlog = batch(&[NOW - 4_000 * HOUR, NOW, NOW - 4_000 * HOUR]);
        route(&mut backlog, highest_ms, &HashMap::new(), &floors(None));
        assert_eq!(beyond(&backlog), [false; 3]);
    }
}

#[test]
fn what_the_ledger_has_is_a_duplicate_however_old_it_is() {
    let mut known = batch(&[NOW - 400 * HOUR]);
    let seen = known.hashes();
    route(&mut known, Some(NOW), &seen, &floors(Some(NOW)));
    assert!(matches!(known.slots()[0].fate, Fate::Duplicate));
}

#[test]
fn a_floor_is_read_for_old_events_that_the_ledger_does_not_have() {
    let doubt = |batch: &Batch, seen: &HashMap<MarkerKey, i64>, highest_ms| {
        !in_doubt(batch.slots(), seen, &heads(highest_ms)).is_empty()
    };
    let fresh = batch(&[NOW - HOUR, NOW]);
    assert!(!doubt(&fresh, &HashMap::new(), Some(NOW)), "no ledger forgets within an hour");
    let old = batch(&[NOW, NOW - HOUR - 1]);
    assert!(doubt(&old, &HashMap::new(), Some(NOW)));
    assert!(!doubt(&old, &old.hashes(), Some(NOW)), "the ledger has it");
}

#[test]
fn a_floor_is_read_where_a_partition_has_no_time_of_creation_yet() {
    let fresh = batch(&[NOW]);
    for seen in [HashMap::new(), fresh.hashes()] {
        let topics = in_doubt(fresh.slots(), &seen, &heads(None));
        assert_eq!(topics, BTreeSet::from([Arc::from("outbox")]));
    }
}

#[test]
fn a_batch_that_begins_a_partition_is_fenced_by_a_write() {
    let fences = |highest_ms: Option<i64>, floors: &Floors| {
        let mut batch = batch(&[NOW]);
        route(&mut batch, highest_ms, &HashMap::new(), floors);
        let fences = batch.plan(&heads(highest_ms), &ledger(HOUR), Form::Grouped, NOW).fences;
        let floor = |fence| if let Fence::Floor(floor) = fence { Some(floor) } else { None };
        fences.into_iter().filter_map(floor).collect::<Vec<_>>()
    };
    let topic = || Arc::from("outbox");
    let known = Some(floors(None).topics.remove(0));
    assert_eq!(fences(None, &floors(None)), [FloorFence { floor: known.clone(), topic: topic(), begins: true }]);
    assert_eq!(fences(Some(NOW), &floors(None)), [FloorFence { floor: known, topic: topic(), begins: false }]);
    assert_eq!(fences(Some(NOW), &Floors::default()), [], "nothing rests on the ledger's past");
    let unread = fences(None, &Floors::default());
    assert_eq!(unread, [FloorFence { floor: None, topic: topic(), begins: true }], "which never commits");
}
