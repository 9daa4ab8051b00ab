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
#[path = "router_test.rs"]
mod tests;
