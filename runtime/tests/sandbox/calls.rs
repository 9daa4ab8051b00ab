//! What calls of the contract return, and which of them decide a delivery.

use weir_core::call::{Action, Call, StopKind, Verdict};
use weir_core::documents::{Code, Pending};
use weir_core::event::Event;
use weir_core::store::{IdKey, Kind, Write};
use weir_sandbox::Limits;

use crate::fixture::{call, call_after, event, handling, stopped};

/// `users` at 4096, an `_id` filter at 4200, another filter at 4300, a document at 4400, a collection of others at
/// 4500.
const TOP: &str = r#"
    (import "documents" "find-one" (func $find-one (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "documents" "find" (func $find (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "documents" "insert-one" (func $insert (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "documents" "effect-of" (func $effect-of (param i32 i32)))
    (import "delivery" "random" (func $random (param i32 i32)))
    (import "delivery" "now" (func $now (result i64)))
    (import "delivery" "attempt" (func $attempt (result i32)))
    (import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
    (data (i32.const 4096) "users")
    (data (i32.const 4200) "{\22_id\22: \22u1\22}")
    (data (i32.const 4300) "{\22age\22: 7}")
    (data (i32.const 4400) "{\22_id\22: \22u1\22, \22age\22: 7}")
    (data (i32.const 4500) "secrets")
"#;

const REST: &str = "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)";

fn on_users(verb: &str, at: u32, length: u32) -> String {
    format!("(call ${verb} (i32.const 4096) (i32.const 5) (i32.const {at}) (i32.const {length}) {REST})")
}

fn insert() -> String {
    on_users("insert", 4400, 23)
}

fn read_by_id() -> String {
    on_users("find-one", 4200, 13)
}

fn query() -> String {
    on_users("find", 4300, 10)
}

async fn deliver(body: &str) -> weir_core::call::Run {
    handling(TOP, body).deliver(Limits::default()).await
}

#[tokio::test]
async fn a_write_is_kept_in_the_host() {
    let run = deliver(&insert()).await;
    assert_eq!(run.verdict, Verdict::Accepted);
    let [write] = run.writes.as_slice() else { panic!("{:?}", run.writes) };
    assert_eq!((&*write.collection, write.kind, write.statements.len()), ("users", Kind::Insert, 1));
    assert!(write.id.is_some());
}

#[tokio::test]
async fn a_denied_call_decides_whatever_the_handler_returns() {
    let denied = format!("(call $insert (i32.const 4500) (i32.const 7) (i32.const 4400) (i32.const 23) {REST})");
    for body in [format!("{denied}{}", insert()), format!("{denied} unreachable")] {
        let run = deliver(&body).await;
        let Verdict::Refused(refusal) = &run.verdict else { panic!("{:?}", run.verdict) };
        assert_eq!(refusal.code, Code::Denied);
        assert!(refusal.message.contains("secrets"), "{}", refusal.message);
    }
}

#[tokio::test]
async fn an_invalid_call_decides_too_and_the_first_one_is_told() {
    let invalid = on_users("find-one", 4200, 5);
    let denied = format!("(call $insert (i32.const 4500) (i32.const 7) (i32.const 4400) (i32.const 23) {REST})");
    let run = deliver(&format!("{invalid}{denied}")).await;
    let Verdict::Refused(refusal) = &run.verdict else { panic!("{:?}", run.verdict) };
    assert_eq!(refusal.code, Code::Invalid);
}

#[tokio::test]
async fn after_a_refused_call_nothing_is_asked_of_mongodb() {
    let denied = format!("(call $insert (i32.const 4500) (i32.const 7) (i32.const 4400) (i32.const 23) {REST})");
    // There is no MongoDB here, so whatever reaches it is a fault. An effect needs a transaction.
    let effect = "(call $effect-of (i32.const 0) (i32.const 64))";
    for after in [read_by_id(), query(), format!("{}{effect}", insert())] {
        let run = deliver(&format!("{}{denied}{after}", insert())).await;
        let Verdict::Refused(refusal) = &run.verdict else { panic!("{after}: {:?}", run.verdict) };
        assert_eq!(refusal.code, Code::Denied);
        assert_eq!(run.writes.len(), 1, "what follows a refusal is not even kept");
    }
}

#[tokio::test]
async fn an_unknown_write_has_no_effect() {
    let run = deliver("(call $effect-of (i32.const 0) (i32.const 64))").await;
    let Verdict::Refused(refusal) = &run.verdict else { panic!("{:?}", run.verdict) };
    assert_eq!(refusal.code, Code::Invalid);
}

#[tokio::test]
async fn a_fault_is_never_the_handlers() {
    for body in [read_by_id(), format!("{} unreachable", query())] {
        let run = deliver(&body).await;
        assert!(matches!(run.verdict, Verdict::Fault(_)), "{:?}", run.verdict);
        assert!(run.verdict.runs_again());
    }
}

#[tokio::test]
async fn what_needs_a_transaction_is_run_again_alone() {
    let effect = format!("{}(call $effect-of (i32.const 0) (i32.const 64))", insert());
    let own = format!("{}{}", insert(), read_by_id());
    let queried = format!("{}{}", insert(), query());
    for (body, why) in [(effect, "effect"), (own, "itself written"), (queried, "itself written")] {
        let run = deliver(&body).await;
        assert!(matches!(run.verdict, Verdict::NeedsAlone(text) if text.contains(why)), "{:?}", run.verdict);
    }
}

#[tokio::test]
async fn a_read_of_what_is_pending_needs_a_commit() {
    let handler = handling(TOP, &read_by_id()).load(Limits::default()).await.expect("loads");
    let write = |id: Option<&str>, collection: &str| Write {
        collection: collection.into(),
        kind: Kind::Insert,
        statements: Vec::new(),
        id: id.and_then(|id| IdKey::of(bson::RawBsonRef::String(id))),
        id_only: false,
        multi: false,
        upsert: false,
        must_match: false,
    };
    for (pending, needs) in
        [(write(Some("u1"), "users"), true), (write(None, "users"), true), (write(Some("u2"), "users"), false)]
    {
        let mut noted = Pending::default();
        noted.note(&pending);
        let run = handler.deliver(call_after(event(), noted).await).await;
        assert_eq!(run.verdict == Verdict::NeedsCommit, needs, "{pending:?}: {:?}", run.verdict);
    }
}

#[tokio::test]
async fn random_bytes_are_the_same_for_every_run_of_a_delivery() {
    // Logs what `random` returned, as text: 16 bytes, each turned into a letter.
    let body = "
        (local $n i32) (local $at i32)
        (call $random (i32.const 16) (i32.const 64))
        (local.set $at (i32.load (i32.const 64)))
        (loop $again
            (i32.store8 (i32.add (local.get $at) (local.get $n))
                (i32.add (i32.const 97) (i32.rem_u
                    (i32.load8_u (i32.add (local.get $at) (local.get $n))) (i32.const 26))))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const 16))))
        (call $log (i32.const 2) (local.get $at) (i32.const 16) (i32.const 0) (i32.const 0) (i32.const 0))";
    let handler = handling(TOP, body).load(Limits::default()).await.expect("loads");
    let mut texts = Vec::new();
    for (id, attempt) in [("e1", 1), ("e1", 2), ("e2", 1)] {
        let event = Event { id: id.to_owned(), ..event() };
        let run = handler.deliver(Call { attempt, ..call(event).await }).await;
        texts.push(run.log[0].text.clone());
    }
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[0], texts[2]);
}

#[tokio::test]
async fn random_gives_so_much_at_once() {
    assert_eq!(deliver("(call $random (i32.const 4096) (i32.const 64))").await.verdict, Verdict::Accepted);
    let run = deliver("(call $random (i32.const 4097) (i32.const 64))").await;
    assert_eq!(stopped(&run).kind, StopKind::Random);
}

#[tokio::test]
async fn now_and_attempt_are_those_of_the_delivery() {
    let body = "
        (if (i64.ne (call $now) (i64.const 1700000001456)) (then unreachable))
        (if (i32.ne (call $attempt) (i32.const 3)) (then unreachable))";
    assert_eq!(deliver(body).await.verdict, Verdict::Accepted);
}

#[tokio::test]
async fn the_event_arrives_as_it_is() {
    // The record's fields in memory: id at 0, sequence at 8, event type at 20, then two more texts, payload at 44,
    // created at at 56, headers at 64, columns at 72.
    let body = "
        (if (i32.ne (i32.load offset=4 (local.get 0)) (i32.const 36)) (then unreachable))
        (if (i32.ne (i32.load8_u offset=8 (local.get 0)) (i32.const 1)) (then unreachable))
        (if (i64.ne (i64.load offset=56 (local.get 0)) (i64.const 1700000000123)) (then unreachable))
        (if (i32.ne (i32.load offset=68 (local.get 0)) (i32.const 1)) (then unreachable))
        (call $log (i32.const 2) (i32.load offset=44 (local.get 0)) (i32.load offset=48 (local.get 0))
            (i32.const 1) (i32.load offset=72 (local.get 0)) (i32.load offset=76 (local.get 0)))";
    let run = deliver(body).await;
    assert_eq!(run.verdict, Verdict::Accepted);
    assert_eq!(run.log[0].text, r#"{"n": 1.10}"#);
    assert_eq!(run.log[0].fields.as_ref().map(|fields| fields.get()), Some("{}"));
}

#[tokio::test]
async fn what_the_handler_returns_is_told() {
    // The failure follows the result's tag: action at 20, error type at 24, message at 32, trace at 40 and after-ms at
    // 52.
    let top = r#"(data (i32.const 4096) "TooEarly") (data (i32.const 4200) "not yet")"#;
    let body = "
        (i32.store8 (i32.const 16) (i32.const 1))
        (i32.store8 (i32.const 20) (i32.const 0))
        (i32.store (i32.const 24) (i32.const 4096)) (i32.store (i32.const 28) (i32.const 8))
        (i32.store (i32.const 32) (i32.const 4200)) (i32.store (i32.const 36) (i32.const 7))
        (i32.store8 (i32.const 40) (i32.const 0))
        (i32.store8 (i32.const 52) (i32.const 1)) (i32.store (i32.const 56) (i32.const 1500))
        (return (i32.const 16))";
    let run = handling(top, body).deliver(Limits::default()).await;
    let Verdict::Failed(failure) = &run.verdict else { panic!("{:?}", run.verdict) };
    assert_eq!((failure.action, failure.error_type.as_str()), (Action::Retry, "TooEarly"));
    assert_eq!((failure.message.as_str(), failure.trace.as_deref(), failure.after_ms), ("not yet", None, Some(1_500)));
}
