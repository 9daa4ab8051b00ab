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
#[path = "cloud_event_test.rs"]
mod tests;
