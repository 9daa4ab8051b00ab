//! What the real Debezium wrote, against expectations written from the rows that were inserted.
//!
//! Each capture in `tests/fixtures/captures` has a file of one expectation a record beside it, in the same order. Those
//! with `.snapshot_events.` in their name are for `SNAPSHOT_EVENTS`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Decoded, Record, Settings, decode};

/// A record as the capture holds it.
pub(super) struct Captured {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp_ms: Option<i64>,
    key: Option<String>,
    pub(super) value: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

impl Captured {
    pub(super) fn decode(&self, value: Option<&[u8]>, settings: Settings) -> Decoded {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref().map(str::as_bytes))).collect();
        let record = Record {
            topic: &self.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref().map(str::as_bytes),
            value,
            headers: &headers,
        };
        decode(&record, &settings)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures")
}

fn lines(name: &str) -> Vec<Value> {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}"))).collect()
}

/// The names of all captures, without `.jsonl`.
pub(super) fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the captures are checked in")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a plain name"))
        .filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned))
        .filter(|name| !name.contains('.'))
        .collect();
    names.sort();
    names
}

pub(super) fn capture(name: &str) -> Vec<Captured> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    lines(&format!("{name}.jsonl"))
        .iter()
        .map(|record| Captured {
            topic: text(&record["topic"]).expect("a topic"),
            partition: record["partition"].as_i64().and_then(|number| number.try_into().ok()).expect("a partition"),
            offset: record["offset"].as_i64().expect("an offset"),
            timestamp_ms: record["timestamp"].as_i64(),
            key: text(&record["key"]),
            value: text(&record["value"]),
            headers: record["headers"]
                .as_array()
                .map(|headers| headers.iter().map(|pair| (text(&pair[0]).expect("a name"), text(&pair[1]))).collect())
                .unwrap_or_default(),
        })
        .collect()
}

fn described(decoded: Decoded) -> Value {
    match decoded {
        Decoded::Event(event) => json!({"event": {
            "id": event.id,
            "sequence": event.sequence,
            "event_type": event.event_type,
            "aggregate_type": event.aggregate_type,
            "aggregate_id": event.aggregate_id,
            "payload": event.payload,
            "created_at_ms": event.created_at_ms,
            "row_created_at_us": event.row_created_at_us,
            "headers": event.headers,
            "columns": event.columns,
        }}),
        Decoded::Ignored(ignored) => json!({"ignored": ignored.name()}),
        Decoded::Undecodable(undecodable) => json!({"undecodable": {
            "reason": undecodable.reason,
            "event_id": undecodable.event_id,
            "event_type": undecodable.event_type,
            "aggregate_id": undecodable.aggregate_id,
        }}),
    }
}

fn compare(name: &str, expected: &str, settings: Settings) {
    let records = capture(name);
    let expectations = lines(expected);
    assert_eq!(records.len(), expectations.len(), "{expected} has an expectation for each record of {name}");
    for (at, (record, expected)) in records.iter().zip(expectations).enumerate() {
        let decoded = described(record.decode(record.value.as_deref().map(str::as_bytes), settings));
        assert_eq!(decoded, expected, "{name}, line {}", at + 1);
    }
}

#[test]
fn every_capture_decodes_as_its_rows_say() {
    let names = names();
    assert_eq!(names.len(), 13, "{names:?}");
    for name in names {
        compare(&name, &format!("{name}.expected.jsonl"), Settings::default());
    }
}

#[test]
fn a_snapshot_that_is_asked_for_gives_its_rows() {
    let expected = "snapshot_initial.snapshot_events.expected.jsonl";
    compare("snapshot_initial", expected, Settings { snapshot_events: true });
}
