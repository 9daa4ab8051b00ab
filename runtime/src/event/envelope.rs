//! Debezium's envelope: `before`, `after`, `source` and `op`, bare or beside the schema that Connect's converter
//! writes. Owns which op is an event. Pure.
//!
//! Invariant: only an object with an `op` and another of the envelope's own members is an envelope; so a row of another
//! form that happens to have a column `op` is never passed over as a delete.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use crate::event::error::Error;
use crate::event::row::{self, Object, Read, Row};
use crate::event::{Decoded, Event, Ignored, Record, Settings};
use crate::event::{created_at, form, headers, payload};

/// What a record is. Never panics, whatever its bytes; never gives up a record without a reason.
#[must_use]
pub fn decode(record: &Record<'_>, settings: &Settings) -> Decoded {
    let Some(value) = record.value else { return Decoded::Ignored(Ignored::Tombstone) };
    let text = match std::str::from_utf8(value) {
        Ok(text) => text,
        Err(error) => return undecodable(&Error::NotUtf8 { at: error.valid_up_to() }),
    };
    match Outer::of(text) {
        Ok(outer) if outer.is_envelope() => envelope(&outer, None, record, *settings),
        Ok(outer) => match outer.wrapped(text) {
            Some((schema, inner)) => with_schema(schema, inner, record, *settings),
            None => form::other(text, record),
        },
        Err(error) if error.is_data() => misshapen(text, &error, record),
        Err(error) => undecodable(&Error::NotJson(error)),
    }
}

/// The value's members, as far as the forms differ by them. One pass over the text reads both these and the row.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Outer<'a> {
    #[serde(borrow, deserialize_with = "row::present")]
    op: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<Object<Row<'a>>>,
    before: Seen,
    source: Seen,
    message: Seen,
    #[serde(borrow, deserialize_with = "row::present")]
    schema: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "row::present")]
    payload: Option<&'a RawValue>,
}

impl<'a> Outer<'a> {
    fn of(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Object<Self>>(text).map(|outer| outer.0)
    }

    fn row(&self) -> Option<&Row<'a>> {
        self.after.as_ref().map(|row| &row.0)
    }

    fn is_envelope(&self) -> bool {
        self.op.is_some() && (self.after.is_some() || self.before.0 || self.source.0 || self.message.0)
    }

    /// The schema and what it describes, where this is an object of those two and nothing else.
    fn wrapped(&self, text: &str) -> Option<(&'a RawValue, &'a RawValue)> {
        let (schema, payload) = (self.schema?, self.payload?);
        (matches!(row::kind(schema), "an object" | "null") && form::members(text).len() == 2)
            .then_some((schema, payload))
    }
}

/// Whether a member is there, null or not.
#[derive(Default)]
struct Seen(bool);

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

fn with_schema(schema: &RawValue, inner: &RawValue, record: &Record<'_>, settings: Settings) -> Decoded {
    match Outer::of(inner.get()) {
        Ok(outer) if outer.is_envelope() => envelope(&outer, Some(schema), record, settings),
        Ok(_) => form::other(inner.get(), record),
        Err(error) => misshapen(inner.get(), &error, record),
    }
}

fn envelope(outer: &Outer<'_>, schema: Option<&RawValue>, record: &Record<'_>, settings: Settings) -> Decoded {
    let op = match outer.op.map(Op::of) {
        Some(Ok(op)) => op,
        Some(Err(error)) => return refused(outer.row(), &error),
        None => return refused(outer.row(), &Error::OpNotText("absent")),
    };
    if let Some(ignored) = op.ignored(settings) {
        return Decoded::Ignored(ignored);
    }
    let Some(row) = outer.row() else { return undecodable(&Error::NoRow(op.letter())) };
    match event(row, schema, record) {
        Ok(event) => Decoded::Event(Box::new(event)),
        Err(error) => Decoded::Undecodable(row.undecodable(&error)),
    }
}

