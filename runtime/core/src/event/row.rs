//! The outbox row in a record: its columns as raw JSON, and how they are read as text. Pure.
//!
//! Invariant: reading one column never fails another, so whatever is readable in a broken row is read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::bounds;
use crate::event::decimal::{self, Work};
use crate::event::error::Error;
use crate::event::json::{Read, is_whole, kind, string};
use crate::event::members::{Members, Name};
use crate::event::schema::RowSchema;
use crate::event::unavailable::UNAVAILABLE;
use crate::event::{Columns, Field, Settings, Undecodable};

/// The content of a column.
#[derive(Debug, Clone)]
pub(super) enum Cell<'a> {
    /// JSON, exactly as in the value.
    Json(&'a RawValue),
    /// Text, from a header or the key.
    Text(Cow<'a, str>),
}

/// The columns that make an event, and the other columns that handlers receive. A column that is absent is `None`, and
/// one that is null holds the text `null`.
#[derive(Debug, Default)]
pub(super) struct Row<'a> {
    cells: [Option<Cell<'a>>; Field::ALL.len()],
    others: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// The names of members that differ from their column's name.
    called: Vec<(Field, &'static str)>,
}

impl<'a> Row<'a> {
    /// Builds the row from an object's members, unless a column of an event occurs twice in it.
    pub(super) fn of_members(members: &Members<'a>, settings: &Settings) -> Result<Self, Error> {
        let mut row = Self::default();
        for (name, raw) in members.iter() {
            if let Some(twice) = row.put(name.clone(), raw, settings) {
                return Err(Error::Twice(settings.columns.of(twice).to_owned()));
            }
        }
        Ok(row)
    }

    pub(super) fn get(&self, field: Field) -> Option<&Cell<'a>> {
        self.cells[field as usize].as_ref()
    }

    pub(super) fn set(&mut self, field: Field, cell: Cell<'a>) {
        self.cells[field as usize] = Some(cell);
    }

    /// Sets a field that has another name than its column.
    pub(super) fn set_called(&mut self, field: Field, name: &'static str, raw: &'a RawValue) {
        self.set(field, Cell::Json(raw));
        self.called.push((field, name));
    }

    /// Returns the name that a field has in the row.
    pub(super) fn called<'s>(&self, field: Field, columns: &'s Columns) -> &'s str {
        self.called.iter().find(|(found, _)| *found == field).map_or(columns.of(field), |(_, name)| name)
    }

    pub(super) fn add_other(&mut self, name: Cow<'a, str>, raw: &'a RawValue) {
        self.others.push((name, raw));
    }

    /// Returns the other columns that handlers receive, in the row's order.
    pub(super) fn others(&self) -> &[(Cow<'a, str>, &'a RawValue)] {
        &self.others
    }

    /// Adds a column if it is wanted. Returns the field that it holds if that field was set before.
    fn put(&mut self, name: Cow<'a, str>, raw: &'a RawValue, settings: &Settings) -> Option<Field> {
        let mut is_field = false;
        for field in Field::ALL.into_iter().filter(|field| settings.columns.of(*field) == name) {
            is_field = true;
            if self.cells[field as usize].replace(Cell::Json(raw)).is_some() {
                return Some(field);
            }
        }
        if settings.others.take(&name, is_field) {
            self.others.push((name, raw));
        }
        None
    }

    /// Returns what is kept of a row that is not an event, with the reason.
    pub(super) fn undecodable(&self, error: &Error, columns: &Columns) -> Undecodable {
        let readable = |field| {
            let column = self.called(field, columns);
            let text = name(column, self.get(field), None).and_then(|text| bounds::short(column, text));
            text.ok().map(Cow::into_owned)
        };
        Undecodable {
            reason: error.to_string(),
            event_id: readable(Field::EventId),
            event_type: readable(Field::EventType),
            aggregate_id: readable(Field::AggregateId),
        }
    }
}

