//! When a handler trips, and when it goes on.

use super::super::samples_test::handler;
use super::*;
use crate::store::{Decided, State, Stop};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stopped() -> Failure {
    Failure { was_stopped: true, ..Failure::new(State::Dead, "trap", "unreachable") }
}

/// Has a handler's deliveries end. Returns the number of the one with which it trips.
fn trips(stops: &mut Stops, handler: &Identity, failed: impl IntoIterator<Item = bool>) -> Option<usize> {
    let failure = stopped();
    let ended = |failed: bool| stops.ended(handler, failed.then_some(&failure), (s(100), 7));
    failed.into_iter().map(ended).position(|change| change.is_some()).map(|at| at + 1)
}

fn routes(handler: &std::sync::Arc<Identity>) -> Routes {
    let mut routes = Routes::default();
    routes.register("E", handler);
    routes
}

fn found(id: i32, paused: bool, tripped: Option<&str>) -> Vec<StoppedHandler> {
    let decided = || Decided { at_ms: 1, by: "a".to_owned(), why: "b".to_owned() };
    let trip = |version: &str| Trip {
        at_ms: 1,
        version: version.to_owned(),
        reason: "trap".to_owned(),
        message: String::new(),
    };
    let stopped = Stop { paused: paused.then(decided), tripped: tripped.map(trip), ended: None };
    vec![StoppedHandler { id, stopped }]
}

#[test]
fn twenty_failures_in_a_row_or_more_than_half_of_the_last_two_hundred_trip_a_handler() {
    let handler = handler(7, "h");
    let trips = |failed: Vec<bool>| trips(&mut Stops::default(), &handler, failed);
    assert_eq!(trips(vec![true; 19]), None);
    assert_eq!(trips(vec![true; 20]), Some(20));
    let interrupted = [vec![true; 19], vec![false], vec![true; 19]].concat();
    assert_eq!(trips(interrupted), None);
    // Of each three, two fail.
    let often: Vec<bool> = (0..600).map(|number| number % 3 > 0).collect();
    assert_eq!(trips(often), Some(152), "the 101st failure");
    let half: Vec<bool> = (0..600).map(|number| number % 2 > 0).collect();
    assert_eq!(trips(half), None);
}

#[test]
fn a_handler_that_has_tripped_is_tried_from_time_to_time_until_it_succeeds() {
    let handler = handler(7, "h");
    let mut stops = Stops::default();
    assert_eq!(stops.turn(handler.line, s(100)), Turn::All);
    assert_eq!(trips(&mut stops, &handler, [true; 20]), Some(20));
    assert!(stops.has(handler.line) && !stops.has(handler.line + 1));
    assert_eq!(stops.turn(handler.line + 1, s(100)), Turn::All);
    let trip = Trip {
        at_ms: 7,
        version: handler.version.to_string(),
        reason: "trap".to_owned(),
        message: "unreachable".to_owned(),
    };
    assert_eq!(stops.take_news(), [News::Tripped(7, trip)]);
    assert_eq!(stops.ended(&handler, Some(&stopped()), (s(100), 8)), None, "it was in flight");
    assert_eq!(stops.ended(&handler, None, (s(100), 8)), None, "so was this");
    let mut now = s(100);
    for pause in [30, 60, 120, 240, 480, 600, 600] {
        assert_eq!(stops.turn(handler.line, now + s(pause - 1)), Turn::Nothing, "{pause}");
        now += s(pause);
        assert_eq!(stops.turn(handler.line, now), Turn::One, "{pause}");
        stops.tries(handler.line, now);
        assert_eq!(stops.turn(handler.line, now), Turn::Nothing, "it is being tried");
        assert_eq!(stops.ended(&handler, Some(&stopped()), (now, 8)), None);
    }
    stops.tries(handler.line, now);
    assert_eq!(stops.ended(&handler, None, (now, 9)), Some((7, Cause::Tripped, false)));
    assert_eq!(stops.take_news(), [News::Recovered(7, handler.version.to_string())]);
    assert_eq!(stops.turn(handler.line, now), Turn::All);
    assert_eq!(trips(&mut stops, &handler, [true; 19]), None, "it begins anew");
}

#[test]
fn what_mongodb_says_counts_unless_it_has_not_been_told() {
    let handler = handler(7, "h");
    let routes = routes(&handler);
    let mut stops = Stops::default();
    assert_eq!(stops.hear(&found(7, true, None), &routes, s(1)), [(7, Cause::Paused, true)]);
    assert_eq!(stops.hear(&found(7, true, None), &routes, s(2)), []);
    assert_eq!(stops.turn(handler.line, s(3)), Turn::Nothing);
    assert_eq!(stops.hear(&found(7, false, None), &routes, s(4)), [(7, Cause::Paused, false)]);
    assert!(stops.is_empty());

    assert_eq!(stops.hear(&found(7, false, Some("another")), &routes, s(5)), [], "another version's");
    let tripped = found(7, false, Some(&handler.version));
    assert_eq!(stops.hear(&tripped, &routes, s(5)), [(7, Cause::Tripped, true)], "by another host");
    assert_eq!(stops.hear(&tripped, &routes, s(20)), []);
    assert_eq!(stops.hear(&found(7, false, Some("another")), &routes, s(21)), [], "another version trips too");
    assert_eq!(stops.turn(handler.line, s(35)), Turn::One, "from when it was heard");
    assert_eq!(stops.hear(&[], &routes, s(36)), [(7, Cause::Tripped, false)], "somebody has reset it");

    assert_eq!(trips(&mut stops, &handler, [true; 20]), Some(20));
    assert_eq!(stops.hear(&[], &routes, s(101)), [], "mongodb has not been told");
    let news = stops.take_news();
    stops.put_back(news);
    assert_eq!(stops.hear(&[], &routes, s(102)), []);
    assert_eq!(stops.take_news().len(), 1);
    assert_eq!(stops.hear(&[], &routes, s(103)), [(7, Cause::Tripped, false)]);
}

#[test]
fn a_try_of_another_handler_of_the_line_does_not_count() {
    let bad = handler(7, "h");
    let beside = Identity { id: 8, ..Identity::clone(&bad) };
    let mut stops = Stops::default();
    assert_eq!(trips(&mut stops, &bad, [true; 20]), Some(20));
    assert_eq!(stops.ended(&beside, None, (s(101), 8)), None, "it was in flight");
    assert_eq!(stops.turn(bad.line, s(129)), Turn::Nothing);
    for _ in 0..3 {
        assert_eq!(stops.turn(bad.line, s(130)), Turn::One);
        stops.tries(bad.line, s(130));
        assert_eq!(stops.turn(bad.line, s(130)), Turn::Nothing);
        assert_eq!(stops.ended(&beside, None, (s(130), 8)), None);
    }
    stops.tries(bad.line, s(130));
    assert_eq!(stops.ended(&bad, None, (s(130), 9)), Some((7, Cause::Tripped, false)));
}

#[test]
fn a_paused_handler_is_not_tried_although_it_has_tripped() {
    let handler = handler(7, "h");
    let mut stops = Stops::default();
    stops.hear(&found(7, true, Some(&handler.version)), &routes(&handler), s(1));
    assert_eq!(stops.turn(handler.line, s(1_000)), Turn::Nothing);
    stops.hear(&found(7, false, Some(&handler.version)), &routes(&handler), s(2));
    assert_eq!(stops.turn(handler.line, s(1_000)), Turn::One);
}