/// The row as an event. The order of the columns decides which fault is told where there are several.
fn event(row: &Row<'_>, schema: Option<&RawValue>, record: &Record<'_>) -> Result<Event, Error> {
    let id = row::name("event_id", row.event_id)?.into_owned();
    let aggregate_id = row::name("aggregate_id", row.aggregate_id)?.into_owned();
    let event_type = row::name("event_type", row.event_type)?.into_owned();
    let aggregate_type = row::text("aggregate_type", row.aggregate_type)?.into_owned();
    let payload = payload::text(row.payload)?;
    let row_created_at_us = created_at::of_row(row.created_at, schema)?;
    let created_at_ms = match row_created_at_us {
        Some(us) => us.div_euclid(1000),
        None => record.timestamp_ms.ok_or(Error::NoTime)?,
    };
    Ok(Event {
        id,
        sequence: row::sequence(row.sequence_id)?,
        event_type,
        aggregate_type,
        aggregate_id,
        payload,
        created_at_ms,
        row_created_at_us,
        headers: headers::kept(record.headers),
        columns: "{}".to_owned(),
    })
}

/// A value whose members are not of the shapes that an envelope's have.
fn misshapen(text: &str, error: &serde_json::Error, record: &Record<'_>) -> Decoded {
    /// The two members of which only a wrong shape can be told.
    #[derive(Deserialize)]
    struct Loose<'a> {
        #[serde(borrow)]
        op: Option<&'a RawValue>,
        #[serde(borrow)]
        after: Option<&'a RawValue>,
    }
    // What was skipped after the fault has not been read yet, and may be no JSON.
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return undecodable(&Error::NotJson(error));
    }
    if !text.trim_start().starts_with('{') {
        return form::other(text, record);
    }
    let misshapen = Error::Misshapen { line: error.line(), column: error.column() };
    let Ok(loose) = serde_json::from_str::<Loose<'_>>(text) else { return undecodable(&misshapen) };
    let Some(op) = loose.op else { return form::other(text, record) };
    match (Op::of(op), loose.after.map(row::kind)) {
        (Err(error), _) => undecodable(&error),
        (_, Some(kind)) if kind != "an object" => undecodable(&Error::NotARow(kind)),
        _ => undecodable(&misshapen),
    }
}

/// What happened to the row.
#[derive(Clone, Copy)]
enum Op {
    Create,
    Read,
    Update,
    Delete,
    Truncate,
    Message,
}

impl Op {
    fn of(raw: &RawValue) -> Result<Self, Error> {
        match row::string(raw) {
            Read::Text(text) => match &*text {
                "c" => Ok(Self::Create),
                "r" => Ok(Self::Read),
                "u" => Ok(Self::Update),
                "d" => Ok(Self::Delete),
                "t" => Ok(Self::Truncate),
                "m" => Ok(Self::Message),
                other => Err(Error::UnknownOp(other.chars().take(16).collect())),
            },
            Read::Broken | Read::NotText => Err(Error::OpNotText(row::kind(raw))),
        }
    }

    fn letter(self) -> &'static str {
        match self {
            Self::Create => "c",
            Self::Read => "r",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Truncate => "t",
            Self::Message => "m",
        }
    }

    fn ignored(self, settings: Settings) -> Option<Ignored> {
        match self {
            Self::Create => None,
            Self::Read if settings.snapshot_events => None,
            Self::Read => Some(Ignored::Snapshot),
            Self::Update => Some(Ignored::Update),
            Self::Delete => Some(Ignored::Delete),
            Self::Truncate => Some(Ignored::Truncate),
            Self::Message => Some(Ignored::LogicalMessage),
        }
    }
}

fn refused(row: Option<&Row<'_>>, error: &Error) -> Decoded {
    Decoded::Undecodable(row.unwrap_or(&Row::default()).undecodable(error))
}

