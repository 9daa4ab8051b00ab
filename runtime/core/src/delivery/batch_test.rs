//! What becomes of an event that was not sent whole, and what ends a batch.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::batch::{Batch, Judge};
use super::entry::{Entry, Item, Ledger, event_hash};
use super::outcome::{Decision, Failure};
use super::routes::Routes;
use super::samples_test::{self, handler, partition};
use super::slot::{DeliveryRef, Fate, Outcome};
use super::statements::Form;
use crate::event::{Event, RawRecord, ToldBy, Undecodable, Unsent};
use crate::store::{Buckets, Claim, Floors, Kind, MarkerKey, Plan, ReadById, Sequence, State, Write};

fn ledger() -> Ledger {
    samples_test::ledger(1_000_000)
}

fn event(id: &str) -> Event {
    samples_test::event(id, 5)
}

fn unsent(id: &str, told_by: Option<ToldBy>) -> Item {
    let why = Undecodable {
        reason: "the row's payload was not sent".to_owned(),
        event_id: Some(id.to_owned()),
        event_type: Some("T".to_owned()),
        aggregate_id: Some("a".to_owned()),
    };
    Item::Unsent(Arc::new(Unsent { id: id.to_owned(), told_by, why }))
}

fn told_by(event: &Event) -> ToldBy {
    ToldBy {
        aggregate_id: event.aggregate_id.clone(),
        event_type: event.event_type.clone(),
        row_created_at_us: event.row_created_at_us,
    }
}

/// Returns the batch of these records, routed against a ledger that has these events and against the batch before it.
fn routed(items: Vec<Item>, seen: &HashMap<MarkerKey, i64>, before: Option<&HashMap<MarkerKey, i64>>) -> Batch {
    routed_by(&Routes::default(), items, seen, before)
}

fn routed_by(
    routes: &Routes,
    items: Vec<Item>,
    seen: &HashMap<MarkerKey, i64>,
    before: Option<&HashMap<MarkerKey, i64>>,
) -> Batch {
    routed_while(routes, items, (seen, before), None)
}

fn routed_while(
    routes: &Routes,
    items: Vec<Item>,
    (seen, before): (&HashMap<MarkerKey, i64>, Option<&HashMap<MarkerKey, i64>>),
    held: Option<&dyn Fn(i32, Sequence) -> bool>,
) -> Batch {
    let entries =
        (0..).zip(items).map(|(offset, item)| Entry::of_log(partition(), offset, item, Arc::new(RawRecord::default())));
    let mut batch = Batch::new(entries.collect(), &ledger(), before);
    let asked = batch.keys();
    let seen = seen.iter().filter(|(key, _)| asked.contains(key)).map(|(key, hash)| (*key, *hash)).collect();
    let heads = BTreeMap::from([(partition(), Claim::new(1, 0))]);
    let buckets = Buckets::default();
    batch.route(&Judge {
        seen: &seen,
        routes,
        heads: &heads,
        buckets: &buckets,
        floors: &Floors::default(),
        now_ms: Some(9),
        held,
    });
    batch
}

fn plan(batch: &Batch) -> Plan {
    batch.plan(&BTreeMap::from([(partition(), Claim::new(1, 0))]), &ledger(), Form::Grouped, 9)
}

fn known(event: &Event) -> HashMap<MarkerKey, i64> {
    HashMap::from([(ledger().key(event), event_hash(event))])
}

#[test]
fn it_is_a_duplicate_where_the_ledger_has_its_id() {
    let event = event("e");
    for told_by in [Some(told_by(&event)), None] {
        let batch = routed(vec![unsent("e", told_by)], &known(&event), None);
        assert!(matches!(batch.slots()[0].fate, Fate::Duplicate), "{batch:?}");
        let plan = plan(&batch);
        assert!(plan.markers.is_empty() && plan.parked.is_empty() && plan.records.is_empty());
        assert_eq!(plan.advances().next().map(|advance| advance.to), Some(1));
    }
}

#[test]
fn it_is_a_duplicate_of_one_before_it_in_the_batch_or_in_what_is_being_committed() {
    let event = event("e");
    let items = vec![Item::Event(Arc::new(event.clone())), unsent("e", Some(told_by(&event)))];
    let batch = routed(items, &HashMap::new(), None);
    assert!(matches!(batch.slots()[0].fate, Fate::Event { .. }) && matches!(batch.slots()[1].fate, Fate::Duplicate));
    let batch = routed(vec![unsent("e", Some(told_by(&event)))], &HashMap::new(), Some(&known(&event)));
    assert!(matches!(batch.slots()[0].fate, Fate::Duplicate));
}

