//! Every limit stops what it is meant for, and the error names the limit.

use std::time::Duration;

use weir_core::call::{Run, StopKind, Verdict};
use weir_core::documents::Code;
use weir_core::event::Event;
use weir_sandbox::Limits;

use crate::fixture::{Guest, call, event, handling, stopped};

const LOG: &str = r#"(import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))"#;
const SPIN: &str = "(loop $forever (br $forever))";

/// Returns a body that logs the first `length` bytes of memory `times` times.
fn logs(times: u32, length: u32) -> String {
    format!(
        "(local $n i32)
         (loop $again
            (call $log (i32.const 2) (i32.const 1024) (i32.const {length}) (i32.const 0) (i32.const 0) (i32.const 0))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const {times}))))"
    )
}

fn names(run: &Run, kind: StopKind, reason: &str) {
    let stop = stopped(run);
    assert_eq!(stop.kind, kind, "{}", stop.message);
    assert_eq!(kind.reason(), reason);
    let limit = kind.limit().expect("a limit");
    assert!(stop.message.starts_with(&format!("{limit}: ")), "{}", stop.message);
}

#[tokio::test]
async fn nothing_stops_a_handler_that_does_nothing() {
    let run = Guest::default().deliver(Limits::default()).await;
    assert_eq!(run.verdict, Verdict::Accepted);
    assert!(run.fuel > 0 && run.fuel < 1_000, "{}", run.fuel);
    assert!(run.writes.is_empty() && run.reads.is_empty() && run.log.is_empty());
}

#[tokio::test]
async fn fuel() {
    let run = handling("", SPIN).deliver(Limits { fuel: 3_000_000, ..Limits::default() }).await;
    names(&run, StopKind::Fuel, "fuel");
    assert!(run.fuel >= 3_000_000, "{}", run.fuel);
}

#[tokio::test]
async fn deadline() {
    let limits = Limits { fuel: u64::MAX / 2, deadline_ms: 50, ..Limits::default() };
    let run = handling("", SPIN).deliver(limits).await;
    names(&run, StopKind::Deadline, "deadline");
    assert!(run.running >= Duration::from_millis(50) && run.running < Duration::from_secs(2), "{:?}", run.running);
}

#[tokio::test]
async fn memory_of_all_memories_together() {
    let top = "(memory $other 1)";
    let grow = "(drop (memory.grow $other (i32.const 10))) (drop (memory.grow $other (i32.const 10)))";
    let enough = Limits { memory_bytes: 23 << 16, ..Limits::default() };
    // The first memory in the text is the other one, so the exported one is the second.
    let guest = handling(top, grow);
    assert_eq!(guest.deliver(enough).await.verdict, Verdict::Accepted);
    let run = guest.deliver(Limits { memory_bytes: 22 << 16, ..Limits::default() }).await;
    names(&run, StopKind::Memory, "memory");
}

#[tokio::test]
async fn tables() {
    let top = "(table $t 10 funcref)";
    let grow = "(drop (table.grow $t (ref.null func) (i32.const 1000)))";
    let limits = |table_elements| Limits { table_elements, ..Limits::default() };
    assert_eq!(handling(top, grow).deliver(limits(1_010)).await.verdict, Verdict::Accepted);
    names(&handling(top, grow).deliver(limits(1_009)).await, StopKind::Table, "table");
}

#[tokio::test]
async fn stack() {
    let top = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";
    let run = handling(top, "(drop (call $deep (i32.const 1)))").deliver(Limits::default()).await;
    names(&run, StopKind::Stack, "stack");
}

#[tokio::test]
async fn host_calls_bound_the_log_too() {
    let run = handling(LOG, &logs(1_000, 1)).deliver(Limits { host_calls: 100, ..Limits::default() }).await;
    names(&run, StopKind::HostCalls, "host-calls");
    assert_eq!(run.log.len(), 100);
}

#[tokio::test]
async fn surplus_lines_are_dropped_and_counted() {
    let limits = Limits { log_bytes: 8_000, ..Limits::default() };
    let run = handling(LOG, &logs(100, 50)).deliver(limits).await;
    assert_eq!(run.verdict, Verdict::Accepted);
    assert_eq!(run.log.len() as u64 + run.log_lines_dropped, 100);
    assert!((10..=24).contains(&run.log.len()), "{}", run.log.len());
    let limits = Limits { log_lines: 7, ..Limits::default() };
    let run = handling(LOG, &logs(100, 50)).deliver(limits).await;
    assert_eq!((run.log.len(), run.log_lines_dropped), (8, 92), "seven, and the last one");
}

#[tokio::test]
async fn what_crosses_the_boundary_adds_up() {
    let limits = Limits { boundary_bytes: 100_000, ..Limits::default() };
    let run = handling(LOG, &logs(100, 1_001)).deliver(limits.clone()).await;
    names(&run, StopKind::Boundary, "boundary");
    let run = handling(LOG, &logs(100, 1_000)).deliver(limits).await;
    assert_eq!(run.verdict, Verdict::Accepted);
}

