//! What each fuzz target does with its bytes. The targets in `fuzz_targets/` call these under the fuzzer, and
//! `runtime/tests/fuzz_cases.rs` calls them on stable with every file of `corpus/` and `cases/`.
//!
//! An input that breaks a promise panics.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use weir::config::Expressions;
use weir::event::{self, Columns, Decoded, Event, Others, Record};
use weir::host::Refusal;
use weir::host::ejson;
use weir::host::request::{self, Origin, Verb};
use weir::sandbox::{Call, Engine, EngineSettings, HandlerKey, Installation, Limits, Mode, Pending};
use weir::store::{self, Address, Driver, Reader, Store};

/// The bytes of a refusal's message at most.
const MESSAGE_BYTES: usize = 1_000;

/// The bytes of text that are printed at most.
const PRINTED_BYTES: usize = 1 << 20;

/// A record: its value, then its key, then its headers as `name` 0x1f `value`, separated by 0x1e.
pub fn record(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0x1e);
    let (value, key) = (parts.next(), parts.next());
    let headers: Vec<(String, Option<&[u8]>)> = parts
        .map(|header| {
            let mut halves = header.splitn(2, |byte| *byte == 0x1f);
            (String::from_utf8_lossy(halves.next().unwrap_or_default()).into_owned(), halves.next())
        })
        .collect();
    let headers: Vec<(&str, Option<&[u8]>)> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let record =
        Record { topic: "outbox", partition: 0, offset: 7, timestamp_ms: Some(5), key, value, headers: &headers };
    let all = Others::parse("*").expect("all columns");
    for settings in [
        event::Settings::default(),
        event::Settings { snapshot_events: true, columns: Columns::default(), others: all },
    ] {
        let decoded = event::decode(&record, &settings);
        if let Decoded::Event(event) = &decoded {
            assert!(!event.id.is_empty() && !event.aggregate_id.is_empty() && !event.event_type.is_empty());
            assert!(event.id.len() <= 1_024, "{}", event.id.len());
        }
        assert_eq!(event::decode(&record, &settings), decoded, "decoding is a function of the record");
    }
}

/// Extended JSON text into BSON, and back.
pub fn extended_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(document) = ejson::parse_document(text) {
        assert!(document.as_bytes().len() <= ejson::MAX_BYTES);
        let printed = ejson::to_canonical(&document, usize::MAX).expect("what was parsed can be printed");
        let again = ejson::parse_document(&printed).expect("what was printed can be parsed");
        assert_eq!(again.as_bytes(), document.as_bytes(), "{printed}");
        assert!(depth(RawBsonRef::Document(&document)) <= ejson::MAX_DEPTH);
    }
    if let Ok(value) = ejson::parse_value(text) {
        let printed = ejson::value_to_canonical(value.as_raw_bson_ref(), usize::MAX).expect("printed");
        assert_eq!(ejson::parse_value(&printed).as_ref(), Ok(&value), "{printed}");
    }
}

/// Any bytes as BSON of MongoDB's, into text.
pub fn bson(data: &[u8]) {
    let Ok(document) = RawDocument::from_bytes(data) else { return };
    let Ok(printed) = ejson::to_canonical(document, PRINTED_BYTES) else { return };
    assert!(printed.len() <= PRINTED_BYTES);
    // MongoDB may hold what no handler can write: deeper documents, keys of wrappers, which then change their meaning. But
    // what can be written from there on stays as it is.
    if let Ok(parsed) = ejson::parse_document(&printed) {
        let again = ejson::to_canonical(&parsed, usize::MAX).expect("what was parsed can be printed");
        let same = ejson::parse_document(&again).expect("what was printed can be parsed");
        assert_eq!(same.as_bytes(), parsed.as_bytes(), "{again}");
    }
}

