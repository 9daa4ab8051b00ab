//! Compares what the real Debezium wrote with expectations written from the inserted rows.
//!
//! Each capture in `tests/fixtures/captures` has a file of expectations beside it, one for each record in the same
//! order. It may have more such files for other settings, which are then in the first line.
//! `cargo xtask prove decoding` runs this test too and counts on its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Columns, Decoded, Others, Record, Settings, Undecodable, decode};

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
    pub(super) fn decode(&self, value: Option<&[u8]>, settings: &Settings) -> Decoded {
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
        decode(&record, settings)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/captures")
}

fn lines(name: &str) -> Vec<Value> {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}"))).collect()
}

fn files() -> Vec<String> {
    let files = fs::read_dir(folder()).expect("the captures are checked in");
    files.map(|entry| entry.expect("a file").file_name().into_string().expect("a plain name")).collect()
}

/// Returns the names of all captures, without `.jsonl`.
pub(super) fn names() -> Vec<String> {
    let mut names: Vec<String> = files()
        .iter()
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
    let undecodable = |what: Undecodable| {
        json!({
            "reason": what.reason,
            "event_id": what.event_id,
            "event_type": what.event_type,
            "aggregate_id": what.aggregate_id,
        })
    };
    match decoded {
        Decoded::Event(event) => {
            let mut described = json!({
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
            });
            if !event.says_op {
                described["says_op"] = false.into();
            }
            json!({"event": described})
        }
        Decoded::Ignored(ignored) => json!({"ignored": ignored.name()}),
        Decoded::Unsent(unsent) => json!({"unsent": undecodable(unsent.why)}),
        Decoded::Undecodable(what) => json!({"undecodable": undecodable(what)}),
    }
}

/// One file of expectations: the settings that it is for, and a line for each record of the capture.
struct Expectations {
    file: String,
    settings: Settings,
    lines: Vec<Value>,
}

impl Expectations {
    /// Reads the expectations of a capture: `NAME.expected.jsonl`, which must exist, and `NAME.WHAT.expected.jsonl`.
    fn of(name: &str) -> Vec<Self> {
        let own = format!("{name}.expected.jsonl");
        let mut files: Vec<String> = files().into_iter().filter(|file| is_of(file, name)).collect();
        files.sort_by_key(|file| (*file != own, file.clone()));
        assert_eq!(files.first(), Some(&own), "the capture {name} has no expectations: write {own}, from its rows");
        files.into_iter().map(Self::read).collect()
    }

    fn read(file: String) -> Self {
        let mut lines = lines(&file);
        let given = lines.first().and_then(|line| line.get("settings")).cloned();
        if given.is_some() {
            lines.remove(0);
        }
        let set = |name: &str| given.as_ref().and_then(|given| given.get(name)).and_then(Value::as_str);
        let settings = Settings {
            snapshot_events: set("SNAPSHOT_EVENTS") == Some("true"),
            columns: set("OUTBOX_COLUMNS").map_or_else(Columns::default, |list| Columns::parse(list).expect("a list")),
            others: set("OUTBOX_OTHER_COLUMNS").map_or(Others::None, |list| Others::parse(list).expect("a list")),
        };
        Self { file, settings, lines }
    }

    /// Returns every difference from the expectations, and adds to `counts` how each record decoded.
    fn hold(&self, records: &[Captured], counts: &mut BTreeMap<String, u64>) -> Vec<String> {
        let mut wrong = Vec::new();
        if records.len() != self.lines.len() {
            wrong.push(format!("{} has {} expectations for {} records", self.file, self.lines.len(), records.len()));
        }
        for (at, (record, expected)) in records.iter().zip(&self.lines).enumerate() {
            let decoded = described(record.decode(record.value.as_deref().map(str::as_bytes), &self.settings));
            let kind = decoded.as_object().and_then(|decoded| decoded.keys().next()).expect("it has one member");
            *counts.entry(kind.clone()).or_default() += 1;
            if decoded != *expected {
                wrong.push(format!("{}, record {}: expected {expected}, decoded {decoded}", self.file, at + 1));
            }
        }
        wrong
    }
}

fn is_of(file: &str, name: &str) -> bool {
    let rest = file.strip_prefix(name).and_then(|rest| rest.strip_suffix(".expected.jsonl"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[test]
fn every_capture_decodes_as_its_rows_say() {
    let (mut counts, mut wrong, mut records) = (BTreeMap::new(), Vec::new(), 0);
    let names = names();
    for name in &names {
        let captured = capture(name);
        records += captured.len();
        for expectations in Expectations::of(name) {
            wrong.extend(expectations.hold(&captured, &mut counts));
        }
    }
    if let Some(path) = std::env::var_os("WEIR_DECODING_REPORT") {
        let report = json!({"captures": names.len(), "records": records, "decoded": counts, "wrong": wrong});
        fs::write(path, report.to_string()).expect("the report can be written");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(names.len() >= 35, "a capture is missing: {names:?}");
}

#[test]
fn expectations_are_of_a_capture() {
    let names = names();
    for file in files().iter().filter(|file| file.ends_with(".expected.jsonl")) {
        assert!(names.iter().any(|name| is_of(file, name)), "{file} is of no capture");
    }
}

#[test]
fn what_decodes_otherwise_is_found() {
    let mut expectations = Expectations::of("seed_config").remove(0);
    let records = capture("seed_config");
    assert!(expectations.hold(&records, &mut BTreeMap::new()).is_empty());
    expectations.lines[0]["event"]["payload"] = "{}".into();
    expectations.lines.pop();
    let wrong = expectations.hold(&records, &mut BTreeMap::new());
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}
