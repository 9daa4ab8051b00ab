//! What each fuzz target does with its bytes. The targets in `fuzz_targets/` call these under the fuzzer, and
//! `runtime/tests/fuzz_cases.rs` calls them on stable with every file of `corpus/` and `cases/`.
//!
//! An input that breaks a promise panics.

mod components;

use std::sync::Arc;

use bson::{Document, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use serde_json::value::RawValue;
use weir_core::documents::Expressions;
use weir_core::documents::Refusal;
use weir_core::documents::ejson;
use weir_core::documents::request::{self, Origin, Verb};
use weir_core::event::{self, Columns, Decoded, Event, Others, Record, Undecodable};

pub use components::{IMPORTS, around, component, component_of};

/// The maximum size of a refusal's message in bytes.
const MESSAGE_BYTES: usize = 1_000;

/// The maximum size of an id, a type or a sequence in bytes.
const NAME_BYTES: usize = 1_024;

/// The maximum size in bytes of the reason why a record is undecodable. It quotes a name of 100 characters, all of
/// which may be escaped.
const REASON_BYTES: usize = 2_000;

/// The maximum size of printed text in bytes.
const PRINTED_BYTES: usize = 1 << 20;

/// Decodes a record: its value, then its key, then its headers as `name` 0x1f `value`, separated by 0x1e.
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
        match &decoded {
            Decoded::Event(event) => check_event(event),
            Decoded::Unsent(unsent) => check_undecodable(&unsent.why),
            Decoded::Undecodable(undecodable) => check_undecodable(undecodable),
            Decoded::Ignored(_) => {}
        }
        assert_eq!(event::decode(&record, &settings), decoded, "decoding is a function of the record");
    }
}

fn check_event(event: &Event) {
    for name in [&event.id, &event.aggregate_id, &event.event_type] {
        assert!(!name.is_empty() && name.len() <= NAME_BYTES, "{}", name.len());
    }
    assert!(event.aggregate_type.len() <= NAME_BYTES, "{}", event.aggregate_type.len());
    if let Some(sequence) = &event.sequence {
        assert!(sequence.len() <= NAME_BYTES, "{}", sequence.len());
    }
    for json in [&event.payload, &event.columns] {
        serde_json::from_str::<&RawValue>(json).expect("a handler is given JSON");
    }
    assert!(event.columns.starts_with('{'), "{}", event.columns);
}

fn check_undecodable(undecodable: &Undecodable) {
    assert!(undecodable.reason.len() <= REASON_BYTES, "{}", undecodable.reason.len());
    for name in [&undecodable.event_id, &undecodable.event_type, &undecodable.aggregate_id].into_iter().flatten() {
        assert!(name.len() <= NAME_BYTES, "{}", name.len());
    }
}

/// Converts Extended JSON text to BSON, and back.
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
        let again = ejson::parse_value(&printed).expect("what was printed can be parsed");
        // Compares bytes, because a NaN is not equal to itself.
        let bytes = |value: RawBson| rawdoc! { "": value }.into_bytes();
        assert_eq!(bytes(again), bytes(value), "{printed}");
    }
}

/// Reads any bytes as BSON from MongoDB, and converts them to text.
pub fn bson(data: &[u8]) {
    let Ok(document) = RawDocument::from_bytes(data) else { return };
    let Ok(printed) = ejson::to_canonical(document, PRINTED_BYTES) else { return };
    assert!(printed.len() <= PRINTED_BYTES);
    // MongoDB may hold what no handler can write: deeper documents, or keys of wrappers, which then change their
    // meaning. But whatever can be written once must stay the same from then on.
    if let Ok(parsed) = ejson::parse_document(&printed) {
        let again = ejson::to_canonical(&parsed, usize::MAX).expect("what was parsed can be printed");
        let same = ejson::parse_document(&again).expect("what was printed can be parsed");
        assert_eq!(same.as_bytes(), parsed.as_bytes(), "{again}");
    }
}

/// Makes a call: a line with the function's name, and a line for each argument. The options come last, in a line that
/// begins with `options `.
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
    // Walks the bytes with the library itself, at the depth that they have in a command.
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
