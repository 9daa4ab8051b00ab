//! The guests that misbehave, and some that do not, as `cargo xtask guests` builds them. Each ends as its name says.

use std::path::{Path, PathBuf};

use bson::{Bson, Document};
use weir_core::call::{Action, Run, StopKind, Verdict};
use weir_core::documents::Code;
use weir_core::event::Event;
use weir_sandbox::{Handler, Limits};

use crate::fixture::{call, engine, event, stopped};

fn folder() -> PathBuf {
    let folder = std::env::var_os("WEIR_TEST_BEHAVIOURS");
    let folder = folder.expect("WEIR_TEST_BEHAVIOURS names the folder of the behaviours: run `cargo xtask test`");
    let folder = PathBuf::from(folder);
    assert!(folder.is_dir(), "WEIR_TEST_BEHAVIOURS: {} is not a folder", folder.display());
    folder
}

fn wasm(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn load(name: &str, limits: Limits) -> Handler {
    let wasm = wasm(&folder().join(name).with_extension("wasm"));
    engine().load(name, &wasm, limits).await.expect("the behaviour loads")
}

/// Delivers an event of the type that the behaviour subscribes to.
async fn deliver_to(handler: &Handler, payload: &str) -> Run {
    let event = Event { event_type: handler.events()[0].clone(), payload: payload.to_owned(), ..event() };
    handler.deliver(call(event).await).await
}

async fn deliver(name: &str, payload: &str) -> Run {
    deliver_to(&load(name, Limits::default()).await, payload).await
}

fn written(run: &Run) -> Document {
    assert_eq!(run.verdict, Verdict::Accepted);
    let [write] = run.writes.as_slice() else { panic!("{:?}", run.writes) };
    Document::try_from(&write.statements[0]).expect("a document")
}

/// The behaviours that are refused at load, and what the refusal must say.
const REFUSED: &[(&str, &str)] = &[
    ("sockets", "wasi:sockets/tcp@0.2"),
    ("http", "wasi:http/outgoing-handler@0.2.0: a handler has no network"),
    ("always-spins-at-start", "instantiate_fuel: used up all"),
    ("spins-in-describe", "describe_fuel: used up all"),
    ("writes-in-describe", "describe may call nothing but log"),
    ("describes-a-megabyte", "boundary_bytes: "),
    ("initialises-past-its-table", "out of bounds table access"),
    ("asks-for-a-huge-table", "table"),
    ("initialises-far-memory", "memory_bytes: asked for"),
    ("nests-components", "levels of nested components: 9"),
    ("has-too-many-instances", "65 core module instances"),
    ("has-too-many-memories", "memories"),
    ("has-too-many-functions", "functions: "),
    ("loops-in-a-row", "loops of one function: 60000"),
    ("branches-without-end", "branches of one function: 120000"),
];

#[tokio::test]
async fn all_but_those_that_are_refused_load() {
    let mut loaded = 0;
    let mut refused = Vec::new();
    for entry in std::fs::read_dir(folder()).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        match engine().load(&name, &wasm(&path), Limits::default()).await {
            Ok(handler) => {
                assert!(!handler.events().is_empty(), "{name}");
                loaded += 1;
            }
            Err(error) => {
                let expected = REFUSED.iter().find(|(known, _)| *known == name).map(|(_, expected)| *expected);
                let error = error.to_string();
                assert!(expected.is_some_and(|expected| error.contains(expected)), "{error}");
                assert!(error.len() < 8_000, "{} bytes", error.len());
                refused.push(name);
            }
        }
    }
    assert!(loaded >= 70, "{loaded} behaviours");
    assert_eq!(refused.len(), REFUSED.len(), "{refused:?}");
}

