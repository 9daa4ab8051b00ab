//! Which deliveries are dead because hosts died of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::batch::{Batch, Judge};
use super::entry::{Entry, Item};
use super::routes::Routes;
use super::samples_test::{event, handler, ledger, partition};
use super::slot::{DeliveryRef, Fate, Outcome};
use crate::event::RawRecord;
use crate::store::{Buckets, Claim, Crashes, Floors};

fn entry(offset: i64) -> Entry {
    let item = Item::Event(Arc::new(event(&format!("e{offset}"), 5)));
    Entry::of_log(partition(), offset, item, Arc::new(RawRecord::default()))
}

/// Two records, each for the handlers 1 and 2, under a claim whose owners died of these deliveries.
fn routed(deaths: i32, crashes: &[(i64, i32, i32)]) -> Batch {
    let mut batch = Batch::new(vec![entry(7), entry(8)], &ledger(1_000), None);
    let mut routes = Routes::default();
    for id in [1, 2] {
        routes.register("T", &handler(id, "h"));
    }
    let crashes =
        crashes.iter().map(|(offset, handler, deaths)| Crashes { offset: *offset, handler: *handler, deaths: *deaths });
    let claim = Claim { deaths, crashes: crashes.collect(), ..Claim::new(1, 7) };
    let heads = BTreeMap::from([(partition(), claim)]);
    let (seen, buckets, floors) = (HashMap::new(), Buckets::default(), Floors::default());
    batch.route(&Judge {
        seen: &seen,
        routes: &routes,
        heads: &heads,
        buckets: &buckets,
        floors: &floors,
        now_ms: Some(9),
        held: None,
    });
    batch
}

/// Returns the offset and handler of each dead delivery.
fn dead(batch: &Batch) -> Vec<(i64, i32)> {
    let mut dead = Vec::new();
    for slot in batch.slots() {
        let Fate::Event { deliveries, .. } = &slot.fate else { continue };
        let failed = deliveries.iter().filter(
            |delivery| matches!(&delivery.outcome, Some(Outcome::Failed(failure)) if failure.reason == "host-crash"),
        );
        dead.extend(failed.map(|delivery| (slot.entry.offset(), delivery.handler.id)));
    }
    dead
}

#[test]
fn only_the_delivery_that_cost_two_owners_is_dead() {
    assert_eq!(dead(&routed(5, &[(7, 2, 2)])), [(7, 2)]);
    assert_eq!(dead(&routed(4, &[(7, 2, 1)])), [], "one death may have had another cause");
    assert_eq!(dead(&routed(6, &[(7, 1, 1), (7, 2, 1)])), [], "each has one");
    assert_eq!(dead(&routed(5, &[(6, 2, 2)])), [], "that record is another one");
}

#[test]
fn events_run_singly_from_the_third_dead_owner_on() {
    let first = DeliveryRef { slot: 0, place: 0 };
    assert!(routed(2, &[]).runs_singly(first).is_none());
    assert_eq!(routed(3, &[]).runs_singly(first).map(Entry::offset), Some(7));
}
