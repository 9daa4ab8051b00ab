//! The row's other columns as handlers receive them: each by its schema, to the last digit. Pure.
//!
//! - A decimal is a text of its digits, because most readers take a JSON number for a double.
//! - A date is `2026-11-23`, a time `07:09:10.123456`, a timestamp without a zone `2026-11-23T07:09:10.123456`, each
//!   with as many digits as its type has. With a zone it is text already.
//! - Everything else, and everything without a schema, is the JSON in the record.
//!
//! Invariants: Debezium's placeholder for a value that was not sent is never passed on, and no name occurs twice.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::event::bounds::{self, MAX_ARRAY_LEVELS, MAX_COLUMNS, MAX_COLUMNS_BYTES, MAX_LEVELS, shown};
use crate::event::decimal::{self, Work};
use crate::event::error::Error;
use crate::event::json::{self, Read};
use crate::event::row::Row;
use crate::event::schema::{RowSchema, Schema};
use crate::event::temporal::{ISO_TIMESTAMP, Temporal, infinite_text};
use crate::event::unavailable::is_unavailable;

/// Returns the other columns as a JSON object.
pub(super) fn others(row: &Row<'_>, schema: Option<&RowSchema<'_>>) -> Result<String, Error> {
    let others = row.others();
    if others.is_empty() {
        return Ok("{}".to_owned());
    }
    if others.len() > MAX_COLUMNS {
        return Err(Error::TooManyColumns(MAX_COLUMNS));
    }
    let mut columns = Columns { json: "{".to_owned(), work: Work::default() };
    let mut names = BTreeSet::new();
    for (name, raw) in others {
        if !names.insert(&**name) {
            return Err(Error::Twice(shown(name)));
        }
        if is_unavailable(raw) {
            return Err(Error::Unavailable(shown(name)));
        }
        if columns.json.len() > 1 {
            columns.json.push(',');
        }
        columns.text(name);
        columns.json.push(':');
        let schema = schema.map(|schema| schema.column(name)).transpose()?.flatten();
        columns.add(name, raw, schema, 0)?;
    }
    columns.json.push('}');
    if bounds::nests_too_deep(&columns.json) {
        return Err(Error::ColumnsTooDeep(MAX_LEVELS));
    }
    Ok(columns.json)
}

/// The columns written so far.
struct Columns {
    json: String,
    work: Work,
}

impl Columns {
    fn add(&mut self, column: &str, raw: &RawValue, schema: Option<&Schema>, level: usize) -> Result<(), Error> {
        let Some(schema) = schema.filter(|_| raw.get() != "null") else { return self.verbatim(raw) };
        if schema.is_decimal() {
            let digits = decimal::digits(column, raw, schema, &mut self.work)?;
            self.text(&digits);
            return self.fits();
        }
        if let Some(items) = schema.items.as_deref().filter(|_| raw.get().starts_with('[')) {
            return self.array(column, raw, items, level + 1);
        }
        let name = schema.name.as_deref().unwrap_or_default();
        if let Some((temporal, number)) = Temporal::named(name).zip(whole(raw)) {
            self.text(&temporal.text(number));
            return self.fits();
        }
        match json::string(raw) {
            Read::Text(text) if name == ISO_TIMESTAMP => {
                self.text(infinite_text(&text).unwrap_or(&text));
                self.fits()
            }
            _ => self.verbatim(raw),
        }
    }

    fn array(&mut self, column: &str, raw: &RawValue, items: &Schema, level: usize) -> Result<(), Error> {
        if level > MAX_ARRAY_LEVELS {
            return Err(Error::ArrayTooDeep { column: shown(column), levels: MAX_ARRAY_LEVELS });
        }
        let values: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| Error::Array(shown(column)))?;
        self.json.push('[');
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.json.push(',');
            }
            self.add(column, value, Some(items), level)?;
        }
        self.json.push(']');
        Ok(())
    }

    fn verbatim(&mut self, raw: &RawValue) -> Result<(), Error> {
        self.json.push_str(raw.get());
        self.fits()
    }

    fn text(&mut self, text: &str) {
        self.json.push_str(&serde_json::Value::from(text).to_string());
    }

    fn fits(&self) -> Result<(), Error> {
        if self.json.len() > MAX_COLUMNS_BYTES { Err(Error::ColumnsTooLarge(MAX_COLUMNS_BYTES)) } else { Ok(()) }
    }
}

fn whole(raw: &RawValue) -> Option<i64> {
    json::is_whole(raw.get()).then(|| raw.get().parse().ok())?
}

#[cfg(test)]
#[path = "exact_test.rs"]
mod tests;
