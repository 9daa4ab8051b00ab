//! CloudEvents 1.0: structured (the value is the event) and binary (the value is its data, and the headers `ce_*` are
//! its attributes). Pure.
//!
//! Debezium's converter writes structured CloudEvents whose data is the change of a row. Such data is read as an
//! envelope whose op is the attribute `iodebeziumop`. Behind the `EventRouter`, the converter writes the payload as the
//! data. That `CloudEvent`, like any other, is an event by its own attributes: `id`, `type`, `time`, and for the
//! aggregate `subject`, `partitionkey` or the record's key.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::event::bounds::shown;
use crate::event::context::{Context, kept};
use crate::event::envelope::Outer;
use crate::event::error::Error;
use crate::event::json::{self, Read};
use crate::event::members::Members;
use crate::event::op::Op;
use crate::event::row::{self, Cell, Row};
use crate::event::schema::RowSchema;
use crate::event::{Decoded, Field, Ignored, headers, router};

const SPECVERSION: &str = "specversion";
/// The attributes that are read, besides those placed for the event's fields.
const READ: [&str; 7] = [SPECVERSION, "id", "type", "time", "subject", "partitionkey", "iodebeziumop"];

/// Returns whether the headers mark the record as a binary `CloudEvent`.
pub(super) fn is_binary(context: &Context<'_>) -> bool {
    context.record.headers.iter().any(|(name, _)| *name == "ce_specversion")
}

/// Returns whether the object has the attributes that every `CloudEvent` has.
pub(super) fn is_structured(members: &Members<'_>) -> bool {
    [SPECVERSION, "id", "type", "source"].iter().all(|name| members.has(name))
}

pub(super) fn structured(members: &Members<'_>, context: &Context<'_>) -> Decoded {
    let attributes = Attributes::Members(members);
    let encoded = members.get("data_base64").map(|raw| {
        let Ok(text) = row::text("data_base64", Some(&Cell::Json(raw))) else { return Err(Error::Base64) };
        let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| Error::Base64)?;
        String::from_utf8(bytes).map_err(|_| Error::Base64)
    });
    let data = match (members.get("data"), encoded) {
        (Some(_), Some(_)) => Err(Error::TwoData),
        (_, Some(Err(error))) => Err(error),
        (_, Some(Ok(text))) => Ok(Cow::Owned(text)),
        (Some(data), None) => Ok(Cow::Borrowed(data.get())),
        (None, None) => Ok(Cow::Borrowed("null")),
    };
    match data {
        Ok(data) => decoded(&attributes, &data, context),
        Err(error) => kept(&error, attributes.get("id")),
    }
}

pub(super) fn binary(data: &str, context: &Context<'_>) -> Decoded {
    decoded(&Attributes::Headers(context), data, context)
}

fn decoded(attributes: &Attributes<'_>, data: &str, context: &Context<'_>) -> Decoded {
    let refused = |error: &Error| kept(error, attributes.get("id"));
    if let Err(error) = attributes.check(context) {
        return refused(&error);
    }
    // Connect's own header converter turns the version into a number.
    if !matches!(attributes.get(SPECVERSION).as_deref(), Some("1.0" | "1")) {
        return refused(&Error::SpecVersion);
    }
    let data: &RawValue = match serde_json::from_str(data) {
        Ok(data) => data,
        Err(error) => return refused(&Error::NotJson(error)),
    };
    let outer = Outer::of(data.get(), context).ok();
    let (schema, data) = match outer.as_ref().and_then(Outer::wrapped) {
        Some((schema, inner)) => (Some(schema), inner),
        None => (None, data),
    };
    let outer = if schema.is_some() { Outer::of(data.get(), context).ok() } else { outer };
    let op = attributes.get("iodebeziumop");
    let changed = attributes.get("type").is_some_and(|name| is_change(&name));
    match outer {
        Some(outer) if changed || outer.is_debeziums() || (op.is_some() && outer.is_states()) => {
            change(&outer, op.as_deref(), schema, context)
        }
        None if changed => {
            without_row(op.as_deref(), context, || context.undecodable(&Error::NotAChange(json::kind(data))))
        }
        // Behind the EventRouter, the converter writes the payload under the type that it was configured with.
        _ => without_row(op.as_deref(), context, || plain(attributes, data, context)),
    }
}

