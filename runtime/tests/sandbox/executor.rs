//! A guest never keeps the thread that runs it from other work for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use weir_core::call::StopKind;
use weir_sandbox::Limits;

use crate::fixture::{handling, stopped};

const TOP: &str = r#"
    (import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
    (import "wasi" "monotonic" (func $monotonic (result i64)))
    (import "wasi" "stdout" (func $stdout (result i32)))
    (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
"#;

/// Returns how often a timer of a millisecond fires on a single thread on which the guest also runs for half a second.
fn ticks_beside(body: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let ticks = Arc::new(AtomicU64::new(0));
        let ticking = tokio::spawn({
            let ticks = Arc::clone(&ticks);
            async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    ticks.fetch_add(1, Relaxed);
                }
            }
        });
        let handler = handling(TOP, body);
        let most = u64::MAX / 2;
        let limits = Limits {
            deadline_ms: 500,
            fuel: 1_000_000_000_000,
            host_calls: most,
            boundary_bytes: most,
            ..Limits::default()
        };
        // Compile before anything is counted.
        let handler = handler.load(limits).await.expect("loads");
        let call = crate::fixture::call(crate::fixture::event()).await;
        ticks.store(0, Relaxed);
        let run = handler.deliver(call).await;
        let ticks = ticks.load(Relaxed);
        ticking.abort();
        assert_eq!(stopped(&run).kind, StopKind::Deadline, "{}", stopped(&run).message);
        ticks
    })
}

#[test]
fn a_timer_fires_while_a_guest_floods() {
    let cases = [
        ("computes", "(loop $again (br $again))"),
        (
            "logs",
            "(loop $again
            (call $log (i32.const 2) (i32.const 1024) (i32.const 60000) (i32.const 0) (i32.const 0) (i32.const 0))
            (br $again))",
        ),
        ("calls WASI", "(loop $again (drop (call $monotonic)) (br $again))"),
        (
            "prints",
            "(local $stdout i32)
            (local.set $stdout (call $stdout))
            (loop $again
                (call $write (local.get $stdout) (i32.const 1024) (i32.const 65536) (i32.const 64))
                (br $again))",
        ),
        ("copies", "(loop $again (memory.fill (i32.const 65536) (i32.const 0) (i32.const 65536)) (br $again))"),
    ];
    for (what, body) in cases {
        let ticks = ticks_beside(body);
        // The epoch moves every 2 ms, so the guest can yield 250 times, of which a busy machine takes most away. A
        // guest that does not yield lets the timer fire once or never.
        assert!(ticks >= 10, "while a guest {what}, a timer fired {ticks} times");
    }
}
