//! Components that cannot be loaded are refused, and the error says what to change.

use weir_sandbox::{Limits, Reason};

use crate::fixture::{Guest, engine};

async fn refused(wasm: &[u8]) -> String {
    engine().load("bad", wasm, Limits::default()).await.expect_err("it is no handler").to_string()
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is right")
}

#[tokio::test]
async fn what_is_no_component() {
    assert!(refused(b"").await.starts_with("handler bad: not a WebAssembly component"));
    assert!(refused(b"#!/bin/sh\nexit 0\n").await.contains("not a WebAssembly component"));
    assert!(refused(&component("(module)")).await.contains("a core module, not a component"));
    let mut cut = Guest::default().component();
    cut.truncate(cut.len() / 2);
    assert!(refused(&cut).await.contains("does not compile"));
}

#[tokio::test]
async fn every_import_that_cannot_be_had_is_named() {
    let text = r#"(component
        (import "wasi:sockets/tcp@0.2.0" (instance))
        (import "wasi:http/outgoing-handler@0.2.0" (instance))
        (import "wasi:cli/environment@0.2.0" (instance))
        (import "weir:handler/documents@0.1.7" (instance))
        (import "secrets" (func)))"#;
    let error = refused(&component(text)).await;
    for part in ["wasi:sockets/tcp@0.2.0: a handler has no network", "wasi:http/outgoing-handler@0.2.0", "secrets"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(error.contains("documents@0.1.7: built for a newer contract"), "{error}");
    assert!(!error.contains("wasi:cli"), "{error}");
}

#[tokio::test]
async fn an_import_of_another_shape_is_refused() {
    let text = r#"(component (import "weir:handler/delivery@0.1.0" (instance (export "now" (func (result string)))))
        (instance $handler)
        (export "weir:handler/handler@0.1.0" (instance $handler)))"#;
    let error = refused(&component(text)).await;
    assert!(error.contains("delivery"), "{error}");
}

#[tokio::test]
async fn a_component_without_the_handler_is_refused() {
    assert!(refused(&component("(component)")).await.contains("does not export weir:handler/handler@0.1.0"));
    let empty = r#"(component (instance $handler) (export "weir:handler/handler@0.1.0" (instance $handler)))"#;
    let error = refused(&component(empty)).await;
    assert!(error.contains("does not export") && error.contains("describe"), "{error}");
}

#[tokio::test]
async fn what_describe_gives_is_checked() {
    let unknown = Guest { description: r#"{"events": [], "grants": {}, "memory": 3}"#, ..Guest::default() };
    let error = unknown.load(Limits::default()).await.expect_err("an unknown member");
    assert!(matches!(error.reason, Reason::Description(_)));
    assert!(error.to_string().contains("memory"), "{error}");
    let traps = Guest { describe: "unreachable", ..Guest::default() };
    let error = traps.load(Limits::default()).await.expect_err("a trap");
    assert!(matches!(error.reason, Reason::Stopped(_)), "{error}");
}

#[tokio::test]
async fn describe_may_call_nothing_but_log() {
    let top = r#"(import "delivery" "now" (func $now (result i64)))
        (import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))"#;
    let log = "(call $log (i32.const 2) (i32.const 1024) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 0))";
    let logs = Guest { top, describe: log, ..Guest::default() };
    logs.load(Limits::default()).await.expect("it may log");
    let asks = Guest { top, describe: "(drop (call $now))", ..Guest::default() };
    let error = asks.load(Limits::default()).await.expect_err("it may not ask for the time");
    assert!(matches!(error.reason, Reason::Refused(_)), "{error}");
    assert!(error.to_string().contains("delivery.now"), "{error}");
}

#[tokio::test]
async fn a_handler_says_what_it_is() {
    let description = r#"{"description": "Tests.", "events": ["A", "B"], "grants": {"users": ["read"]}}"#;
    let handler = Guest { description, ..Guest::default() }.load(Limits::default()).await.expect("loads");
    assert_eq!(handler.name(), "guest");
    assert_eq!(handler.events(), ["A", "B"]);
    assert_eq!(handler.description().description.as_deref(), Some("Tests."));
    assert_eq!(handler.grants().iter().count(), 1);
    assert_eq!(handler.digest().len(), 64);
}