/// `io.debezium.connector.postgresql.DataChangeEvent`, or `io.debezium.postgresql.datachangeevent` before 2.7.
fn is_change(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("io.debezium.") && name.ends_with(".datachangeevent")
}

/// A change of a row. Without an op (`extension.attributes.enable=false`) it is like a flattened row without one.
fn change(outer: &Outer<'_>, op: Option<&str>, schema: Option<&RawValue>, context: &Context<'_>) -> Decoded {
    let none = Row::default();
    let row = outer.after.as_ref();
    let op = match op.map(Op::named).or(outer.op.map(Op::of)).transpose() {
        Ok(op) => op,
        Err(error) => return context.refused(row.unwrap_or(&none), &error),
    };
    match (op.and_then(|op| op.ignored(context.settings)), row, op) {
        (Some(ignored), _, _) => Decoded::Ignored(ignored),
        (None, Some(row), _) => context.event(row, schema.map(RowSchema::of_envelope).as_ref(), op.is_some()),
        (None, None, Some(op)) => context.undecodable(&Error::NoRow(op.letter())),
        (None, None, None) if outer.is_states() => Decoded::Ignored(Ignored::Delete),
        (None, None, None) => context.undecodable(&Error::NotAChange("an object without before and after")),
    }
}

/// Decodes data that is not a row as `event`, unless the op says that it is not an event.
fn without_row(op: Option<&str>, context: &Context<'_>, event: impl FnOnce() -> Decoded) -> Decoded {
    match op.map(Op::named).transpose() {
        Ok(op) => op.and_then(|op| op.ignored(context.settings)).map_or_else(event, Decoded::Ignored),
        Err(error) => context.undecodable(&error),
    }
}

/// Decodes an event by its own attributes.
fn plain(attributes: &Attributes<'_>, data: &RawValue, context: &Context<'_>) -> Decoded {
    let mut row = Row::default();
    let placed = |field| context.settings.columns.placed(field).find_map(|name| attributes.get(name));
    let aggregate_id =
        placed(Field::AggregateId).or_else(|| attributes.get("subject")).or_else(|| attributes.get("partitionkey"));
    for (field, text) in [
        (Field::EventId, attributes.get("id")),
        (Field::EventType, attributes.get("type")),
        (Field::CreatedAt, attributes.get("time")),
        (Field::AggregateId, aggregate_id),
        (Field::AggregateType, placed(Field::AggregateType)),
        (Field::SequenceId, placed(Field::SequenceId)),
    ] {
        if let Some(text) = text {
            row.set(field, Cell::Text(text));
        }
    }
    row.set(Field::Payload, Cell::Json(data));
    match router::complete(&mut row, context) {
        Ok(()) => context.event(&row, None, true),
        Err(error) => context.refused(&row, &error),
    }
}

/// The place that holds a `CloudEvent`'s attributes.
enum Attributes<'a> {
    Members(&'a Members<'a>),
    Headers(&'a Context<'a>),
}

impl<'a> Attributes<'a> {
    /// Returns an attribute's text, or `None` if it is absent or null.
    fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        match self {
            Self::Members(members) => text(members.get(name)?),
            Self::Headers(context) => headers::value(context.record.headers, &format!("ce_{name}")),
        }
    }

    /// Fails if an attribute that is read is not text, so that nothing else takes its place.
    fn check(&self, context: &Context<'_>) -> Result<(), Error> {
        let placed = Field::ALL.into_iter().flat_map(|field| context.settings.columns.placed(field));
        let names = READ.into_iter().chain(placed);
        match self {
            Self::Members(members) => {
                if let Some(twice) = members.twice(|_| true) {
                    return Err(Error::TwiceAttribute(shown(twice)));
                }
                let wrong = |name| members.get(name).filter(|raw| raw.get() != "null" && text(raw).is_none());
                let wrong = names.into_iter().find_map(|name| Some((name, wrong(name)?)));
                wrong.map_or(Ok(()), |(name, raw)| {
                    Err(Error::NotText { column: name.to_owned(), found: json::kind(raw) })
                })
            }
            Self::Headers(_) => headers::check(context.record.headers, names.map(|name| format!("ce_{name}"))),
        }
    }
}