#[tokio::test]
async fn each_is_stopped_by_its_limit() {
    let cases = [
        ("spins", "{}", StopKind::Fuel),
        ("recurses", "{}", StopKind::Stack),
        ("grows-memory", "{}", StopKind::Memory),
        ("grows-table", "{}", StopKind::Table),
        ("floods-host-calls", "{}", StopKind::HostCalls),
        ("floods-log", r#"{"lines": 20000}"#, StopKind::HostCalls),
        ("giant-strings", r#"{"place": "document"}"#, StopKind::Boundary),
        ("giant-strings", r#"{"place": "log"}"#, StopKind::Boundary),
        ("giant-strings", r#"{"place": "failure"}"#, StopKind::Boundary),
        ("overlapping-lists", "{}", StopKind::Boundary),
        ("panics", "{}", StopKind::Trap),
        ("sleeps", "{}", StopKind::Deadline),
        ("tallies-badly", r#"{"how": "fuel"}"#, StopKind::Fuel),
        ("tallies-badly", r#"{"how": "deadline"}"#, StopKind::Deadline),
        ("fills-memory", "{}", StopKind::Fuel),
        ("grows-many-memories", "{}", StopKind::Memory),
        ("grows-many-tables", "{}", StopKind::Table),
        ("recurses-through-a-table", "{}", StopKind::Stack),
        ("floods-wasi", "{}", StopKind::HostCalls),
        ("floods-arguments", "{}", StopKind::HostCalls),
        ("asks-for-random-bytes", "{}", StopKind::Random),
        ("overlapping-lists", r#"{"count": 2500000, "bytes": 0}"#, StopKind::Boundary),
        ("polls-one-thing", "{}", StopKind::Handles),
        ("spins-at-start", "{}", StopKind::InstantiateFuel),
        ("copies-elements", "{}", StopKind::Fuel),
        ("hoards-pollables", "{}", StopKind::Handles),
        ("hoards-its-own-resources", "{}", StopKind::Handles),
        ("spins-in-realloc", "{}", StopKind::Fuel),
    ];
    for (name, payload, kind) in cases {
        // On a busy machine, the deadline must not strike before the limit that is tested.
        let deadline_ms = if kind == StopKind::Deadline { 1_000 } else { 60_000 };
        let handler = load(name, Limits { deadline_ms, ..Limits::default() }).await;
        let run = deliver_to(&handler, payload).await;
        let stop = stopped(&run);
        assert_eq!(stop.kind, kind, "{name} {payload}: {}", stop.message);
        if let Some(limit) = kind.limit() {
            assert!(stop.message.starts_with(&format!("{limit}: ")), "{name}: {}", stop.message);
        }
    }
}

#[tokio::test]
async fn what_breaks_the_rules_of_components_is_a_trap() {
    let names = [
        "prints-past-the-permit",
        "calls-out-of-realloc",
        "calls-out-of-post-return",
        "traps-at-start",
        "drops-a-handle-twice",
        "guesses-a-handle",
        "takes-one-handle-for-another",
        "traps-in-realloc",
        "allocates-nowhere",
        "allocates-askew",
        "logs-no-utf8",
        "logs-at-no-level",
        "passes-no-option",
        "passes-text-past-memory",
        "passes-the-longest-text",
        "returns-no-result",
        "returns-no-action",
        "nests-debug-information",
        "repeats-a-debug-name",
        "mangles-a-name",
        "has-long-names",
    ];
    for name in names {
        let run = deliver(name, "{}").await;
        let stop = stopped(&run);
        assert_eq!(stop.kind, StopKind::Trap, "{name}: {}", stop.message);
        assert!(stop.message.len() < 4_000, "{name}: {} bytes", stop.message.len());
        assert!(stop.backtrace.as_ref().is_none_or(|trace| trace.len() <= 16 << 10), "{name}");
    }
}

#[tokio::test]
async fn what_harms_nobody_is_accepted() {
    for name in ["writes-at-start", "fills-tables-at-start", "leaves-residue"] {
        assert_eq!(deliver(name, "{}").await.verdict, Verdict::Accepted, "{name}");
    }
}

#[tokio::test]
async fn an_instance_finds_nothing_of_another() {
    let (leaves, looks) =
        (load("leaves-residue", Limits::default()).await, load("looks-for-residue", Limits::default()).await);
    for round in 0..10 {
        assert_eq!(deliver_to(&leaves, "{}").await.verdict, Verdict::Accepted, "round {round}");
        assert_eq!(deliver_to(&looks, "{}").await.verdict, Verdict::Accepted, "round {round}");
    }
}

#[tokio::test]
async fn what_a_failure_says_is_cut_where_it_enters() {
    for (name, payload) in [("fails-at-length", "{}"), ("giant-strings", r#"{"place": "failure", "bytes": 15000000}"#)]
    {
        let run = deliver(name, payload).await;
        let Verdict::Failed(failure) = &run.verdict else { panic!("{name}: {:?}", run.verdict) };
        assert!(failure.message.len() <= 64 << 10 && failure.message.capacity() <= 64 << 10, "{name}");
        assert!(failure.message.ends_with("000000 bytes)"), "{name}");
        assert!(failure.error_type.len() <= 256 && failure.trace.as_ref().is_none_or(|trace| trace.len() <= 16 << 10));
    }
}

#[tokio::test]
async fn a_panic_says_where_and_why_however_long_it_is() {
    let payload = format!(r#"{{"message": "no more of this {}"}}"#, "x".repeat(300_000));
    let run = deliver("panics", &payload).await;
    let line = run.log.iter().find(|line| line.text.contains("no more of this")).expect("the reason");
    assert!(line.text.len() <= 16 << 10 && line.text.ends_with("bytes)"), "{} bytes", line.text.len());
}

#[tokio::test]
async fn a_panic_says_where_and_why() {
    let run = deliver("panics", r#"{"message": "no more of this"}"#).await;
    assert!(run.log.iter().any(|line| line.text.contains("no more of this")), "{:?}", run.log);
    let backtrace = stopped(&run).backtrace.as_deref().expect("a backtrace");
    assert!(backtrace.contains("panics::inner") && backtrace.contains("panics::outer"), "{backtrace}");
}

#[tokio::test]
async fn surplus_lines_are_dropped_and_counted() {
    let cases = [
        ("floods-log", "{}", 5_000),
        ("fills-stdout", "{}", 1_000),
        ("fills-stdout", r#"{"stderr": true}"#, 1_000),
        ("logs-nothing", "{}", 9_000),
        ("logs-nul", "{}", 100),
        ("prints-newlines", "{}", 262_144),
    ];
    for (name, payload, lines) in cases {
        let handler = load(name, Limits { deadline_ms: 60_000, ..Limits::default() }).await;
        let run = deliver_to(&handler, payload).await;
        assert_eq!(run.verdict, Verdict::Accepted, "{name}");
        assert!(run.log_lines_dropped > 0, "{name}");
        assert_eq!(run.log.len() as u64 + run.log_lines_dropped, lines, "{name}");
        let bytes: usize = run.log.iter().map(|line| line.text.len()).sum();
        assert!(bytes as u64 <= Limits::default().log_bytes && run.log.len() > 1, "{name}: {bytes}");
        // The size of the lines as they are written, with the event's id and everything else in a line.
        let written: usize = run.log.iter().map(|line| serde_json::to_string(&line.text).expect("JSON").len()).sum();
        assert!((written + 200 * run.log.len()) as u64 <= Limits::default().log_bytes, "{name}: {written}");
    }
}

#[tokio::test]
async fn refused_calls_decide() {
    let cases = [
        ("ungranted-collection", "{}", Code::Denied),
        ("ungranted-collection", r#"{"reads": true}"#, Code::Denied),
        ("ungranted-collection", r#"{"collection": "system.users"}"#, Code::Denied),
        ("forbidden-operator", "{}", Code::Denied),
        ("refused-ignored", "{}", Code::Denied),
        ("many-writes", r#"{"writes": 1001}"#, Code::Limit),
        ("nests-wrappers", "{}", Code::Invalid),
        ("nests-wrappers", r#"{"wrapper": "$code", "place": "update"}"#, Code::Invalid),
        ("nests-wrappers", r#"{"wrapper": "array", "place": "options"}"#, Code::Invalid),
        ("asks-for-much", "{}", Code::Denied),
    ];
    for (name, payload, code) in cases {
        let run = deliver(name, payload).await;
        let Verdict::Refused(refusal) = &run.verdict else { panic!("{name}: {:?}", run.verdict) };
        assert_eq!(refusal.code, code, "{name}: {}", refusal.message);
    }
}

#[tokio::test]
async fn what_they_return_is_told() {
    for (name, payload, action) in [
        ("retries", r#"{"after_ms": 1500}"#, Action::Retry),
        ("rejects", r#"{"message": "no"}"#, Action::Reject),
        ("skips", "{}", Action::Skip),
        ("skips", r#"{"invalid": true}"#, Action::Skip),
    ] {
        let run = deliver(name, payload).await;
        let Verdict::Failed(failure) = &run.verdict else { panic!("{name}: {:?}", run.verdict) };
        assert_eq!(failure.action, action);
        assert_eq!(failure.after_ms, (name == "retries").then_some(1_500));
        assert_eq!(failure.message == "no", name == "rejects");
    }
}

#[tokio::test]
async fn what_needs_a_transaction_or_mongodb_is_run_again() {
    for name in ["effect-of", "reads-own-write"] {
        let run = deliver(name, "{}").await;
        assert!(matches!(run.verdict, Verdict::NeedsAlone(_)), "{name}: {:?}", run.verdict);
    }
    for (name, payload) in
        [("reads-then-writes", "{}"), ("counter", "{}"), ("queries-then-writes", r#"{"group": "g"}"#)]
    {
        let run = deliver(name, payload).await;
        assert!(matches!(run.verdict, Verdict::Fault(_)), "{name}: {:?}", run.verdict);
    }
}

#[tokio::test]
async fn short_sleeps_and_few_writes_are_nobodys_business() {
    let run = deliver("sleeps", r#"{"naps": 2, "nap_ms": 10}"#).await;
    assert_eq!(run.verdict, Verdict::Accepted);
    assert!(run.running.as_millis() >= 20, "{:?}", run.running);
    let run = deliver("many-writes", r#"{"writes": 1000}"#).await;
    assert_eq!((run.verdict, run.writes.len()), (Verdict::Accepted, 1_000));
}

#[tokio::test]
async fn a_run_can_be_reproduced() {
    let handler = load("clock-and-random", Limits { boundary_bytes: 1 << 20, ..Limits::default() }).await;
    let first = written(&deliver_to(&handler, "{}").await);
    let again = written(&deliver_to(&handler, "{}").await);
    assert_eq!(first, again);
    assert_eq!(
        first.get_i64("system_ms").ok().or(first.get_i32("system_ms").ok().map(i64::from)),
        Some(1_700_000_001_456)
    );
}

#[tokio::test]
async fn the_world_around_a_handler_is_empty() {
    let seen = written(&deliver("reports-environment", "{}").await);
    let empty = Bson::Array(Vec::new());
    assert_eq!((seen.get("arguments"), seen.get("variables")), (Some(&empty), Some(&empty)));
    assert_eq!(seen.get("listed"), Some(&Bson::Array(vec![Bson::Boolean(false); 4])));
    assert_eq!(seen.get("written"), Some(&Bson::Boolean(false)));
    assert_eq!(seen.get("input"), Some(&Bson::String(String::new())));
}

#[tokio::test]
async fn numbers_of_a_payload_keep_their_digits() {
    let echoed = written(&deliver("echo", r#"{"price": 1.10, "big": 9007199254740993}"#).await);
    let payload = echoed.get_document("payload").expect("the payload");
    assert_eq!(payload.get("big"), Some(&Bson::Int64(9_007_199_254_740_993)));
    assert_eq!(payload.get("price"), Some(&Bson::Double(1.1)));
}
