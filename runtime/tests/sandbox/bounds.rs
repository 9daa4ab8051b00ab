//! Everything that a guest passes to `documents` is bounded in depth and in bytes before MongoDB is asked.

use weir_core::call::{StopKind, Verdict};
use weir_core::documents::Code;
use weir_sandbox::Limits;

use crate::fixture::{handling, stopped};

/// The address at which the guest builds a text, beyond what its `realloc` has handed out.
const TEXT: u32 = 131_072;

const TOP: &str = r#"
    (import "documents" "insert-one" (func $insert (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "documents" "find-one" (func $find-one (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (data (i32.const 4096) "users{}")
    (data (i32.const 4200) "{\22$scope\22:")
    (data (i32.const 4300) "{\22$code\22:\22\22,\22$scope\22:")
    (data (i32.const 4400) "{\22a\22:[1,1]}")
"#;

/// Writes `2^doublings` copies of the `length` bytes at `from`, one after the other, starting at `TEXT`.
fn repeats(from: u32, length: u32, doublings: u32) -> String {
    let end = length << doublings;
    let copies: Vec<String> = (0..doublings)
        .map(|n| {
            let done = length << n;
            format!("(memory.copy (i32.const {}) (i32.const {TEXT}) (i32.const {done}))", TEXT + done)
        })
        .collect();
    format!(
        "(drop (memory.grow (i32.const {})))
         (memory.copy (i32.const {TEXT}) (i32.const {from}) (i32.const {length})) {}",
        (TEXT + end) / 65_536 + 1,
        copies.concat()
    )
}

#[tokio::test]
async fn a_million_levels_of_scope_are_refused_and_the_process_lives() {
    for (from, length, doublings) in [(4200, 10, 20), (4300, 21, 19)] {
        let end = length << doublings;
        let text = format!("(i32.const {TEXT}) (i32.const {end})");
        let none = "(i32.const 0) (i32.const 0) (i32.const 0)";
        for call in [
            format!("(call $insert (i32.const 4096) (i32.const 5) {text} {none} (i32.const 64))"),
            format!("(call $find-one (i32.const 4096) (i32.const 5) {text} {none} (i32.const 64))"),
            format!(
                "(call $find-one (i32.const 4096) (i32.const 5) (i32.const 4101) (i32.const 2) (i32.const 1) {text} \
                 (i32.const 64))"
            ),
        ] {
            let body = format!("{} {call}", repeats(from, length, doublings));
            let run = handling(TOP, &body).deliver(Limits::default()).await;
            let Verdict::Refused(refusal) = &run.verdict else { panic!("{:?}", run.verdict) };
            assert_eq!(refusal.code, Code::Invalid);
            assert!(refusal.message.ends_with("nested deeper than 64 levels"), "{}", refusal.message);
        }
    }
}

/// A document of 2^20 ones: 2 MiB of text, 11 MiB of BSON.
fn inserts_ones() -> String {
    let (ones, end) = (2 << 20, TEXT + (2 << 20));
    format!(
        "{}
         (memory.copy (i32.const {}) (i32.const 4400) (i32.const 6))
         (memory.copy (i32.const {end}) (i32.const 4408) (i32.const 3))
         (call $insert (i32.const 4096) (i32.const 5) (i32.const {}) (i32.const {}) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 64))",
        repeats(4406, 2, 20),
        TEXT - 6,
        TEXT - 6,
        ones + 9
    )
}

#[tokio::test]
async fn the_boundary_counts_what_is_held() {
    let run = handling(TOP, &inserts_ones()).deliver(Limits::default()).await;
    assert_eq!(run.verdict, Verdict::Accepted);
    let bytes = run.writes[0].bytes() as u64;
    assert!(bytes > 4 * (2 << 20), "{bytes}");
    // The text is within the limit, but its BSON is not.
    let limits = Limits { boundary_bytes: bytes - 1, ..Limits::default() };
    let run = handling(TOP, &inserts_ones()).deliver(limits).await;
    assert_eq!(stopped(&run).kind, StopKind::Boundary);
    assert!(run.writes.is_empty());
}

#[tokio::test]
async fn documents_are_counted_before_they_are_parsed() {
    let top = r#"(import "documents" "insert-many" (func $insert-many (param i32 i32 i32 i32 i32 i32 i32 i32)))
        (data (i32.const 4096) "usersnot JSON")"#;
    // Every element of the list is the same text.
    let body = "
        (local $n i32)
        (loop $again
            (i32.store (i32.add (i32.const 8192) (i32.mul (local.get $n) (i32.const 8))) (i32.const 4101))
            (i32.store (i32.add (i32.const 8196) (i32.mul (local.get $n) (i32.const 8))) (i32.const 8))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const 1001))))
        (call $insert-many (i32.const 4096) (i32.const 5) (i32.const 8192) (i32.const 1001)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))";
    let run = handling(top, body).deliver(Limits::default()).await;
    let Verdict::Refused(refusal) = &run.verdict else { panic!("{:?}", run.verdict) };
    assert_eq!(refusal.code, Code::Limit, "{}", refusal.message);
    assert!(refusal.message.contains("writes: more than 1000"), "{}", refusal.message);
}

#[tokio::test]
async fn expressions_are_the_handlers_limits() {
    let filter = r#"{"$expr":{"$gt":[{"$size":{"$range":[0,9]}},1]}}"#;
    let top = format!(r#"{TOP} (data (i32.const 5000) "{}")"#, filter.replace('"', "\\22"));
    let body = format!(
        "(call $find-one (i32.const 4096) (i32.const 5) (i32.const 5000) (i32.const {}) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 64))",
        filter.len()
    );
    let run = handling(&top, &body).deliver(Limits::default()).await;
    let Verdict::Refused(refusal) = &run.verdict else { panic!("{:?}", run.verdict) };
    assert_eq!(refusal.code, Code::Denied);
    assert!(refusal.message.contains("`$range` is not allowed by the handler's setting `expressions"), "{refusal}");
    let all = Limits { expressions: weir_core::documents::Expressions::All, ..Limits::default() };
    // The call reaches MongoDB, which is not there.
    let run = handling(&top, &body).deliver(all).await;
    assert!(matches!(run.verdict, Verdict::Fault(_)), "{:?}", run.verdict);
}
