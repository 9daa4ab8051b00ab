//! The forms of record that are not read yet: told apart, so that the reason kept with the record says what to do.
//! Heartbeats and a flattened delete are recognised too, since nothing is lost with them. Pure.
//!
//! Invariant: what is not known for certain to be no event is undecodable.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::event::error::Error;
use crate::event::row::{self, Object, Row};
use crate::event::{Decoded, Ignored, Record, Undecodable, headers};

/// What writes such records, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Flattened,
    EventRouter,
    CloudEvents,
    TransactionMetadata,
}

impl fmt::Display for Form {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Flattened => "a flattened row (Debezium's ExtractNewRecordState)",
            Self::EventRouter => "a record of Debezium's outbox EventRouter",
            Self::CloudEvents => "a CloudEvent",
            Self::TransactionMetadata => "Debezium's metadata of a transaction",
        })
    }
}

/// A value that is JSON and no envelope.
pub(super) fn other(text: &str, record: &Record<'_>) -> Decoded {
    let text = text.trim_start();
    let names = members(text);
    let has = |name: &str| names.iter().any(|found| found == name);
    let header = |name| headers::text(record.headers, name);

    if has("specversion") || header("ce_specversion").is_some() {
        return undecodable(text, Form::CloudEvents, header("ce_id"));
    }
    if has("event_id") || has("__op") || has("__deleted") {
        return undecodable(text, Form::Flattened, None);
    }
    if header("id").is_some() {
        return undecodable(text, Form::EventRouter, header("id"));
    }
    if has("status") && has("id") && has("event_count") {
        return undecodable(text, Form::TransactionMetadata, None);
    }
    if is_heartbeat(&names, record) {
        return Decoded::Ignored(Ignored::Heartbeat);
    }
    match row::kind_of(text) {
        "null" => Decoded::Ignored(Ignored::Delete),
        kind => Decoded::Undecodable(Row::default().undecodable(&Error::Unknown(kind))),
    }
}

/// A time and nothing else, under a key that names the server. The topic's name is not looked at, since it can be set.
fn is_heartbeat(names: &[String], record: &Record<'_>) -> bool {
    const KEY: &[u8] = b"serverName";
    let keyed = record.key.is_some_and(|key| key.windows(KEY.len()).any(|part| part == KEY));
    let time_only = names.iter().all(|name| matches!(name.as_str(), "ts_ms" | "ts_us" | "ts_ns"));
    keyed && time_only && !names.is_empty()
}

/// What can be read is the row's where it lies flat; an id in a header is one too.
fn undecodable(text: &str, form: Form, id: Option<&str>) -> Decoded {
    let row = serde_json::from_str::<Object<Row<'_>>>(text).map(|row| row.0).unwrap_or_default();
    let read = row.undecodable(&Error::OtherForm(form));
    Decoded::Undecodable(Undecodable { event_id: read.event_id.or(id.map(str::to_owned)), ..read })
}

/// The names of an object's members; none where the text is another kind of JSON.
pub(super) fn members(text: &str) -> Vec<String> {
    serde_json::from_str::<Members>(text).map(|members| members.0).unwrap_or_default()
}

struct Members(Vec<String>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Members;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Members(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Decoded, Ignored, Record, Settings, Undecodable, decode};

    fn given(key: &str, value: &str, headers: &[(&str, Option<&[u8]>)]) -> Decoded {
        let record = Record {
            topic: "outbox",
            partition: 0,
            offset: 7,
            timestamp_ms: Some(1),
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers,
        };
        decode(&record, &Settings::default())
    }

    fn refused(value: &str, headers: &[(&str, Option<&[u8]>)]) -> Undecodable {
        match given("\"k\"", value, headers) {
            Decoded::Undecodable(undecodable) => undecodable,
            other => panic!("{value} gave {other:?}"),
        }
    }

    #[test]
    fn the_other_forms_are_named_and_what_can_be_read_of_them_is() {
        let id: &[(&str, Option<&[u8]>)] = &[("id", Some(b"e-1"))];
        let cloud: &[(&str, Option<&[u8]>)] = &[("ce_specversion", Some(b"1.0")), ("ce_id", Some(b"e-2"))];
        let row = r#"{"event_id":"e-0","event_type":"T","aggregate_id":"a","payload":"{}"}"#;
        let with_schema = format!(r#"{{"schema":{{"type":"struct"}},"payload":{row}}}"#);
        for (value, headers, form, event_id) in [
            (row, &[] as &[_], "ExtractNewRecordState", Some("e-0")),
            (with_schema.as_str(), &[], "ExtractNewRecordState", Some("e-0")),
            (r#"{"id":1,"__deleted":"true"}"#, &[], "ExtractNewRecordState", None),
            (r#""{\"a\":1}""#, id, "EventRouter", Some("e-1")),
            (r#"{"a":1}"#, id, "EventRouter", Some("e-1")),
            (r#"{"ts_ms":1}"#, id, "EventRouter", Some("e-1")),
            ("null", id, "EventRouter", Some("e-1")),
            (r#"{"schema":null,"payload":null}"#, id, "EventRouter", Some("e-1")),
            (r#"{"specversion":"1.0","id":"1","data":{}}"#, &[], "CloudEvent", None),
            (r#"{"a":1}"#, cloud, "CloudEvent", Some("e-2")),
            (r#"{"status":"END","id":"5:1","event_count":1,"ts_ms":1}"#, &[], "metadata of a transaction", None),
        ] {
            let refused = refused(value, headers);
            assert!(refused.reason.contains(form), "{value}: {}", refused.reason);
            assert_eq!(refused.event_id.as_deref(), event_id, "{value}");
        }
        let read = refused(row, &[]);
        assert_eq!((read.event_type.as_deref(), read.aggregate_id.as_deref()), (Some("T"), Some("a")));
    }

    #[test]
    fn what_is_of_no_form_is_undecodable() {
        for (value, found) in [
            ("{}", "an object"),
            ("7", "a number"),
            (" [1]", "an array"),
            (r#"["c",{"event_id":"e"},{}]"#, "an array"),
            ("true", "a boolean"),
            ("\"text\"", "a text"),
            (r#"{"ts_ms":1}"#, "an object"),
            (r#"{"op":"d"}"#, "an object"),
            (r#"{"schema":"s","payload":null}"#, "an object"),
            (r#"{"schema":null,"payload":null,"n":1}"#, "an object"),
        ] {
            let reason = refused(value, &[]).reason;
            assert_eq!(reason, format!("the value is {found}, not a Debezium envelope"), "{value}");
        }
    }

    #[test]
    fn a_flattened_delete_and_a_heartbeat_are_no_events() {
        assert_eq!(given("k", "null", &[]), Decoded::Ignored(Ignored::Delete));
        assert_eq!(given("k", r#"{"schema":null,"payload":null}"#, &[]), Decoded::Ignored(Ignored::Delete));
        let heartbeat = Decoded::Ignored(Ignored::Heartbeat);
        assert_eq!(given(r#"{"serverName":"p"}"#, r#"{"ts_ms":1}"#, &[]), heartbeat);
        let with_schema = r#"{"schema":{"type":"struct"},"payload":{"ts_ms":1}}"#;
        assert_eq!(given(r#"{"schema":{},"payload":{"serverName":"p"}}"#, with_schema, &[]), heartbeat);
    }
}
