//! A flattened row (Debezium's `ExtractNewRecordState`): the columns, and those parts of the envelope that were asked
//! for, under names that begin with `__`, as members or as headers. Pure.
//!
//! Without `__op` and `__deleted`, an insert and an update look the same. Such a row is an event by its id, because the
//! ledger recognises the id when the row is updated. That works only if the insert came to this group and the ledger
//! still remembers it, so `says_op` is false for such an event. A delete then is the JSON `null`.

use serde_json::value::RawValue;

use crate::event::context::Context;
use crate::event::error::Error;
use crate::event::json;
use crate::event::members::Members;
use crate::event::op::Op;
use crate::event::row::Row;
use crate::event::schema::RowSchema;
use crate::event::{Decoded, Field, Ignored, headers};

const OP: &str = "__op";
const DELETED: &str = "__deleted";

/// Returns whether the record has what only a flattened row has.
pub(super) fn says_op(members: &Members<'_>, context: &Context<'_>) -> bool {
    !members.is_empty()
        && [OP, DELETED].iter().any(|name| members.has(name) || headers::value(context.record.headers, name).is_some())
}

/// Returns whether the object has every column that an event needs.
pub(super) fn is_whole_row(members: &Members<'_>, context: &Context<'_>) -> bool {
    [Field::EventId, Field::AggregateId, Field::EventType, Field::Payload]
        .into_iter()
        .all(|field| members.has(context.settings.columns.of(field)))
}

pub(super) fn decoded(members: &Members<'_>, schema: Option<&RawValue>, context: &Context<'_>) -> Decoded {
    if let Some(twice) = members.twice(|name| matches!(name, OP | DELETED)) {
        return context.undecodable(&Error::Twice(twice.to_owned()));
    }
    if let Err(error) = headers::check(context.record.headers, [OP, DELETED].into_iter()) {
        return context.undecodable(&error);
    }
    let row = match Row::of_members(members, context.settings) {
        Ok(row) => row,
        Err(error) => return context.undecodable(&error),
    };
    let op = match op(members, context) {
        Ok(op) => op,
        Err(error) => return context.refused(&row, &error),
    };
    match op.and_then(|op| op.ignored(context.settings)) {
        Some(ignored) => Decoded::Ignored(ignored),
        None => match deleted(members, context) {
            Ok(true) => Decoded::Ignored(Ignored::Delete),
            Ok(false) => context.event(&row, schema.map(RowSchema::of_row).as_ref(), op.is_some()),
            Err(error) => context.refused(&row, &error),
        },
    }
}

fn op(members: &Members<'_>, context: &Context<'_>) -> Result<Option<Op>, Error> {
    match members.get(OP).filter(|raw| raw.get() != "null") {
        Some(raw) => Op::of(raw).map(Some),
        None => headers::value(context.record.headers, OP).map(|text| Op::named(&text)).transpose(),
    }
}

/// Returns whether the row is a rewritten delete. Its columns are the key's, and the others hold defaults.
fn deleted(members: &Members<'_>, context: &Context<'_>) -> Result<bool, Error> {
    let text = match members.get(DELETED) {
        Some(raw) => match raw.get() {
            "\"true\"" | "true" => "true".into(),
            "\"false\"" | "false" | "null" => "false".into(),
            _ => return Err(Error::Deleted(json::kind(raw))),
        },
        None => headers::value(context.record.headers, DELETED).unwrap_or_else(|| "false".into()),
    };
    match &*text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::Deleted("a text")),
    }
}

#[cfg(test)]
#[path = "flattened_test.rs"]
mod tests;
