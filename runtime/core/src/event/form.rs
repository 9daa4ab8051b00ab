//! The way in: which form a record has. Pure.
//!
//! Each form is recognised by what only it has, the surest first: an envelope by `op` and another of its members, a
//! `CloudEvent` by `specversion`, the `EventRouter` by its header `id`, a flattened row by `__op` or `__deleted`, and
//! one without the operation by the column of the event's id.
//!
//! Invariant: a record that is not an event, and not known for certain to be something else, is undecodable.

use serde_json::value::RawValue;

use crate::event::context::Context;
use crate::event::envelope::{self, Outer};
use crate::event::error::Error;
use crate::event::members::Members;
use crate::event::{Decoded, Field, Ignored, Record, Settings};
use crate::event::{cloud_event, flattened, json, router};

/// Decodes a record. Never panics, whatever the bytes, and never gives up a record without a reason.
#[must_use]
pub fn decode(record: &Record<'_>, settings: &Settings) -> Decoded {
    let context = Context { record, settings };
    let Some(value) = record.value else { return without_value(&context) };
    let text = match std::str::from_utf8(value) {
        Ok(text) => text,
        Err(error) => return context.undecodable(&Error::NotUtf8 { at: error.valid_up_to() }),
    };
    // The value of a binary `CloudEvent` may be anything, including what looks like another form.
    if cloud_event::is_binary(&context) {
        return cloud_event::binary(text, &context);
    }
    match Outer::of(text, &context) {
        Ok(outer) if is_envelope(&outer, &context) => envelope::decoded(&outer, None, &context),
        Ok(outer) => match outer.wrapped() {
            Some((schema, inner)) => with_schema(schema, inner, &context),
            None => other(text, None, &context),
        },
        Err(error) if error.is_data() => misshapen(text, &error, None, &context),
        Err(error) => context.undecodable(&Error::NotJson(error)),
    }
}

fn with_schema(schema: &RawValue, inner: &RawValue, context: &Context<'_>) -> Decoded {
    match Outer::of(inner.get(), context) {
        Ok(outer) if is_envelope(&outer, context) => envelope::decoded(&outer, Some(schema), context),
        Ok(_) => other(inner.get(), Some(schema), context),
        Err(error) => misshapen(inner.get(), &error, Some(schema), context),
    }
}

/// Decodes a value that cannot be read as an envelope, which it need not be.
fn misshapen(text: &str, error: &serde_json::Error, schema: Option<&RawValue>, context: &Context<'_>) -> Decoded {
    envelope::misshapen(text, error, context).unwrap_or_else(|| other(text, schema, context))
}

/// Returns whether the value is an envelope. The router's value may be any object, and a value taken for an update is
/// skipped, so this must be certain.
fn is_envelope(outer: &Outer<'_>, context: &Context<'_>) -> bool {
    if router::is_one(context) { outer.is_debeziums() } else { outer.is_envelope() }
}

/// Decodes a record without a value. The router writes one for an event without a payload if
/// `route.tombstone.on.empty.payload` is set; its header `id` shows that.
fn without_value(context: &Context<'_>) -> Decoded {
    if cloud_event::is_binary(context) {
        return cloud_event::binary("null", context);
    }
    if router::is_one(context) { router::decoded("null", None, context) } else { Decoded::Ignored(Ignored::Tombstone) }
}

/// Decodes a value that is JSON but not an envelope.
fn other(text: &str, schema: Option<&RawValue>, context: &Context<'_>) -> Decoded {
    let text = text.trim();
    let members = Members::of(text);
    let id = context.settings.columns.of(Field::EventId);
    if cloud_event::is_structured(&members) {
        return cloud_event::structured(&members, context);
    }
    // The router's payload may have members of any name.
    if router::is_one(context) && !flattened::is_whole_row(&members, context) {
        return router::decoded(text, schema, context);
    }
    if flattened::says_op(&members, context) {
        return flattened::decoded(&members, schema, context);
    }
    if is_transaction(&members) {
        return Decoded::Ignored(Ignored::TransactionMetadata);
    }
    if is_heartbeat(&members, context.record) {
        return Decoded::Ignored(Ignored::Heartbeat);
    }
    if members.has(id) {
        return flattened::decoded(&members, schema, context);
    }
    match json::kind_of(text) {
        "null" => Decoded::Ignored(Ignored::Delete),
        found => context.undecodable(&Error::Unknown { found, column: id.to_owned() }),
    }
}