/// Reads an object as a row, in the same pass over the text that reads its surroundings. Only null gives `None`.
pub(super) struct Rows<'s>(pub(super) &'s Settings);

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = Option<Row<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // To a visitor of any type, `serde_json` shows a number of arbitrary precision as an object.
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = Option<Row<'de>>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self(settings) = self;
        let mut row = Row::default();
        while let Some(Name(name)) = map.next_key()? {
            let is_field = Field::ALL.into_iter().any(|field| settings.columns.of(field) == name);
            if !is_field && !settings.others.take(&name, is_field) {
                map.next_value::<IgnoredAny>()?;
            } else if let Some(twice) = row.put(name, map.next_value()?, settings) {
                return Err(A::Error::duplicate_field(twice.name()));
            }
        }
        Ok(Some(row))
    }
}

/// Reads a column that must hold text and must not be empty. A whole number or a decimal counts as its digits, because
/// ids may be numbers.
pub(super) fn name<'a>(
    column: &str,
    cell: Option<&Cell<'a>>,
    schema: Option<&RowSchema<'a>>,
) -> Result<Cow<'a, str>, Error> {
    let text = match cell {
        Some(Cell::Json(raw)) if is_whole(raw.get()) => Cow::Borrowed(raw.get()),
        Some(Cell::Json(raw)) => match decimal_digits(column, raw, schema)? {
            Some(digits) => Cow::Owned(digits),
            None => text(column, cell)?,
        },
        cell => text(column, cell)?,
    };
    if text.is_empty() { Err(Error::Empty(column.to_owned())) } else { Ok(text) }
}

/// Reads a column that must hold text.
pub(super) fn text<'a>(column: &str, cell: Option<&Cell<'a>>) -> Result<Cow<'a, str>, Error> {
    let text = match cell {
        None => return Err(Error::Missing(column.to_owned())),
        Some(Cell::Text(text)) => text.clone(),
        Some(Cell::Json(raw)) => match string(raw) {
            Read::NotText => return Err(Error::NotText { column: column.to_owned(), found: kind(raw) }),
            Read::Broken => return Err(Error::Surrogate(column.to_owned())),
            Read::Text(text) => text,
        },
    };
    if text == UNAVAILABLE { Err(Error::Unavailable(column.to_owned())) } else { Ok(text) }
}

/// Reads the row's place in the outbox: a whole number, or the same as text.
pub(super) fn sequence<'a>(
    column: &str,
    cell: Option<&Cell<'a>>,
    schema: Option<&RowSchema<'a>>,
) -> Result<Option<String>, Error> {
    let wrong = |found| Error::Sequence { column: column.to_owned(), found };
    let digits = match cell {
        None => return Ok(None),
        Some(Cell::Text(text)) => text.clone(),
        Some(Cell::Json(raw)) if raw.get() == "null" => return Ok(None),
        Some(Cell::Json(raw)) => match (decimal_digits(column, raw, schema)?, string(raw)) {
            (Some(digits), _) => Cow::Owned(digits),
            (None, Read::Text(text)) => text,
            (None, Read::NotText) => Cow::Borrowed(raw.get()),
            (None, Read::Broken) => return Err(wrong(kind(raw))),
        },
    };
    if digits == UNAVAILABLE {
        return Err(Error::Unavailable(column.to_owned()));
    }
    let found = || cell.map_or("a text", |cell| if let Cell::Json(raw) = cell { kind(raw) } else { "a text" });
    if is_whole(&digits) { Ok(Some(bounds::short(column, digits)?.into_owned())) } else { Err(wrong(found())) }
}