/// A call: a line with the function's name, and a line for each argument; the options stand last, in a line that begins
/// with `options `.
pub fn request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let Some(verb) = lines.next().and_then(verb) else { return };
    let mut arguments: Vec<&str> = lines.collect();
    let options = arguments.last().and_then(|line| line.strip_prefix("options "));
    if options.is_some() {
        arguments.pop();
    }
    let argument = |at: usize| arguments.get(at).copied().unwrap_or_default();
    let collection = Arc::from("users");
    for expressions in [Expressions::Safe, Expressions::All] {
        let call = request::Call { verb, collection: &collection, expressions };
        let origin = Origin { event: "e", handler: "h", source: None, write: 0 };
        let written = match verb {
            Verb::FindOne | Verb::Find | Verb::Count => {
                if let Err(refusal) = request::find(&call, argument(0), options) {
                    check_refusal(&refusal);
                }
                continue;
            }
            Verb::InsertOne | Verb::InsertMany => {
                let documents: Vec<String> = arguments.iter().map(ToString::to_string).collect();
                request::insert(&call, &origin, &documents, options)
            }
            Verb::UpdateOne | Verb::UpdateMany => request::update(&call, &origin, argument(0), argument(1), options),
            Verb::ReplaceOne => request::replace(&call, argument(0), argument(1), options),
            Verb::DeleteOne | Verb::DeleteMany => request::delete(&call, argument(0), options),
        };
        match written {
            Ok(write) => write.statements.iter().for_each(check_statement),
            Err(refusal) => check_refusal(&refusal),
        }
    }
}

fn verb(name: &str) -> Option<Verb> {
    use Verb as V;
    let all = [
        V::FindOne,
        V::Find,
        V::Count,
        V::InsertOne,
        V::InsertMany,
        V::UpdateOne,
        V::UpdateMany,
        V::ReplaceOne,
        V::DeleteOne,
        V::DeleteMany,
    ];
    all.into_iter().find(|verb| verb.as_str() == name)
}

fn check_statement(statement: &RawDocumentBuf) {
    assert!(statement.as_bytes().len() <= ejson::MAX_BYTES);
    assert!(depth(RawBsonRef::Document(statement)) < 90);
    // The library's own walk over the bytes, at the depth that a command gives them.
    let command = rawdoc! { "update": "users", "updates": [statement.clone()] };
    Document::try_from(&command).expect("the statement is BSON");
}

fn check_refusal(refusal: &Refusal) {
    assert!(refusal.message.len() <= MESSAGE_BYTES, "{}", refusal.message.len());
}

fn depth(value: RawBsonRef<'_>) -> usize {
    match value {
        RawBsonRef::Document(document) => {
            1 + document.into_iter().map(|member| depth(member.expect("BSON").1)).max().unwrap_or(0)
        }
        RawBsonRef::Array(array) => 1 + array.into_iter().map(|value| depth(value.expect("BSON"))).max().unwrap_or(0),
        RawBsonRef::JavaScriptCodeWithScope(code) => 1 + depth(RawBsonRef::Document(code.scope)),
        _ => 0,
    }
}

/// What the code within a component may import.
pub const IMPORTS: &str = r#"(module
    (import "host" "memory" (memory 1))
    (import "host" "now" (func (result i64)))
    (import "host" "attempt" (func (result i32)))
    (import "host" "random" (func (param i32 i32)))
    (import "host" "find-one" (func (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "insert-one" (func (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "insert-many" (func (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "effect-of" (func (param i32 i32)))
    (import "host" "log" (func (param i32 i32 i32 i32 i32 i32))))"#;

/// A component of the contract whose `handle` is the core module's.
#[must_use]
pub fn around(module: &[u8]) -> Vec<u8> {
    static SHELL: OnceLock<Vec<u8>> = OnceLock::new();
    let shell = SHELL.get_or_init(|| wat::parse_str(include_str!("component.wat")).expect("the text is right"));
    // A component is a head of eight bytes, and sections: a kind, a length, and so many bytes.
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

/// The kind of a section that is a core module, and which of them is the fuzzed one.
const CORE_MODULE: u8 = 1;
const FUZZED: usize = 3;

/// A number of seven bits a byte, and where it ends.
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

/// The component that an input is: its binary, its text, or the text of a core module for [`around`]. None for other
/// bytes, of which the fuzz target makes a core module.
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

/// A component through load, and one call of it if it loads. Gives the number of its writes if it was called.
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

/// What a call needs, made once.
struct World {
    runtime: tokio::runtime::Runtime,
    engine: Engine,
    /// Without a server behind it: every read is a fault.
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
            let reader = Store::new(Arc::new(Arc::new(driver)), &options).reader();
            (Engine::new(&settings).expect("an engine"), reader)
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
