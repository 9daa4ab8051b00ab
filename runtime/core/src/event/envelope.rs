//! Debezium's envelope: `before`, `after`, `source` and `op`, bare or beside the schema that Connect's converter
//! writes. Pure.
//!
//! Invariant: an object is an envelope only if it has an `op` and another of the envelope's own members, in the shape
//! that Debezium gives it. So a row of another form that happens to have columns `op` and `source` is never skipped as
//! a delete.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::Decoded;
use crate::event::context::Context;
use crate::event::error::Error;
use crate::event::json;
use crate::event::members::{Members, Name};
use crate::event::op::Op;
use crate::event::router;
use crate::event::row::{Row, Rows};
use crate::event::schema::{self, RowSchema};

/// The members of the value by which the forms differ. One pass over the text reads both these and the row.
#[derive(Default)]
pub(super) struct Outer<'a> {
    pub(super) op: Option<&'a RawValue>,
    pub(super) after: Option<Row<'a>>,
    /// Whether there is a `before`, or a `message` that is an object, which no column of a row is.
    others: bool,
    source: Option<&'a RawValue>,
    schema: Option<&'a RawValue>,
    payload: Option<&'a RawValue>,
    members: usize,
    /// How many of the members are `before` or `after`.
    states: usize,
}

impl<'a> Outer<'a> {
    pub(super) fn of(text: &'a str, context: &Context<'_>) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let outer = Outers(context).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(outer)
    }

    pub(super) fn is_envelope(&self) -> bool {
        self.op.is_some() && (self.after.is_some() || self.others || self.is_of_connector())
    }

    /// Returns whether this is an envelope even if the value could be anything else, such as a payload with an `op` of
    /// its own: `source` names the connector, as it always does in Debezium's envelopes.
    pub(super) fn is_debeziums(&self) -> bool {
        self.op.is_some() && self.is_of_connector()
    }

    fn is_of_connector(&self) -> bool {
        self.source.is_some_and(|source| Members::of(source.get()).has("connector"))
    }

    /// Returns whether this is the part of an envelope that a `CloudEvent` holds: `before` and `after` and nothing
    /// else.
    pub(super) fn is_states(&self) -> bool {
        self.members > 0 && self.states == self.members
    }

    /// Returns Connect's schema and the payload that it describes, if the object has these two members and no others.
    pub(super) fn wrapped(&self) -> Option<(&'a RawValue, &'a RawValue)> {
        let (schema, payload) = (self.schema?, self.payload?);
        (self.members == 2 && schema::describes(schema, payload)).then_some((schema, payload))
    }
}

struct Outers<'s>(&'s Context<'s>);

impl<'de> DeserializeSeed<'de> for Outers<'_> {
    type Value = Outer<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Outers<'_> {
    type Value = Outer<'de>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        /// Sets a member that must not occur twice.
        fn once<'de, A: MapAccess<'de>>(
            slot: &mut Option<&'de RawValue>,
            name: &'static str,
            map: &mut A,
        ) -> Result<(), A::Error> {
            match slot.replace(map.next_value()?) {
                None => Ok(()),
                Some(_) => Err(A::Error::duplicate_field(name)),
            }
        }
        let mut outer = Outer::default();
        let mut after = false;
        while let Some(Name(name)) = map.next_key()? {
            outer.members += 1;
            outer.states += usize::from(matches!(&*name, "before" | "after"));
            match &*name {
                "op" => once(&mut outer.op, "op", &mut map)?,
                "schema" => once(&mut outer.schema, "schema", &mut map)?,
                "payload" => once(&mut outer.payload, "payload", &mut map)?,
                "source" => once(&mut outer.source, "source", &mut map)?,
                "after" if after => return Err(A::Error::duplicate_field("after")),
                "after" => {
                    after = true;
                    outer.after = map.next_value_seed(Rows(self.0.settings))?;
                }
                "message" => {
                    let message: &RawValue = map.next_value()?;
                    outer.others |= json::kind(message) == "an object";
                }
                name => {
                    outer.others |= name == "before";
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(outer)
    }
}

/// Decodes an envelope, with the schema beside it if there is one.
pub(super) fn decoded(outer: &Outer<'_>, schema: Option<&RawValue>, context: &Context<'_>) -> Decoded {
    let none = Row::default();
    let row = outer.after.as_ref();
    let refused = |error: &Error| context.refused(row.unwrap_or(&none), error);
    let op = match outer.op.map(Op::of) {
        Some(Ok(op)) => op,
        Some(Err(error)) => return refused(&error),
        None => return refused(&Error::OpNotText("absent")),
    };
    if let Some(ignored) = op.ignored(context.settings) {
        return Decoded::Ignored(ignored);
    }
    match row {
        Some(row) => context.event(row, schema.map(RowSchema::of_envelope).as_ref(), true),
        None => refused(&Error::NoRow(op.letter())),
    }
}

/// Decodes a value whose members do not have the shapes of an envelope's. Returns none if it is no envelope at all.
pub(super) fn misshapen(text: &str, error: &serde_json::Error, context: &Context<'_>) -> Option<Decoded> {
    /// The two members whose faults have errors of their own.
    #[derive(Deserialize)]
    struct Loose<'a> {
        #[serde(borrow)]
        op: Option<&'a RawValue>,
        #[serde(borrow)]
        after: Option<&'a RawValue>,
    }
    // The text after the fault has not been read yet, and may not be JSON.
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Some(context.undecodable(&Error::NotJson(error)));
    }
    if !text.trim_start().starts_with('{') || router::is_one(context) {
        return None;
    }
    let misshapen = Error::Misshapen { line: error.line(), column: error.column() };
    let Ok(loose) = serde_json::from_str::<Loose<'_>>(text) else { return Some(context.undecodable(&misshapen)) };
    let op = loose.op?;
    Some(match (Op::of(op), loose.after.map(json::kind)) {
        (Err(error), _) => context.undecodable(&error),
        (_, Some(kind)) if kind != "an object" => context.undecodable(&Error::NotARow(kind)),
        _ => context.undecodable(&misshapen),
    })
}