/// Returns the text of an attribute, or the digits of a whole number.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    match json::string(raw) {
        Read::Text(text) => Some(text),
        Read::NotText if json::is_whole(raw.get()) => Some(Cow::Borrowed(raw.get())),
        Read::NotText | Read::Broken => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Decoded, Event, Ignored, Record, Settings, Undecodable, decode};

    type Headers<'a> = [(&'a str, Option<&'a [u8]>)];

    const ROW: &str = r#"{"event_id":"e","aggregate_id":"a","aggregate_type":"User","event_type":"T","payload":"{}"}"#;

    fn given(value: Option<&str>, headers: &Headers<'_>) -> Decoded {
        let record = Record {
            topic: "events.users",
            partition: 0,
            offset: 7,
            timestamp_ms: Some(1),
            key: Some(b"k"),
            value: value.map(str::as_bytes),
            headers,
        };
        decode(&record, &Settings::default())
    }

    fn of_change(attributes: &str, data: &str) -> String {
        format!(
            r#"{{"id":"name:postgres;lsn:1;txId:2","source":"/debezium/postgresql/postgres","specversion":"1.0",
            "type":"io.debezium.connector.postgresql.DataChangeEvent","time":"2026-11-23T07:09:10Z",{attributes}
            "data":{data}}}"#
        )
    }

    fn read(value: &str, headers: &Headers<'_>) -> Event {
        match given(Some(value), headers) {
            Decoded::Event(event) => *event,
            other => panic!("{value} gave {other:?}"),
        }
    }

    fn refused(value: &str, headers: &Headers<'_>) -> Undecodable {
        match given(Some(value), headers) {
            Decoded::Undecodable(undecodable) => undecodable,
            other => panic!("{value} gave {other:?}"),
        }
    }

    #[test]
    fn a_change_is_read_from_its_row() {
        let bare = format!(r#"{{"before":null,"after":{ROW}}}"#);
        let with_schema = format!(r#"{{"schema":{{"type":"struct"}},"payload":{bare}}}"#);
        let with_op = format!(r#"{{"before":null,"after":{ROW},"op":"c"}}"#);
        for (attributes, data) in
            [(r#""iodebeziumop":"c","#, &bare), (r#""iodebeziumop":"c","#, &with_schema), ("", &with_op)]
        {
            let event = read(&of_change(attributes, data), &[]);
            assert_eq!((event.id.as_str(), event.event_type.as_str(), event.says_op), ("e", "T", true), "{data}");
            assert_eq!(event.row_created_at_us, None);
        }
        assert!(!read(&of_change("", &bare), &[]).says_op);
    }

    #[test]
    fn a_change_that_is_no_event_is_told_by_its_op() {
        for (op, ignored) in [
            ("u", Ignored::Update),
            ("d", Ignored::Delete),
            ("r", Ignored::Snapshot),
            ("t", Ignored::Truncate),
            ("m", Ignored::LogicalMessage),
        ] {
            for data in ["null", r#"{"before":null,"after":null}"#, "\"text\""] {
                let value = of_change(&format!(r#""iodebeziumop":"{op}","#), data);
                assert_eq!(given(Some(&value), &[]), Decoded::Ignored(ignored), "{op} {data}");
            }
        }
        let value = of_change("", r#"{"before":{},"after":null}"#);
        assert_eq!(given(Some(&value), &[]), Decoded::Ignored(Ignored::Delete));
    }

    #[test]
    fn a_change_without_a_row_is_refused() {
        let value = |data| of_change(r#""iodebeziumop":"c","#, data);
        assert!(refused(&value(r#"{"before":null,"after":null}"#), &[]).reason.contains("no row in after"));
        assert!(refused(&value("[1]"), &[]).reason.contains("the CloudEvent's data is an array"));
        let unknown = of_change(r#""iodebeziumop":"x","#, "{}");
        assert!(refused(&unknown, &[]).reason.contains("the op \"x\" is not known"));
    }

    #[test]
    fn any_other_is_an_event_by_its_attributes() {
        let value = r#"{"specversion":"1.0","id":"e","source":"/s","type":"T","subject":"a","time":"1970-01-01T00:00:01Z",
            "aggregatetype":"User","data":{"n": 1.10}}"#;
        let event = read(value, &[]);
        assert_eq!((event.id.as_str(), event.event_type.as_str(), event.aggregate_id.as_str()), ("e", "T", "a"));
        assert_eq!((event.aggregate_type.as_str(), event.payload.as_str()), ("User", r#"{"n": 1.10}"#));
        assert_eq!((event.row_created_at_us, event.says_op), (Some(1_000_000), true));
        let event = read(r#"{"specversion":"1.0","id":"e","source":"/s","type":"T"}"#, &[]);
        assert_eq!((event.aggregate_id.as_str(), event.aggregate_type.as_str()), ("k", "users"));
        assert_eq!((event.payload.as_str(), event.created_at_ms, event.row_created_at_us), ("null", 1, None));
        let base64 = r#"{"specversion":"1.0","id":"e","source":"/s","type":"T","data_base64":"eyJhIjoxfQ=="}"#;
        assert_eq!(read(base64, &[]).payload, r#"{"a":1}"#);
    }

    #[test]
    fn the_routers_payload_is_an_event_of_the_type_that_it_was_told() {
        let value = |op: &str| {
            format!(
                r#"{{"specversion":"1.0","id":"e","source":"/s","type":"T","iodebeziumop":"{op}","data":{{"after":1,"n":2}}}}"#
            )
        };
        let event = read(&value("c"), &[]);
        assert_eq!((event.event_type.as_str(), event.payload.as_str()), ("T", r#"{"after":1,"n":2}"#));
        assert_eq!(given(Some(&value("r")), &[]), Decoded::Ignored(Ignored::Snapshot));
        let named = of_change(r#""iodebeziumop":"c","#, &format!(r#"{{"before":null,"after":{ROW}}}"#))
            .replace("io.debezium.connector.postgresql.DataChangeEvent", "OutboxChanged");
        assert_eq!(read(&named, &[]).event_type, "T");
    }

    #[test]
    fn binary_has_its_attributes_in_headers() {
        let headers: &Headers<'_> = &[
            ("ce_specversion", Some(b"1.0")),
            ("ce_id", Some(b"e")),
            ("ce_source", Some(b"/s")),
            ("ce_type", Some(b"T")),
            ("ce_partitionkey", Some(b"a")),
            ("content-type", Some(b"application/json")),
        ];
        let event = read(r#"{"op":"c"}"#, headers);
        assert_eq!((event.id.as_str(), event.event_type.as_str(), event.aggregate_id.as_str()), ("e", "T", "a"));
        assert_eq!(event.payload, r#"{"op":"c"}"#);
        let Decoded::Event(event) = given(None, headers) else { panic!("no event") };
        assert_eq!(event.payload, "null");
        let own = read(r#"{"op":"d","source":"web","before":1}"#, headers);
        assert_eq!(own.payload, r#"{"op":"d","source":"web","before":1}"#);
        let envelope = format!(r#"{{"before":null,"after":{ROW},"source":{{"connector":"postgresql"}},"op":"u"}}"#);
        assert_eq!(given(Some(&envelope), headers), Decoded::Ignored(Ignored::Update));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_id() {
        let binary: &Headers<'_> = &[("ce_specversion", Some(b"0.3")), ("ce_id", Some(b"e"))];
        let right: &Headers<'_> = &[("ce_specversion", Some(b"1.0")), ("ce_id", Some(b"e"))];
        let not_text: &Headers<'_> = &[
            ("ce_specversion", Some(b"1.0")),
            ("ce_id", Some(b"e")),
            ("ce_type", Some(b"T")),
            ("ce_subject", Some(b"\xff")),
        ];
        let of = |data| format!(r#"{{"specversion":"1.0","id":"e","source":"/s","type":"T",{data}}}"#);
        for (value, headers, reason) in [
            ("{}".to_owned(), binary, "specversion is not 1.0"),
            ("no json".to_owned(), right, "the value is not JSON"),
            ("{}".to_owned(), right, "the row has no column event_type"),
            (of(r#""data":1,"data_base64":"e30=""#), &[], "both data and data_base64"),
            (of(r#""data_base64":"?""#), &[], "no base64"),
            (of(r#""data":"text""#), &[], "is not JSON"),
            (of(r#""data":1,"subject":{}"#), &[], "the row's subject is an object, not a text"),
            (of(r#""data":1,"time":1.5"#), &[], "the row's time is a number, not a text"),
            (of(r#""data":1,"id":"e""#), &[], "the attribute id twice"),
            ("{}".to_owned(), not_text, "the header ce_subject is not UTF-8"),
        ] {
            let refused = refused(&value, headers);
            assert!(refused.reason.contains(reason), "{value}: {}", refused.reason);
            assert_eq!(refused.event_id.as_deref(), Some("e"), "{value}");
        }
    }
}