fn undecodable(error: &Error) -> Decoded {
    refused(None, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Undecodable;

    const ROW: &str = r#"{"event_id":"e","sequence_id":3,"aggregate_id":"a","aggregate_type":"User","event_type":"T",
        "payload":"{\"n\": 1.50}","created_at":"1969-12-31T23:59:59.9995Z","status":"pending"}"#;

    fn record(value: Option<&[u8]>) -> Record<'_> {
        Record { topic: "t", partition: 0, offset: 7, timestamp_ms: Some(99), key: None, value, headers: &[] }
    }

    fn given(value: &str) -> Decoded {
        decode(&record(Some(value.as_bytes())), &Settings::default())
    }

    fn of_op(op: &str, after: &str) -> String {
        format!(r#"{{"before":null,"after":{after},"source":{{}},"transaction":null,"op":{op},"ts_ms":1}}"#)
    }

    fn read(value: &str) -> Event {
        match given(value) {
            Decoded::Event(event) => *event,
            other => panic!("{value} gave {other:?}"),
        }
    }

    fn refused(value: &str) -> Undecodable {
        match given(value) {
            Decoded::Undecodable(undecodable) => undecodable,
            other => panic!("{value} gave {other:?}"),
        }
    }

    #[test]
    fn a_created_row_is_an_event() {
        let expected = Event {
            id: "e".to_owned(),
            sequence: Some("3".to_owned()),
            event_type: "T".to_owned(),
            aggregate_type: "User".to_owned(),
            aggregate_id: "a".to_owned(),
            payload: r#"{"n": 1.50}"#.to_owned(),
            created_at_ms: -1,
            row_created_at_us: Some(-500),
            headers: Vec::new(),
            columns: "{}".to_owned(),
        };
        assert_eq!(read(&of_op("\"c\"", ROW)), expected);
        assert_eq!(read(&of_op("\"\\u0063\"", ROW)), expected);
        let wrapped = |schema| format!(r#" {{"schema":{schema},"payload": {}}}"#, of_op("\"c\"", ROW));
        assert_eq!(read(&wrapped("null")), expected);
        assert_eq!(read(&wrapped(r#"{"type":"struct"}"#)), expected);
    }

    #[test]
    fn the_other_ops_are_none_whatever_the_rows_are() {
        for (op, ignored) in [
            ("r", Ignored::Snapshot),
            ("u", Ignored::Update),
            ("d", Ignored::Delete),
            ("t", Ignored::Truncate),
            ("m", Ignored::LogicalMessage),
        ] {
            for after in ["null", "{}", ROW] {
                assert_eq!(given(&of_op(&format!("\"{op}\""), after)), Decoded::Ignored(ignored), "{op} {after}");
            }
        }
        assert_eq!(given(r#"{"op":"m","message":{}}"#), Decoded::Ignored(Ignored::LogicalMessage));
        assert_eq!(decode(&record(None), &Settings::default()), Decoded::Ignored(Ignored::Tombstone));
    }

    #[test]
    fn a_snapshots_row_is_an_event_where_asked_for() {
        let value = of_op("\"r\"", ROW);
        let decoded = decode(&record(Some(value.as_bytes())), &Settings { snapshot_events: true });
        assert!(matches!(decoded, Decoded::Event(event) if event.id == "e"));
    }

    #[test]
    fn a_row_without_a_time_has_the_records() {
        let row = ROW.replace(r#""1969-12-31T23:59:59.9995Z""#, "null");
        let event = read(&of_op("\"c\"", &row));
        assert_eq!((event.created_at_ms, event.row_created_at_us), (99, None));
        let value = of_op("\"c\"", &row);
        let timeless = Record { timestamp_ms: None, ..record(Some(value.as_bytes())) };
        assert!(matches!(decode(&timeless, &Settings::default()), Decoded::Undecodable(_)));
    }

    #[test]
    fn a_number_of_time_means_what_the_schema_says() {
        let row = ROW.replace(r#""1969-12-31T23:59:59.9995Z""#, "-1500");
        let schema =
            |name| format!(r#"{{"fields":[{{"field":"after","fields":[{{"field":"created_at","name":"{name}"}}]}}]}}"#);
        let value = |name| format!(r#"{{"schema":{},"payload":{}}}"#, schema(name), of_op("\"c\"", &row));
        let event = read(&value("io.debezium.time.MicroTimestamp"));
        assert_eq!((event.created_at_ms, event.row_created_at_us), (-2, Some(-1500)));
        let event = read(&value("io.debezium.time.Timestamp"));
        assert_eq!((event.created_at_ms, event.row_created_at_us), (-1500, Some(-1_500_000)));
    }

    #[test]
    fn a_payload_of_any_json_is_given_as_it_stands() {
        for (column, text) in [
            ("{\"a\": 1.10}", "{\"a\": 1.10}"),
            ("null", "null"),
            ("\"null\"", "null"),
            ("[12345678901234567890]", "[12345678901234567890]"),
        ] {
            let row = ROW.replace(r#""{\"n\": 1.50}""#, column);
            assert_eq!(read(&of_op("\"c\"", &row)).payload, text);
        }
    }

    #[test]
    fn a_fault_of_one_column_is_named_and_the_rest_is_read() {
        let faults = [
            (r#""event_id":"e""#, r#""event_id":7"#, "the row's event_id is a number, not a text"),
            (r#""event_id":"e","#, "", "the row has no column event_id"),
            (r#""event_id":"e""#, r#""event_id":"""#, "the row's event_id is an empty text"),
            (r#""aggregate_id":"a""#, r#""aggregate_id":null"#, "the row's aggregate_id is null, not a text"),
            (r#""event_type":"T""#, r#""event_type":["T"]"#, "the row's event_type is an array, not a text"),
            (
                r#""aggregate_type":"User""#,
                r#""aggregate_type":{}"#,
                "the row's aggregate_type is an object, not a text",
            ),
            (r#""payload":"{\"n\": 1.50}","#, "", "the row has no column payload"),
            (r#""sequence_id":3"#, r#""sequence_id":1.5"#, "the row's sequence_id is a number, not a whole number"),
        ];
        for (from, to, reason) in faults {
            let row = ROW.replace(from, to);
            assert_ne!(row, ROW);
            let refused = refused(&of_op("\"c\"", &row));
            assert_eq!(refused.reason, reason);
            assert_eq!(refused.event_id.as_deref(), Some("e").filter(|_| !from.contains("event_id")));
            assert_eq!(refused.aggregate_id.as_deref(), Some("a").filter(|_| !from.contains("aggregate_id")));
            assert_eq!(refused.event_type.as_deref(), Some("T").filter(|_| !from.contains("event_type")));
        }
    }

    #[test]
    fn a_payload_that_was_not_sent_is_never_data() {
        let row = ROW.replace(r#""{\"n\": 1.50}""#, r#""__debezium_unavailable_value""#);
        let refused = refused(&of_op("\"c\"", &row));
        assert!(refused.reason.contains("the row's payload is Debezium's placeholder"), "{}", refused.reason);
        assert_eq!(refused.event_id.as_deref(), Some("e"));
    }

    #[test]
    fn what_is_no_envelope_says_why() {
        for (value, reason) in [
            (of_op("\"c\"", "null"), "the envelope's op is c and it has no row in after"),
            (of_op("\"x\"", ROW), "the envelope's op \"x\" is not known"),
            (of_op("\"x\"", "7"), "the envelope's op \"x\" is not known"),
            (of_op("7", ROW), "the envelope's op is a number, not a text"),
            (of_op("null", ROW), "the envelope's op is null, not a text"),
            (of_op("\"c\"", "\"row\""), "the envelope's after is a text, not a row"),
            (of_op("\"c\"", "[1]"), "the envelope's after is an array, not a row"),
            (String::new(), "the value is not JSON: EOF while parsing a value at line 1 column 0"),
            (of_op("\"c\"", "7}"), "the value is not JSON: trailing characters at line 1 column 26"),
            ("{\"op\":\"c\"".to_owned(), "the value is not JSON: EOF while parsing an object at line 1 column 9"),
            (r#"{"op":"c","op":"d","source":{}}"#.to_owned(), "twice there"),
            (of_op("\"c\"", r#"{"event_id":"e","event_id":"f"}"#), "twice there"),
        ] {
            let refused = refused(&value);
            assert!(refused.reason.contains(reason), "{value}: {}", refused.reason);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_with_the_place() {
        let Decoded::Undecodable(refused) = decode(&record(Some(b"{\"op\":\"\xff\"}")), &Settings::default()) else {
            panic!("not refused");
        };
        assert_eq!(refused.reason, "the value is not UTF-8 at byte 7");
    }

    #[test]
    fn a_bomb_of_brackets_is_refused_anywhere() {
        let bomb = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(matches!(given(&bomb), Decoded::Undecodable(_)));
        let row = ROW.replace(r#""{\"n\": 1.50}""#, &bomb);
        assert_eq!(refused(&of_op("\"c\"", &row)).reason, "the row's payload nests deeper than 127 levels");
        let row = ROW.replace("\"pending\"", &bomb);
        assert_eq!(read(&of_op("\"c\"", &row)).id, "e");
        let row = ROW.replace(r#""1969-12-31T23:59:59.9995Z""#, "5");
        let fields = format!("{}{}", "[{\"fields\":".repeat(100_000), "null}]".to_owned() + &"}]".repeat(99_999));
        let value = format!(r#"{{"schema":{{"fields":{fields}}},"payload":{}}}"#, of_op("\"c\"", &row));
        assert!(refused(&value).reason.contains("recursion limit"));
    }
}