#[cfg(test)]
mod tests {
    use crate::event::{Decoded, Event, Ignored, Others, Record, Settings, ToldBy, Undecodable, decode};

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
            says_op: true,
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
        let decoded =
            decode(&record(Some(value.as_bytes())), &Settings { snapshot_events: true, ..Settings::default() });
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
        let schema = |name| {
            format!(
                r#"{{"type":"struct","fields":[{{"field":"after","fields":[{{"field":"created_at","name":"{name}"}}]}}]}}"#
            )
        };
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
            (r#""event_id":"e""#, r#""event_id":7.5"#, "the row's event_id is a number, not a text"),
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
        let told_by =
            ToldBy { aggregate_id: "a".to_owned(), event_type: "T".to_owned(), row_created_at_us: Some(-500) };
        let unsent = |row: &str| match given(&of_op("\"c\"", row)) {
            Decoded::Unsent(unsent) => *unsent,
            other => panic!("{row} gave {other:?}"),
        };
        let found = unsent(&row);
        assert_eq!((found.id.as_str(), found.told_by), ("e", Some(told_by)));
        assert!(found.why.reason.contains("the row's payload is Debezium's placeholder"), "{}", found.why.reason);
        let row = ROW.replace(r#""aggregate_id":"a""#, r#""aggregate_id":"__debezium_unavailable_value""#);
        assert_eq!(unsent(&row).told_by, None);
        let row = ROW.replace(r#""event_id":"e""#, r#""event_id":"__debezium_unavailable_value""#);
        assert_eq!(refused(&of_op("\"c\"", &row)).event_id, None);
        assert_eq!(given(&of_op("\"u\"", &row)), Decoded::Ignored(Ignored::Update));
    }

    #[test]
    fn other_columns_are_given_where_asked_for() {
        let row = ROW.replace(r#""status":"pending""#, r#""amount":"BNI=","day":1,"status":"pending""#);
        let schema = r#"{"type":"struct","fields":[{"field":"after","fields":[
            {"field":"amount","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},
            {"field":"day","name":"io.debezium.time.Date"}]}]}"#;
        let value = format!(r#"{{"schema":{schema},"payload":{}}}"#, of_op("\"c\"", &row));
        let columns = |others| {
            let settings = Settings { others, ..Settings::default() };
            match decode(&record(Some(value.as_bytes())), &settings) {
                Decoded::Event(event) => event.columns,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(columns(Others::All), r#"{"amount":"12.34","day":"1970-01-02","status":"pending"}"#);
        assert_eq!(columns(Others::Named(vec!["day".to_owned(), "none".to_owned()])), r#"{"day":"1970-01-02"}"#);
        let value = of_op("\"c\"", &ROW.replace("\"pending\"", "\"__debezium_unavailable_value\""));
        let settings = Settings { others: Others::All, ..Settings::default() };
        let decoded = decode(&record(Some(value.as_bytes())), &settings);
        assert!(matches!(decoded, Decoded::Unsent(_)), "{decoded:?}");
    }

    #[test]
    fn ids_that_are_decimals_are_read_by_their_schema() {
        let row = ROW
            .replace(r#""event_id":"e""#, r#""event_id":"BNI=""#)
            .replace(r#""sequence_id":3"#, r#""sequence_id":"BNI=""#);
        let column = |name, scale| {
            format!(
                r#"{{"field":"{name}","name":"org.apache.kafka.connect.data.Decimal","parameters":{{"scale":"{scale}"}}}}"#
            )
        };
        let value = format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"field":"after","fields":[{},{}]}}]}},"payload":{}}}"#,
            column("event_id", 1),
            column("sequence_id", 0),
            of_op("\"c\"", &row)
        );
        let event = read(&value);
        assert_eq!((event.id.as_str(), event.sequence.as_deref()), ("123.4", Some("1234")));
    }

    #[test]
    fn what_is_no_envelope_says_why() {
        for (value, reason) in [
            (of_op("\"c\"", "null"), "the envelope's op is c and it has no row in after"),
            (of_op("\"x\"", ROW), "the op \"x\" is not known"),
            (of_op("\"x\"", "7"), "the op \"x\" is not known"),
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
        let fields = format!("{}{}", "[{\"fields\":".repeat(1000), "null}]".to_owned() + &"}]".repeat(999));
        let value = format!(r#"{{"schema":{{"type":"struct","fields":{fields}}},"payload":{}}}"#, of_op("\"c\"", &row));
        assert!(refused(&value).reason.contains("recursion limit"));
    }
}