/// Returns whether the value is a time and nothing else, under a key that names the server. The topic's name is
/// configurable, so it is not checked.
fn is_heartbeat(members: &Members<'_>, record: &Record<'_>) -> bool {
    const KEY: &[u8] = b"serverName";
    let keyed = record.key.is_some_and(|key| key.windows(KEY.len()).any(|part| part == KEY));
    let time_only = members.names().all(|name| matches!(name, "ts_ms" | "ts_us" | "ts_ns"));
    keyed && time_only && !members.is_empty()
}

/// Returns whether this is the begin or the end of a transaction, which has these members and no others.
fn is_transaction(members: &Members<'_>) -> bool {
    const NAMES: [&str; 5] = ["status", "id", "event_count", "data_collections", "ts_ms"];
    NAMES[..4].iter().all(|name| members.has(name))
        && members.names().all(|name| NAMES.contains(&name))
        && members.get("status").is_some_and(|status| matches!(status.get(), "\"BEGIN\"" | "\"END\""))
}

#[cfg(test)]
mod tests {
    use crate::event::{Columns, Decoded, Ignored, Record, Settings, Undecodable, decode};

    fn given_with(key: &str, value: &str, headers: &[(&str, Option<&[u8]>)], settings: &Settings) -> Decoded {
        let record = Record {
            topic: "outbox",
            partition: 0,
            offset: 7,
            timestamp_ms: Some(1),
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers,
        };
        decode(&record, settings)
    }

    fn given(key: &str, value: &str, headers: &[(&str, Option<&[u8]>)]) -> Decoded {
        given_with(key, value, headers, &Settings::default())
    }

    fn refused(value: &str) -> Undecodable {
        match given("\"k\"", value, &[]) {
            Decoded::Undecodable(undecodable) => undecodable,
            other => panic!("{value} gave {other:?}"),
        }
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
            (r#"{"status":"END","id":"5:1","event_count":1,"ts_ms":1}"#, "an object"),
            (r#"{"status":"OPEN","id":"5:1","event_count":1,"data_collections":null}"#, "an object"),
            (r#"{"specversion":"1.0","id":"1","data":{}}"#, "an object"),
        ] {
            let reason = refused(value).reason;
            let expected =
                format!("the value is {found} of no form that is known: no envelope, no row with the column event_id");
            assert!(reason.starts_with(&expected), "{value}: {reason}");
        }
    }

    #[test]
    fn a_flattened_delete_a_heartbeat_and_a_transaction_are_no_events() {
        assert_eq!(given("k", "null", &[]), Decoded::Ignored(Ignored::Delete));
        assert_eq!(given("k", r#"{"schema":null,"payload":null}"#, &[]), Decoded::Ignored(Ignored::Delete));
        let heartbeat = Decoded::Ignored(Ignored::Heartbeat);
        assert_eq!(given(r#"{"serverName":"p"}"#, r#"{"ts_ms":1}"#, &[]), heartbeat);
        let with_schema = r#"{"schema":{"type":"struct"},"payload":{"ts_ms":1}}"#;
        assert_eq!(given(r#"{"schema":{},"payload":{"serverName":"p"}}"#, with_schema, &[]), heartbeat);
        let transaction = Decoded::Ignored(Ignored::TransactionMetadata);
        let begin = r#"{"status":"BEGIN","id":"5:1","event_count":null,"data_collections":null,"ts_ms":1}"#;
        assert_eq!(given("{}", begin, &[]), transaction);
        let id_is_id = Settings { columns: Columns::parse("event_id=id").expect("a list"), ..Settings::default() };
        assert_eq!(given_with("{}", begin, &[], &id_is_id), transaction);
    }

    #[test]
    fn a_row_of_an_outbox_that_has_a_header_id_is_a_row() {
        let row = r#"{"event_id":"e","aggregate_id":"a","aggregate_type":"","event_type":"T","payload":{},"__op":"u"}"#;
        let id: &[(&str, Option<&[u8]>)] = &[("id", Some(b"h"))];
        assert_eq!(given("k", row, id), Decoded::Ignored(Ignored::Update));
        let without_op = row.replace(r#","__op":"u""#, "");
        assert!(matches!(given("k", &without_op, id), Decoded::Event(event) if event.id == "e"));
    }
}
