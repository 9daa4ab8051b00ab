//! What standard libraries get: an empty world, and the delivery's time and randomness.

use std::time::{Duration, Instant};

use weir_core::call::{StopKind, Verdict};
use weir_sandbox::Limits;

use crate::fixture::{Guest, call, event, handling, stopped};

const TOP: &str = r#"
    (import "wasi" "exit" (func $exit (param i32)))
    (import "wasi" "arguments" (func $arguments (param i32)))
    (import "wasi" "monotonic" (func $monotonic (result i64)))
    (import "wasi" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "wasi" "block" (func $block (param i32)))
    (import "wasi" "wall" (func $wall (param i32)))
    (import "wasi" "random-u64" (func $random (result i64)))
    (import "wasi" "random-bytes" (func $random-bytes (param i64 i32)))
    (import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
"#;

fn guest(handle: &str) -> Guest<'_> {
    handling(TOP, handle)
}

#[tokio::test]
async fn clocks_give_the_time_of_the_delivery() {
    let body = "
        (local $before i64)
        (call $wall (i32.const 64))
        (if (i64.ne (i64.load (i32.const 64)) (i64.const 1700000001)) (then unreachable))
        (if (i32.ne (i32.load (i32.const 72)) (i32.const 456000000)) (then unreachable))
        (local.set $before (call $monotonic))
        (call $block (call $subscribe (i64.const 20000000)))
        (if (i64.ne (i64.sub (call $monotonic) (local.get $before)) (i64.const 20001000)) (then unreachable))";
    let begun = Instant::now();
    let run = guest(body).deliver(Limits::default()).await;
    assert_eq!(run.verdict, Verdict::Accepted);
    assert!(begun.elapsed() >= Duration::from_millis(20), "it did not sleep");
    assert!(run.running >= Duration::from_millis(20), "the sleep did not count");
}

#[tokio::test]
async fn the_deadline_ends_a_sleep() {
    for nanoseconds in ["60000000000", "-1"] {
        let body = format!("(call $block (call $subscribe (i64.const {nanoseconds})))");
        let begun = Instant::now();
        let run = guest(&body).deliver(Limits { deadline_ms: 60, ..Limits::default() }).await;
        let stop = stopped(&run);
        assert_eq!(stop.kind, StopKind::Deadline);
        assert!(stop.message.starts_with("deadline_ms: "), "{}", stop.message);
        assert!(begun.elapsed() < Duration::from_secs(30), "it was not ended");
    }
}

#[tokio::test]
async fn many_short_sleeps_add_up() {
    let body = "(loop $again (call $block (call $subscribe (i64.const 1000000))) (br $again))";
    let run = guest(body).deliver(Limits { deadline_ms: 60, handles: 1_000_000, ..Limits::default() }).await;
    assert_eq!(stopped(&run).kind, StopKind::Deadline);
}

#[tokio::test]
async fn handles_are_limited() {
    let body = "(loop $again (drop (call $subscribe (i64.const 1))) (br $again))";
    let run = guest(body).deliver(Limits::default()).await;
    let stop = stopped(&run);
    assert_eq!(stop.kind, StopKind::Handles);
    assert!(stop.message.starts_with("handles: "), "{}", stop.message);
}

#[tokio::test]
async fn exit_is_a_trap_that_says_so() {
    for (status, text) in [(0, "status 0"), (1, "status 1")] {
        let run = guest(&format!("(call $exit (i32.const {status}))")).deliver(Limits::default()).await;
        let stop = stopped(&run);
        assert_eq!(stop.kind, StopKind::Trap);
        assert!(stop.message.contains("called exit") && stop.message.contains(text), "{}", stop.message);
    }
}

#[tokio::test]
async fn there_are_no_arguments() {
    let body = "(call $arguments (i32.const 64)) (if (i32.load (i32.const 68)) (then unreachable))";
    assert_eq!(guest(body).deliver(Limits::default()).await.verdict, Verdict::Accepted);
}

#[tokio::test]
async fn the_random_numbers_of_a_language_are_those_of_the_delivery() {
    // A number's low four bits as a letter, sixteen times.
    let body = "
        (local $n i32)
        (loop $again
            (i32.store8 (i32.add (i32.const 256) (local.get $n))
                (i32.add (i32.const 97) (i32.and (i32.wrap_i64 (call $random)) (i32.const 15))))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const 16))))
        (call $log (i32.const 2) (i32.const 256) (i32.const 16) (i32.const 0) (i32.const 0) (i32.const 0))";
    let handler = guest(body).load(Limits::default()).await.expect("loads");
    let first = handler.deliver(call(event()).await).await.log[0].text.clone();
    let again = handler.deliver(call(event()).await).await.log[0].text.clone();
    assert_eq!(first, again);
    assert!(first.chars().any(|letter| letter != first.chars().next().unwrap_or_default()), "{first}");
}

#[tokio::test]
async fn random_bytes_cross_the_boundary() {
    let run = guest("(call $random-bytes (i64.const 1000000000000) (i32.const 64))").deliver(Limits::default()).await;
    assert_eq!(stopped(&run).kind, StopKind::Boundary);
}
