//! What every form needs once a row is read: the record, the settings, and how the row becomes an event. Pure.

use std::borrow::Cow;

use crate::event::bounds::{self, MAX_NAME_BYTES};
use crate::event::error::Error;
use crate::event::row::{self, Row};
use crate::event::schema::RowSchema;
use crate::event::{Decoded, Event, Field, Record, Settings, ToldBy, Undecodable, Unsent};
use crate::event::{created_at, exact, headers, payload};

/// The inputs of decoding a record.
pub(super) struct Context<'a> {
    pub(super) record: &'a Record<'a>,
    pub(super) settings: &'a Settings,
}

impl<'a> Context<'a> {
    /// Turns the row into an event.
    pub(super) fn event(&self, row: &Row<'_>, schema: Option<&RowSchema<'_>>, says_op: bool) -> Decoded {
        match self.read(row, schema, says_op) {
            Ok(event) => Decoded::Event(Box::new(event)),
            Err(error @ Error::Unavailable(_)) => self.unsent(row, schema, &error),
            Err(error) => self.refused(row, &error),
        }
    }

    /// Reads the row as an event. If several columns are faulty, their order decides which fault is reported.
    fn read(&self, row: &Row<'_>, schema: Option<&RowSchema<'_>>, says_op: bool) -> Result<Event, Error> {
        let column = |field| row.called(field, &self.settings.columns);
        let id = self.name(row, Field::EventId, schema)?;
        let aggregate_id = self.name(row, Field::AggregateId, schema)?;
        let event_type = self.name(row, Field::EventType, schema)?;
        let aggregate_type = row::text(column(Field::AggregateType), row.get(Field::AggregateType))
            .and_then(|text| bounds::short(column(Field::AggregateType), text))?
            .into_owned();
        let payload = payload::text(column(Field::Payload), row.get(Field::Payload))?;
        let row_created_at_us = self.created_at(row, schema)?;
        let created_at_ms = match row_created_at_us {
            Some(us) => us.div_euclid(1000),
            None => self.record.timestamp_ms.ok_or_else(|| Error::NoTime(column(Field::CreatedAt).to_owned()))?,
        };
        Ok(Event {
            id,
            sequence: row::sequence(column(Field::SequenceId), row.get(Field::SequenceId), schema)?,
            event_type,
            aggregate_type,
            aggregate_id,
            payload,
            created_at_ms,
            row_created_at_us,
            headers: headers::kept(self.record.headers)?,
            columns: exact::others(row, schema)?,
            says_op,
        })
    }

    /// Returns the text of a field, which must not be empty or too long.
    fn name(&self, row: &Row<'_>, field: Field, schema: Option<&RowSchema<'_>>) -> Result<String, Error> {
        let column = row.called(field, &self.settings.columns);
        row::name(column, row.get(field), schema).and_then(|text| bounds::short(column, text)).map(Cow::into_owned)
    }

    fn created_at(&self, row: &Row<'_>, schema: Option<&RowSchema<'_>>) -> Result<Option<i64>, Error> {
        created_at::of_row(row.called(Field::CreatedAt, &self.settings.columns), row.get(Field::CreatedAt), schema)
    }

    /// Decodes an event that cannot be run, but that the ledger may know.
    fn unsent(&self, row: &Row<'_>, schema: Option<&RowSchema<'_>>, error: &Error) -> Decoded {
        let name = |field| self.name(row, field, schema).ok();
        let why = row.undecodable(error, &self.settings.columns);
        let Some(id) = name(Field::EventId) else { return Decoded::Undecodable(why) };
        let told_by = || {
            Some(ToldBy {
                aggregate_id: name(Field::AggregateId)?,
                event_type: name(Field::EventType)?,
                row_created_at_us: self.created_at(row, schema).ok()?,
            })
        };
        let unsent = Unsent { id, told_by: told_by(), why };
        Decoded::Unsent(Box::new(unsent))
    }

    pub(super) fn refused(&self, row: &Row<'_>, error: &Error) -> Decoded {
        Decoded::Undecodable(row.undecodable(error, &self.settings.columns))
    }

    pub(super) fn undecodable(&self, error: &Error) -> Decoded {
        self.refused(&Row::default(), error)
    }

    /// Returns the field's value from a header, under any of the names that it may have there.
    pub(super) fn header(&self, field: Field) -> Option<Cow<'a, str>> {
        self.settings.columns.placed(field).find_map(|name| headers::value(self.record.headers, name))
    }

    /// Returns the topic's last part, in which the `EventRouter` puts the value that it routes by.
    pub(super) fn route(&self) -> &'a str {
        self.record.topic.rsplit('.').next().unwrap_or(self.record.topic)
    }
}

/// Keeps a record of which at most the event's id could be read.
pub(super) fn kept(reason: &Error, event_id: Option<Cow<'_, str>>) -> Decoded {
    let event_id = event_id.filter(|id| id.len() <= MAX_NAME_BYTES).map(Cow::into_owned);
    Decoded::Undecodable(Undecodable { reason: reason.to_string(), event_id, event_type: None, aggregate_id: None })
}