/// Returns the digits of a column that is a decimal by its schema. The schema is parsed only if it mentions a decimal.
fn decimal_digits(column: &str, raw: &RawValue, schema: Option<&RowSchema<'_>>) -> Result<Option<String>, Error> {
    let Some(schema) = schema.filter(|schema| schema.has_decimals() && raw.get() != "null") else { return Ok(None) };
    match schema.column(column)? {
        Some(of) if of.is_decimal() => decimal::digits(column, raw, of, &mut Work::default()).map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(json: &str) -> Cell<'_> {
        Cell::Json(serde_json::from_str(json).expect("the test's text is JSON"))
    }

    fn row(json: &str) -> Result<Option<Row<'_>>, serde_json::Error> {
        Rows(&Settings::default()).deserialize(&mut serde_json::Deserializer::from_str(json))
    }

    #[test]
    fn null_and_absent_are_told_apart() {
        let row = row(r#"{"payload": null, "other": [1]}"#).expect("a row").expect("no null");
        assert!(matches!(row.get(Field::Payload), Some(Cell::Json(raw)) if raw.get() == "null"));
        assert!(row.get(Field::EventId).is_none());
        assert!(row.others().is_empty());
    }

    #[test]
    fn only_an_object_is_a_row() {
        assert!(row("null").is_ok_and(|row| row.is_none()));
        let numbers = ["7", "-0", "1.5", "1e400", "12345678901234567890123"];
        for json in [r#"["e"]"#, "\"e\"", "true", r#"{"event_id":"e","event_id":"f"}"#].into_iter().chain(numbers) {
            assert!(row(json).is_err(), "{json}");
        }
    }

    #[test]
    fn columns_have_the_names_that_are_set() {
        let settings = Settings {
            columns: Columns::parse("event_id=id,sequence_id=id").expect("a list"),
            others: crate::event::Others::All,
            ..Settings::default()
        };
        let text = r#"{"id":7,"event_id":"e","__op":"c","tenant":[1.10]}"#;
        let row = Rows(&settings).deserialize(&mut serde_json::Deserializer::from_str(text)).expect("a row");
        let row = row.expect("no null");
        assert_eq!(name("id", row.get(Field::EventId), None).ok().as_deref(), Some("7"));
        assert_eq!(sequence("id", row.get(Field::SequenceId), None).ok().flatten().as_deref(), Some("7"));
        let others: Vec<_> = row.others().iter().map(|(name, raw)| (&**name, raw.get())).collect();
        assert_eq!(others, [("event_id", "\"e\""), ("tenant", "[1.10]")]);
    }

    #[test]
    fn text_is_unescaped() {
        let given = |json| text("event_id", Some(&cell(json))).map(Cow::into_owned).map_err(|error| error.to_string());
        assert_eq!(given(r#""plain""#).as_deref(), Ok("plain"));
        assert_eq!(given(r#""a\"b\\\u00fc\ud83d\ude00\n""#).as_deref(), Ok("a\"b\\ü😀\n"));
        assert_eq!(given("7"), Err("the row's event_id is a number, not a text".to_owned()));
        assert_eq!(given("null"), Err("the row's event_id is null, not a text".to_owned()));
        assert_eq!(
            given(r#""\ud83d""#),
            Err("the row's event_id holds half of a surrogate pair, which is no text".to_owned())
        );
        assert_eq!(
            text("event_id", None).map_err(|error| error.to_string()),
            Err("the row has no column event_id".to_owned())
        );
        assert!(name("event_id", Some(&cell("\"\"")), None).is_err());
        assert!(given(r#""__debezium_unavailable_value""#).is_err());
        assert!(given(r#""__debezium\u005funavailable_value""#).is_err());
    }

    #[test]
    fn an_id_may_be_a_whole_number() {
        let given = |json| name("id", Some(&cell(json)), None).map(Cow::into_owned).map_err(|error| error.to_string());
        assert_eq!(given("12345678901234567890").as_deref(), Ok("12345678901234567890"));
        for json in ["1.5", "1e3", "true", "{}", "null"] {
            assert!(given(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_sequence_keeps_its_digits() {
        let given = |json| sequence("sequence_id", Some(&cell(json)), None).map_err(|error| error.to_string());
        assert_eq!(given("12345678901234567890"), Ok(Some("12345678901234567890".to_owned())));
        assert_eq!(given("-5"), Ok(Some("-5".to_owned())));
        assert_eq!(given(r#""007""#), Ok(Some("007".to_owned())));
        assert_eq!(given("null"), Ok(None));
        assert!(matches!(sequence("sequence_id", None, None), Ok(None)));
        let (longest, too_long) = ("7".repeat(1024), "7".repeat(1025));
        assert_eq!(given(&longest), Ok(Some(longest.clone())));
        assert_eq!(
            given(&too_long),
            Err("the row's sequence_id has 1025 bytes, and at most 1024 are allowed".to_owned())
        );
        for json in ["1.0", "1e3", "{}", "[1]", "true", r#""""#, r#""-""#, r#""x""#, r#"{"scale":0,"value":"AQ=="}"#] {
            assert!(given(json).is_err(), "{json}");
        }
    }
}
