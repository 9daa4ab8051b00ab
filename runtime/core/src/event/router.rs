//! A record of Debezium's outbox `EventRouter`: the payload is the value, the event's id is the header `id`, and the
//! aggregate's id is the key. The other fields are wherever they were placed, or in the topic's name. Pure.
//!
//! The value is the payload itself, or an object of the payload and the fields placed beside it. Only names tell the
//! two apart, so a value that could be either is refused with a hint about what to set. The router places a field once,
//! so a header decides: a member of the same name with another value is the payload's own.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::event::bounds::shown;
use crate::event::context::{Context, kept};
use crate::event::error::Error;
use crate::event::headers;
use crate::event::json::{self, Read};
use crate::event::members::Members;
use crate::event::row::{Cell, Row};
use crate::event::schema::RowSchema;
use crate::event::{Decoded, Field, Others};

const ID: &str = "id";
const PAYLOAD: &str = "payload";

/// Returns whether the record has the header that the router always adds.
pub(super) fn is_one(context: &Context<'_>) -> bool {
    headers::value(context.record.headers, ID).is_some()
}

pub(super) fn decoded(text: &str, schema: Option<&RawValue>, context: &Context<'_>) -> Decoded {
    let id = headers::value(context.record.headers, ID).unwrap_or_default();
    let placed = Field::ALL.into_iter().flat_map(|field| context.settings.columns.placed(field));
    let read = headers::check(context.record.headers, placed)
        .and_then(|()| serde_json::from_str(text).map_err(Error::NotJson))
        .and_then(|value| row(value, id.clone(), context));
    let row = match read {
        Ok(row) => row,
        Err(error) => return kept(&error, Some(id)),
    };
    context.event(&row, schema.map(RowSchema::of_row).as_ref(), true)
}

fn row<'a>(value: &'a RawValue, id: Cow<'a, str>, context: &Context<'a>) -> Result<Row<'a>, Error> {
    let members = Members::of(value.get());
    let mut row = if has_more(&members, context)? { placed(&members, context)? } else { Row::default() };
    if row.get(Field::Payload).is_none() {
        row.set(Field::Payload, Cell::Json(value));
    }
    row.set(Field::EventId, Cell::Text(id));
    if row.get(Field::EventType).is_none() {
        let placed = context.header(Field::EventType);
        row.set(Field::EventType, Cell::Text(placed.unwrap_or(Cow::Borrowed(context.route()))));
    }
    complete(&mut row, context)?;
    Ok(row)
}

/// Fills in the aggregate from headers, the key and the topic, and the sequence and the time from headers.
pub(super) fn complete<'a>(row: &mut Row<'a>, context: &Context<'a>) -> Result<(), Error> {
    for field in [Field::AggregateType, Field::AggregateId, Field::SequenceId, Field::CreatedAt] {
        if row.get(field).is_none()
            && let Some(text) = context.header(field)
        {
            row.set(field, Cell::Text(text));
        }
    }
    if row.get(Field::AggregateType).is_none() {
        row.set(Field::AggregateType, Cell::Text(Cow::Borrowed(context.route())));
    }
    if row.get(Field::AggregateId).is_none() {
        row.set(Field::AggregateId, Cell::Text(headers::key(context.record.key).map_err(Error::Key)?));
    }
    Ok(())
}

/// Returns whether an object is a payload and the fields placed beside it, and not a payload by itself.
fn has_more(members: &Members<'_>, context: &Context<'_>) -> Result<bool, Error> {
    let others = &context.settings.others;
    if !members.has(PAYLOAD) {
        return Ok(false);
    }
    let of_event = |name: &str, raw| {
        let named = |field: &Field| context.settings.columns.placed(*field).any(|placed| placed == name);
        Field::ALL.into_iter().filter(named).any(|field| may_hold(field, raw, context))
    };
    let named = |name: &str| matches!(others, Others::Named(_)) && others.take(name, false);
    let besides = members.iter().filter(|(name, _)| *name != PAYLOAD);
    let (known, unknown): (Vec<_>, Vec<_>) = besides.partition(|(name, raw)| of_event(name, raw) || named(name));
    match unknown.first() {
        _ if known.is_empty() => Ok(false),
        Some((unknown, _)) if *others != Others::All => Err(Error::Ambiguous(shown(unknown))),
        _ => Ok(true),
    }
}

