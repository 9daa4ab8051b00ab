//! What a committer does about time that passes, rights that are missing, and a stop in the middle of a read.

mod guests;
mod mongo;
mod world;

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;

use self::guests::{COLLECTION, COMPUTES, READS, READS_ALONE, WRITES};
use self::mongo::Trouble;
use self::world::World;
use super::hop::{AtEnd, Work};
use super::in_flight::Heads;
use super::retries::Busy;
use super::samples_test::partition;
use crate::telemetry::health::MONGODB;

/// A look at a partition that has been read to its end.
fn at_end() -> Work {
    Work::AtEnd(vec![AtEnd { partition: partition(), end: 1, highest_created_at_ms: Some(5) }])
}

#[test]
fn a_right_that_is_granted_again_is_noticed_without_an_event() {
    for (event_type, right) in [(READS, "the right to read c"), (WRITES, "the right to write to c")] {
        assert!(right.ends_with(COLLECTION));
        let mut world = World::new();
        world.mongo.set(Some(Trouble::NoRights));
        world.send(&[event_type]);
        world.go_on();
        assert_eq!(world.mongo.parked(), ["unauthorized"], "{event_type}");
        assert_eq!(world.waits_for(), [right]);
        world.give(at_end());
        world.go_on();
        assert_eq!(world.waits_for(), [right], "it is still missing");
        world.mongo.set(None);
        world.go_on();
        assert_eq!(world.waits_for(), [right], "nobody has looked");
        world.give(at_end());
        world.go_on();
        assert_eq!(world.waits_for(), [""; 0], "{event_type}");
    }
}

#[test]
fn a_batch_ends_once_its_handlers_have_run_for_half_a_second() {
    let mut world = World::new();
    world.send(&[COMPUTES; 5]);
    world.go_on();
    assert_eq!(world.mongo.batches(), [2, 2, 1]);
}

#[test]
fn what_a_handler_waits_for_its_reads_counts_as_its_time() {
    let mut world = World::new();
    *world.mongo.read_time.lock().expect("no test panics here") = Duration::from_millis(300);
    world.send(&[READS; 5]);
    world.go_on();
    assert_eq!(world.mongo.batches(), [2, 2, 1]);
}

#[test]
fn a_line_whose_reads_take_long_is_sent_away_unless_mongodb_was_gone() {
    for comes_and_goes in [false, true] {
        let mut world = World::new();
        *world.mongo.read_time.lock().expect("no test panics here") = Duration::from_secs(4);
        world.mongo.comes_and_goes.store(comes_and_goes, Ordering::Relaxed);
        world.send(&[WRITES, READS, WRITES, READS, WRITES, READS]);
        world.go_on();
        assert_eq!(world.finished(), 6);
        assert_eq!(world.mongo.parked().is_empty(), comes_and_goes, "{:?}", world.mongo.parked());
    }
}

#[test]
fn what_a_batch_waits_for_the_one_in_flight_ends_no_batch() {
    let mut world = World::new();
    world.mongo.commits.shut();
    world.send(&[WRITES]);
    world.go_on();
    assert!(world.mongo.commits.is_waited_for());
    // The first of them reads what is being committed, so it waits for the commit.
    world.send(&[READS; 3]);
    world.go_on();
    world.clock.pass(Duration::from_secs(10));
    world.mongo.commits.open();
    world.go_on();
    assert_eq!(world.mongo.batches(), [1, 3]);
}

#[test]
fn a_read_that_a_stop_meets_parks_nothing_and_holds_up_no_end() {
    for event_type in [READS, READS_ALONE] {
        for trouble in [Trouble::SlowReads, Trouble::Gone] {
            let mut world = World::new();
            world.mongo.reads.shut();
            world.send(&[event_type]);
            world.go_on();
            assert!(world.mongo.reads.is_waited_for(), "{event_type} reads");
            world.give_up();
            world.close();
            world.go_on();
            assert!(!world.has_ended(), "a read is not cut off, because MongoDB goes on with it");
            world.mongo.set(Some(trouble));
            world.mongo.reads.open();
            world.go_on();
            assert!(world.has_ended(), "{event_type}, {trouble:?}");
            assert_eq!(world.mongo.parked(), [""; 0], "{event_type}, {trouble:?}");
            assert_eq!(world.mongo.batches(), [0; 0], "{event_type}, {trouble:?}");
            assert!(world.has_lost_its_claim(), "its next claim says where to go on");
            assert_eq!(world.finished(), 1, "the record is held no longer");
        }
    }
}

#[test]
fn a_read_that_is_answered_after_all_is_committed_before_the_end() {
    for event_type in [READS, READS_ALONE] {
        let mut world = World::new();
        world.mongo.reads.shut();
        world.send(&[event_type]);
        world.go_on();
        world.give_up();
        world.close();
        world.mongo.reads.open();
        world.go_on();
        assert!(world.has_ended());
        assert_eq!((world.mongo.batches(), world.mongo.parked()), (vec![1], Vec::new()), "{event_type}");
    }
}

#[test]
fn only_an_answer_says_that_mongodb_answers() {
    let (lines, health, clock) = world::lines();
    let looks = || lines.due(&Heads::new(), &Busy::default(), 10).now_or_never().expect("mongodb answers at once");
    let waits = || health.readiness().waiting_for.iter().any(|waiting| waiting.what == MONGODB);
    assert!(looks().is_empty());
    health.waiting_for(MONGODB, "a commit is not answered");
    assert!(looks().is_empty());
    assert!(waits(), "it has asked nothing, because it asks once a second");
    clock.pass(Duration::from_secs(2));
    assert!(looks().is_empty());
    assert!(!waits());
}