#[tokio::test]
async fn a_giant_text_is_refused_before_it_is_copied() {
    let limits = Limits { boundary_bytes: 100_000, ..Limits::default() };
    let run = handling(LOG, &logs(1, 130_000)).deliver(limits).await;
    names(&run, StopKind::Boundary, "boundary");
}

#[tokio::test]
async fn overlapping_lists_are_refused() {
    let top = r#"(import "documents" "insert-many"
        (func $insert (param i32 i32 i32 i32 i32 i32 i32 i32)))"#;
    // 8,000 texts of 60,000 bytes each, all of them the same bytes.
    let body = "
        (local $n i32)
        (loop $again
            (i32.store (i32.add (i32.const 65536) (i32.mul (local.get $n) (i32.const 8))) (i32.const 1024))
            (i32.store (i32.add (i32.const 65540) (i32.mul (local.get $n) (i32.const 8))) (i32.const 60000))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const 8000))))
        (call $insert (i32.const 1024) (i32.const 5) (i32.const 65536) (i32.const 8000)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))";
    let run = handling(top, body).deliver(Limits::default()).await;
    names(&run, StopKind::Boundary, "boundary");
}

#[tokio::test]
async fn event_size_is_looked_at_before_the_call() {
    let handler = handling("", "unreachable").load(Limits { event_bytes: 1_000, ..Limits::default() }).await;
    let large = Event { payload: format!("\"{}\"", "x".repeat(1_000)), ..event() };
    let run = handler.expect("loads").deliver(call(large).await).await;
    names(&run, StopKind::EventSize, "event-size");
    assert_eq!(run.fuel, 0);
}

#[tokio::test]
async fn writes() {
    let top = r#"(import "documents" "insert-one"
        (func $insert (param i32 i32 i32 i32 i32 i32 i32 i32)))
        (data (i32.const 4096) "users{}")"#;
    let insert = "(call $insert (i32.const 4096) (i32.const 5) (i32.const 4101) (i32.const 2)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))";
    let run = handling(top, &insert.repeat(3)).deliver(Limits { writes: 2, ..Limits::default() }).await;
    let Verdict::Refused(refusal) = &run.verdict else { panic!("{:?}", run.verdict) };
    assert_eq!(refusal.code, Code::Limit);
    assert!(refusal.message.contains("writes: more than 2"), "{}", refusal.message);
}

#[tokio::test]
async fn instantiation_has_fuel_of_its_own() {
    let top = "(func $start (local $n i32)
            (loop $again
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $n) (i32.const 100000)))))
        (start $start)";
    let limits = Limits { instantiate_fuel: 10_000, ..Limits::default() };
    let error = handling(top, "").load(limits).await.expect_err("too little fuel").to_string();
    assert!(error.contains("instantiate_fuel: used up all 10000 units"), "{error}");
    let run = handling(top, "").deliver(Limits { fuel: 10_000, ..Limits::default() }).await;
    assert_eq!(run.verdict, Verdict::Accepted);
    assert!(run.fuel > 100_000, "{}", run.fuel);
}

#[tokio::test]
async fn describe_has_limits_of_its_own() {
    let spins = Guest { describe: SPIN, ..Guest::default() };
    let error = spins.load(Limits { describe_fuel: 10_000, ..Limits::default() }).await.expect_err("too little fuel");
    assert!(error.to_string().contains("describe_fuel: used up all 10000 units"), "{error}");
    let limits = Limits { describe_fuel: u64::MAX / 2, describe_ms: 30, ..Limits::default() };
    let error = spins.load(limits).await.expect_err("too little time");
    assert!(error.to_string().contains("describe_ms: ran for more than 30 ms"), "{error}");
}

#[tokio::test]
async fn a_trap_carries_the_names_of_functions() {
    let top = "(func $inner unreachable) (func $outer (call $inner))";
    let run = handling(top, "(call $outer)").deliver(Limits::default()).await;
    let stop = stopped(&run);
    assert_eq!((stop.kind, stop.kind.limit(), stop.kind.reason()), (StopKind::Trap, None, "trap"));
    assert!(stop.message.contains("unreachable"), "{}", stop.message);
    let backtrace = stop.backtrace.as_deref().expect("a backtrace");
    for name in ["inner", "outer", "handle"] {
        assert!(backtrace.contains(name), "{backtrace}");
    }
}

#[tokio::test]
async fn a_limit_beyond_the_engines_is_refused_at_load() {
    let limits = Limits { memory_bytes: 1 << 40, ..Limits::default() };
    let error = Guest::default().load(limits).await.expect_err("beyond the engine").to_string();
    assert!(error.contains("memory_bytes: 1099511627776 is more than"), "{error}");
}