/// Returns whether a member that has a field's name may hold that field. The router places a field once: if a header
/// gives it, a member with another value is the payload's own.
fn may_hold(field: Field, raw: &RawValue, context: &Context<'_>) -> bool {
    let given = match field {
        Field::Payload => None,
        Field::EventId => headers::value(context.record.headers, ID),
        field => context.header(field),
    };
    given.is_none_or(|given| match json::string(raw) {
        Read::Text(text) => text == given,
        Read::Broken | Read::NotText => raw.get() == given,
    })
}

/// Builds the row from a payload and the fields placed beside it.
fn placed<'a>(members: &Members<'a>, context: &Context<'_>) -> Result<Row<'a>, Error> {
    let settings = context.settings;
    let mut row = Row::default();
    let mut taken = Vec::new();
    for field in Field::ALL {
        let get = |name| members.get(name).filter(|raw| may_hold(field, raw, context));
        let column = settings.columns.of(field);
        if let Some(raw) = get(column) {
            taken.push(column);
            row.set(field, Cell::Json(raw));
        } else if let Some((name, raw)) = field.placed().iter().find_map(|name| Some((*name, get(name)?))) {
            taken.push(name);
            row.set_called(field, name, raw);
        }
    }
    if let Some(twice) = members.twice(|name| taken.contains(&name)) {
        return Err(Error::Twice(shown(twice)));
    }
    for (name, raw) in members.iter() {
        if settings.others.take(name, taken.contains(&&**name)) {
            row.add_other(name.clone(), raw);
        }
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use crate::event::{Columns, Decoded, Event, Ignored, Others, Record, Settings, Undecodable, decode};

    type Headers<'a> = [(&'a str, Option<&'a [u8]>)];
    const ID: &Headers<'_> = &[("id", Some(b"e"))];
    const TYPED: &Headers<'_> = &[("id", Some(b"e")), ("eventType", Some(b"UserCreated"))];

    fn given(key: Option<&str>, value: Option<&str>, headers: &Headers<'_>, settings: &Settings) -> Decoded {
        let record = Record {
            topic: "outbox.event.User",
            partition: 0,
            offset: 7,
            timestamp_ms: Some(1),
            key: key.map(str::as_bytes),
            value: value.map(str::as_bytes),
            headers,
        };
        decode(&record, settings)
    }

    fn read_with(value: &str, headers: &Headers<'_>, settings: &Settings) -> Event {
        match given(Some("\"a\""), Some(value), headers, settings) {
            Decoded::Event(event) => *event,
            other => panic!("{value} gave {other:?}"),
        }
    }

    fn read(value: &str, headers: &Headers<'_>) -> Event {
        read_with(value, headers, &Settings::default())
    }

    fn refused(key: Option<&str>, value: &str, headers: &Headers<'_>) -> Undecodable {
        match given(key, Some(value), headers, &Settings::default()) {
            Decoded::Undecodable(undecodable) => undecodable,
            other => panic!("{value} gave {other:?}"),
        }
    }

    #[test]
    fn the_value_is_the_payload() {
        for (value, payload) in [
            (r#""{\"n\": 1.50}""#, r#"{"n": 1.50}"#),
            (r#"{"n":1.50}"#, r#"{"n":1.50}"#),
            ("null", "null"),
            (r#"{"payload":1}"#, r#"{"payload":1}"#),
            (r#"{"payload":1,"title":"t"}"#, r#"{"payload":1,"title":"t"}"#),
            (r#"{"schema":{"type":"string"},"payload":"{}"}"#, "{}"),
            (
                r#"{"schema":{"name":"orders"},"payload":{"id":1}}"#,
                r#"{"schema":{"name":"orders"},"payload":{"id":1}}"#,
            ),
            (
                r#"{"schema":{"type":"object"},"payload":{"id":1}}"#,
                r#"{"schema":{"type":"object"},"payload":{"id":1}}"#,
            ),
            (r#"{"type":"Invoice","payload":{"id":1}}"#, r#"{"type":"Invoice","payload":{"id":1}}"#),
            (r#"{"event_id":"other","payload":1}"#, r#"{"event_id":"other","payload":1}"#),
            (r#"{"schema":null,"payload":null}"#, "null"),
            (r#"{"ts_ms":1}"#, r#"{"ts_ms":1}"#),
            (r#"{"event_id":"other"}"#, r#"{"event_id":"other"}"#),
            (r#"{"op":"d","source":"web","message":"m"}"#, r#"{"op":"d","source":"web","message":"m"}"#),
            (r#"{"op":"u","after":"noon"}"#, r#"{"op":"u","after":"noon"}"#),
            (r#"{"__deleted":"true","__op":"d"}"#, r#"{"__deleted":"true","__op":"d"}"#),
        ] {
            let event = read(value, TYPED);
            assert_eq!(event.payload, payload, "{value}");
            assert_eq!((event.id.as_str(), event.aggregate_id.as_str()), ("e", "a"));
            assert_eq!((event.event_type.as_str(), event.aggregate_type.as_str()), ("UserCreated", "User"));
            assert_eq!((event.created_at_ms, event.row_created_at_us, event.says_op), (1, None, true));
        }
        let Decoded::Event(event) = given(Some("a"), None, TYPED, &Settings::default()) else { panic!("no event") };
        assert_eq!(event.payload, "null");
    }

    #[test]
    fn an_envelope_with_a_header_id_is_an_envelope() {
        let value = r#"{"before":null,"after":null,"source":{"connector":"postgresql"},"op":"t"}"#;
        assert_eq!(given(None, Some(value), ID, &Settings::default()), Decoded::Ignored(Ignored::Truncate));
    }

    #[test]
    fn the_type_is_the_route_where_it_is_not_placed() {
        assert_eq!(read("{}", ID).event_type, "User");
    }

    #[test]
    fn what_is_placed_beside_the_payload_is_taken_from_there() {
        let value = r#"{"payload":"{\"a\":1}","sequence_id":3,"createdAt":"1970-01-01T00:00:01Z","type":"T",
            "aggregateType":"Account","aggregate_id":"b"}"#;
        let event = read(value, ID);
        assert_eq!((event.payload.as_str(), event.sequence.as_deref()), (r#"{"a":1}"#, Some("3")));
        assert_eq!((event.event_type.as_str(), event.aggregate_type.as_str()), ("T", "Account"));
        assert_eq!((event.aggregate_id.as_str(), event.row_created_at_us), ("b", Some(1_000_000)));
        let schema = r#"{"type":"struct","fields":[{"field":"createdAt","name":"io.debezium.time.MicroTimestamp"}]}"#;
        let value = format!(r#"{{"schema":{schema},"payload":{{"payload":"{{}}","createdAt":5}}}}"#);
        assert_eq!(read(&value, TYPED).row_created_at_us, Some(5));
    }

    #[test]
    fn a_header_decides_what_a_member_of_the_same_name_is() {
        let placed_twice = r#"{"payload":{"a":1},"type":"UserCreated"}"#;
        let event = read(placed_twice, TYPED);
        assert_eq!((event.event_type.as_str(), event.payload.as_str()), ("UserCreated", r#"{"a":1}"#));
        let value = r#"{"payload":{"a":1},"sequence_id":3,"type":"Invoice"}"#;
        assert!(refused(Some("a"), value, TYPED).reason.contains("beside it type"));
        let settings = Settings { others: Others::All, ..Settings::default() };
        let event = read_with(value, TYPED, &settings);
        assert_eq!((event.event_type.as_str(), event.columns.as_str()), ("UserCreated", r#"{"type":"Invoice"}"#));
    }

    #[test]
    fn what_is_placed_twice_is_refused() {
        let value = r#"{"payload":{"a":1},"payload":{"a":2},"sequence_id":3}"#;
        assert_eq!(refused(Some("a"), value, TYPED).reason, "the row has the column payload twice");
        let alone = r#"{"payload":{"a":1},"payload":{"a":2}}"#;
        assert_eq!(read(alone, TYPED).payload, alone);
    }

    #[test]
    fn what_could_be_either_is_refused_until_it_is_said() {
        let value = r#"{"payload":{"a":1},"createdAt":"1970-01-01T00:00:01Z","tenant":7}"#;
        let refused = refused(Some("a"), value, TYPED);
        assert!(refused.reason.contains("beside it tenant"), "{}", refused.reason);
        assert_eq!(refused.event_id.as_deref(), Some("e"));
        for others in ["tenant", "*"] {
            let others = Others::parse(others).expect("a list");
            let event = read_with(value, TYPED, &Settings { others, ..Settings::default() });
            assert_eq!((event.payload.as_str(), event.columns.as_str()), (r#"{"a":1}"#, r#"{"tenant":7}"#));
        }
        let columns = Columns::parse("sequence_id=tenant").expect("a list");
        let event = read_with(value, TYPED, &Settings { columns, ..Settings::default() });
        assert_eq!(event.sequence.as_deref(), Some("7"));
    }

    #[test]
    fn the_key_is_the_aggregate_in_every_converters_writing() {
        for key in ["a", "\"a\"", r#"{"schema":{"type":"string"},"payload":"a"}"#] {
            let Decoded::Event(event) = given(Some(key), Some("{}"), ID, &Settings::default()) else {
                panic!("{key} gave no event")
            };
            assert_eq!(event.aggregate_id, "a", "{key}");
        }
        let Decoded::Event(event) = given(Some("12"), Some("{}"), ID, &Settings::default()) else { panic!("no event") };
        assert_eq!(event.aggregate_id, "12");
        for (key, found) in
            [(None, "absent"), (Some("null"), "null"), (Some("{\"id\":1}"), "an object"), (Some(""), "empty")]
        {
            let reason = refused(key, "{}", ID).reason;
            assert!(reason.contains(&format!("the record's key is {found}")), "{reason}");
        }
    }

    #[test]
    fn a_header_that_is_no_text_is_not_passed_over() {
        let headers: &Headers<'_> = &[("id", Some(b"e")), ("eventType", Some(b"\xff"))];
        assert_eq!(refused(Some("a"), "{}", headers).reason, "the header eventType is not UTF-8");
        let null: &Headers<'_> = &[("id", Some(b"e")), ("eventType", None)];
        assert_eq!(read("{}", null).event_type, "User");
    }

    #[test]
    fn headers_may_be_json() {
        let headers: &Headers<'_> =
            &[("id", Some(b"\"e\"")), ("type", Some(br#"{"schema":{"type":"string"},"payload":"T"}"#))];
        let event = read("{}", headers);
        assert_eq!((event.id.as_str(), event.event_type.as_str()), ("e", "T"));
    }

    #[test]
    fn a_payload_that_was_not_sent_is_known_by_its_id_at_most() {
        let decoded = given(Some("a"), Some("\"__debezium_unavailable_value\""), TYPED, &Settings::default());
        let Decoded::Unsent(unsent) = decoded else { panic!("{decoded:?}") };
        assert_eq!(unsent.id, "e");
    }
}
