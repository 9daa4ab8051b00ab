//! Proposals that wasmtime could run and that components here may not use, whatever wasmtime is built with.

use weir_sandbox::Limits;

use crate::fixture::engine;

/// Core modules and parts of components, one for each proposal that is off.
const OFF: &[(&str, &str)] = &[
    ("threads", "(core module (memory 1 1 shared))"),
    ("atomics", "(core module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))"),
    ("memory64", "(core module (memory i64 1))"),
    ("tables of 64 bits", "(core module (table i64 1 funcref))"),
    ("exceptions", "(core module (tag) (func (throw 0)))"),
    ("gc", "(core module (type (struct (field i32))))"),
    ("gc's small integers", "(core module (func (drop (ref.i31 (i32.const 1)))))"),
    ("stack switching", "(core module (type $f (func)) (type (cont $f)))"),
    ("pages of a byte", "(core module (memory 1 (pagesize 1)))"),
    ("asynchronous functions", r#"(import "f" (func async))"#),
    ("tasks", "(core func (canon task.cancel))"),
    ("streams", "(type (stream u8))"),
    ("futures", "(type (future u8))"),
    ("error contexts", "(type error-context)"),
];

#[tokio::test]
async fn every_proposal_that_is_off_is_refused() {
    let mut loaded = Vec::new();
    for (what, text) in OFF {
        let wasm = wat::parse_str(format!("(component {text})")).unwrap_or_else(|error| panic!("{what}: {error}"));
        let error = engine().load("guest", &wasm, Limits::default()).await.expect_err(what).to_string();
        if !error.contains("does not compile") {
            loaded.push(format!("{what}: {error}"));
        }
    }
    assert!(loaded.is_empty(), "{}", loaded.join("\n"));
}

#[tokio::test]
async fn what_languages_compile_to_is_not_refused() {
    // It fails only where the handler is looked up, so it has been compiled.
    for text in [
        "(core module (func (drop (i32x4.splat (i32.const 1)))))",
        "(core module (func (drop (f32x4.relaxed_madd (v128.const i32x4 0 0 0 0) (v128.const i32x4 0 0 0 0)
            (v128.const i32x4 0 0 0 0)))))",
        "(core module (func $f (return_call $f)))",
        "(core module (memory 1) (memory 1))",
        "(core module (func (result i32 i32) (i32.const 1) (i32.const 2)))",
    ] {
        let wasm = wat::parse_str(format!("(component {text})")).expect("the text is right");
        let error = engine().load("guest", &wasm, Limits::default()).await.expect_err("no handler").to_string();
        assert!(error.contains("does not export"), "{error}");
    }
}