#[test]
fn it_is_dead_where_nobody_knows_its_id_and_leaves_no_mark() {
    let batch = routed(vec![unsent("f", Some(told_by(&event("f"))))], &known(&event("e")), None);
    let Fate::Dead(failure) = &batch.slots()[0].fate else { panic!("{batch:?}") };
    assert_eq!(failure.reason, "undecodable");
    assert_eq!(failure.message, "the row's payload was not sent, and the ledger does not know the event's id");
    let plan = plan(&batch);
    assert!(plan.markers.is_empty());
    assert_eq!((plan.parked.len(), plan.records.len()), (1, 1));
    assert_eq!(plan.parked[0].event_id.as_deref(), Some("f"));
    // The event itself may still come, and is then run.
    let items = vec![unsent("f", None), Item::Event(Arc::new(event("f")))];
    assert!(matches!(routed(items, &HashMap::new(), None).slots()[1].fate, Fate::Event { .. }));
}

#[test]
fn another_events_id_is_a_conflict() {
    let other = ToldBy { aggregate_id: "b".to_owned(), ..told_by(&event("e")) };
    let batch = routed(vec![unsent("e", Some(other))], &known(&event("e")), None);
    let Fate::Dead(failure) = &batch.slots()[0].fate else { panic!("{batch:?}") };
    assert_eq!(failure.reason, "id-conflict");
}

/// Returns how many deliveries that end like this a batch takes.
fn most(decision: impl Fn() -> Decision, reads: impl Fn() -> Vec<ReadById>) -> Option<usize> {
    let mut batch = routed(vec![Item::Event(Arc::new(event("e")))], &HashMap::new(), None);
    (1..100_000).find(|_| {
        batch.ran(DeliveryRef { slot: 0, place: 0 }, decision(), Vec::new(), reads());
        batch.is_full()
    })
}

#[test]
fn later_events_of_what_waits_wait_although_its_line_goes_on_meanwhile() {
    let mut routes = Routes::default();
    routes.register("T", &handler(1, "h"));
    let items = ["e1", "e2", "e3"].map(|id| Item::Event(Arc::new(event(id))));
    // The lane, which is another task, lets the line go on after the first look.
    let looks = Cell::new(0);
    let held = |_: i32, _: Sequence| looks.replace(looks.get() + 1) == 0;
    let batch = routed_while(&routes, items.to_vec(), (&HashMap::new(), None), Some(&held));
    assert_eq!(batch.next(None), None, "none of them overtakes the first");
}

#[test]
fn what_failures_keep_ends_a_batch() {
    let failure = || Decision::Fail(Box::new(Failure::new(State::Dead, "reject", "x".repeat(64 << 10))));
    let failures = most(failure, Vec::new);
    assert!(failures.is_some_and(|failures| (200..=256).contains(&failures)), "{failures:?}");
}

#[test]
fn an_events_deliveries_write_a_bounded_amount_together() {
    let mut routes = Routes::default();
    for id in 1..=3 {
        routes.register("T", &handler(id, "h"));
    }
    let mut batch = routed_by(&routes, vec![Item::Event(Arc::new(event("e")))], &HashMap::new(), None);
    let mut ran = |place, mib: usize| {
        let document = bson::rawdoc! { "a": "x".repeat(mib << 20) };
        let write = Write {
            collection: "c".into(),
            kind: Kind::Insert,
            statements: vec![document],
            id: None,
            id_only: false,
            multi: false,
            upsert: false,
            must_match: false,
        };
        batch.ran(DeliveryRef { slot: 0, place }, Decision::Accept, vec![write], Vec::new());
        let is_accepted = batch.is_accepted(DeliveryRef { slot: 0, place });
        let Fate::Event { deliveries, .. } = &batch.slots()[0].fate else { panic!("{batch:?}") };
        assert_eq!(is_accepted, matches!(deliveries[place].outcome, Some(Outcome::Committed)));
        match deliveries[place].outcome.clone() {
            Some(Outcome::Failed(failure)) => Some(failure.reason),
            _ => None,
        }
    };
    assert_eq!(ran(0, 40), None, "what a single delivery writes is its handler's limit");
    assert_eq!(ran(1, 1), Some("too-large"));
    assert_eq!(ran(0, 20), None);
    assert_eq!(ran(1, 11), None);
    assert_eq!(ran(2, 2), Some("too-large"));
}

#[test]
fn what_reads_are_checked_by_ends_a_batch() {
    let read = || {
        let id = bson::RawBson::String("x".repeat(1 << 20));
        vec![ReadById { collection: Arc::from("c"), id, projection: None, digest: [0; 16] }]
    };
    assert_eq!(most(|| Decision::Accept, read), Some(16));
    assert_eq!(most(|| Decision::Skip(String::new()), read), Some(16));
}
