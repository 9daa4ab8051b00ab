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
#[path = "envelope_test.rs"]
mod tests;
