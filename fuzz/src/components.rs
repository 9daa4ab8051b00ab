//! Loads and calls core modules in components that follow the contract.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use weir::driver::{Address, Driver};
use weir_core::call::{Call, HandlerKey, Installation};
use weir_core::documents::{Mode, Pending};
use weir_core::event::Event;
use weir_core::store::{self, Reader, Store};
use weir_sandbox::{Compiler, Engine, EngineSettings, Limits};

/// The functions that a core module may import: all functions of the frame that do not wait.
pub const IMPORTS: &str = r#"(module
    (import "host" "memory" (memory 1))
    (import "host" "now" (func (result i64)))
    (import "host" "attempt" (func (result i32)))
    (import "host" "random" (func (param i32 i32)))
    (import "host" "find-one" (func (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "find" (func (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "insert-one" (func (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "insert-many" (func (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "effect-of" (func (param i32 i32)))
    (import "host" "log" (func (param i32 i32 i32 i32 i32 i32)))
    (import "host" "stdout" (func (result i32)))
    (import "host" "write" (func (param i32 i32 i32 i32)))
    (import "host" "subscribe" (func (param i64) (result i32)))
    (import "host" "drop-pollable" (func (param i32)))
    (import "host" "monotonic" (func (result i64)))
    (import "host" "wall" (func (param i32)))
    (import "host" "arguments" (func (param i32)))
    (import "host" "random-bytes" (func (param i64 i32)))
    (import "host" "random-u64" (func (result i64)))
    (import "host" "own-new" (func (param i32) (result i32)))
    (import "host" "own-drop" (func (param i32))))"#;

/// The frame that behaviours and the sandbox's tests are built from.
const FRAME: &str = include_str!("../../guest-handlers/behaviours/frame.wat");

/// Marks the position of the fuzzed module in the frame, and how the guest's module gets its `handle`.
const GUEST: &str = "  (core module $guest\n";
const LIBC: &str = r#"(with "libc" (instance $libc))"#;
const FUZZED_LIBC: &str = r#"(with "libc" (instance $libc)) (with "fuzzed" (instance $fuzzed))"#;
const TOP: &str = r#"(import "fuzzed" "handle" (func $fuzzed (param i32) (result i32)))
    (data (i32.const 0) "users{}")"#;
const HANDLE: &str = "(return (call $fuzzed (local.get 0)))";
const DESCRIPTION: &str = r#"{"events": ["Test"], "grants": {"users": ["read", "write"]}}"#;

/// The kind of a section that is a core module, and the index of the fuzzed one, which follows the memory's module.
const CORE_MODULE: u8 = 1;
const FUZZED: usize = 2;

/// Returns a component of the contract with an empty module in place of the fuzzed one.
fn shell() -> Vec<u8> {
    let fuzzed = format!("{}{GUEST}", include_str!("fuzzed.wat"));
    let (data, length) = (DESCRIPTION.replace('"', "\\22"), DESCRIPTION.len().to_string());
    let places = [
        (GUEST, &*fuzzed),
        (LIBC, FUZZED_LIBC),
        ("{top}", TOP),
        ("{handle}", HANDLE),
        ("{describe}", ""),
        ("{description}", &data),
        ("{length}", &length),
    ];
    let text = places.iter().fold(FRAME.to_owned(), |text, (place, part)| {
        assert!(text.contains(place), "the frame has no {place}");
        text.replace(place, part)
    });
    wat::parse_str(text).expect("the text is right")
}

/// Returns a component of the contract whose `handle` belongs to the core module.
#[must_use]
pub fn around(module: &[u8]) -> Vec<u8> {
    static SHELL: OnceLock<Vec<u8>> = OnceLock::new();
    let shell = SHELL.get_or_init(shell);
    // A component is a head of eight bytes, followed by sections: a kind, a length, and that many bytes.
    let mut component = shell[..8].to_vec();
    let (mut at, mut modules) = (8, 0);
    while at < shell.len() {
        let kind = shell[at];
        let (length, begin) = read_length(shell, at + 1);
        modules += usize::from(kind == CORE_MODULE);
        let replaced = kind == CORE_MODULE && modules == FUZZED;
        let content = if replaced { module } else { &shell[begin..begin + length] };
        component.push(kind);
        write_length(&mut component, content.len());
        component.extend_from_slice(content);
        at = begin + length;
    }
    component
}

/// Reads a number with seven bits per byte. Returns it and the position after it.
fn read_length(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[at];
        at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return (number, at);
        }
    }
}

fn write_length(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(0x80 | u8::try_from(number & 0x7f).unwrap_or_default());
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

/// Returns the component that an input stands for: its binary, its text, or the text of a core module for [`around`].
/// Returns `None` for other bytes, from which the fuzz target makes a core module.
#[must_use]
pub fn component_of(data: &[u8]) -> Option<Vec<u8>> {
    if data.starts_with(b"\0asm") {
        return Some(data.to_vec());
    }
    let text = std::str::from_utf8(data).ok()?;
    if text.starts_with("(component") {
        return wat::parse_str(text).ok();
    }
    if !text.starts_with("(module") {
        return None;
    }
    wat::parse_str(text).ok().map(|module| around(&module))
}

/// Loads a component, and calls it once if it loads. Returns the number of its writes if it was called.
pub fn component(data: &[u8]) -> Option<usize> {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(World::new);
    let limits = Limits {
        fuel: 1_000_000,
        instantiate_fuel: 1_000_000,
        describe_fuel: 1_000_000,
        memory_bytes: 16 << 20,
        deadline_ms: 500,
        boundary_bytes: 1 << 20,
        host_calls: 100,
        documents_ms: 100,
        ..Limits::default()
    };
    world.runtime.block_on(async {
        let handler = world.engine.load("fuzzed", data, limits).await.ok()?;
        let mode = Mode::Batch {
            reader: world.reader.clone(),
            pending: Arc::new(Pending::default()),
            committing: Arc::default(),
            patience: None,
        };
        let call = Call {
            event: Arc::new(some_event()),
            handler: HandlerKey { id: "7".into(), generation: 1, installation: Installation::default() },
            attempt: 1,
            now_ms: 1_700_000_001_456,
            mode,
        };
        let run = handler.deliver(call).await;
        assert!(run.writes.len() <= 100);
        Some(run.writes.len())
    })
}

/// Everything that a call needs, made once.
struct World {
    runtime: tokio::runtime::Runtime,
    engine: Engine,
    /// There is no server behind it, so every read is a fault.
    reader: Reader,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (engine, reader) = runtime.block_on(async {
            let settings = EngineSettings { slots: 2, tick_ms: 2, ..EngineSettings::default() };
            let address = Address {
                uri: "mongodb://127.0.0.1:1/?directConnection=true".to_owned(),
                connect_timeout: Duration::from_millis(10),
                server_selection_timeout: Duration::from_millis(10),
            };
            let driver = Driver::new(&address).await.expect("the connection string is right");
            let options = store::Options {
                database: "data".to_owned(),
                own_database: "weir".to_owned(),
                group: "group".to_owned(),
                owner: "fuzz".to_owned(),
            };
            let reader = Store::new(Arc::new(driver), &options).reader();
            (Engine::new(&settings, Compiler::InProcess).expect("an engine"), reader)
        });
        Self { runtime, engine, reader }
    }
}

fn some_event() -> Event {
    Event {
        id: "6b0f1c6e-0000-4000-8000-000000000001".to_owned(),
        sequence: Some("42".to_owned()),
        event_type: "Test".to_owned(),
        aggregate_type: "User".to_owned(),
        aggregate_id: "u1".to_owned(),
        payload: r#"{"n": 1.10}"#.to_owned(),
        created_at_ms: 1_700_000_000_123,
        row_created_at_us: None,
        headers: vec![("traceparent".to_owned(), "00-1".to_owned())],
        columns: "{}".to_owned(),
        says_op: true,
    }
}
