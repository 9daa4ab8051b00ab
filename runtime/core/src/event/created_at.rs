//! The row's own time, in every way in which Debezium writes one. Pure.
//!
//! - Text is RFC 3339 with any number of fraction digits, in UTC or with an offset (`timestamptz`). Digits beyond
//!   microseconds are cut off, towards the past. A year before 0 or after 9999 has a sign, as in ISO 8601: `-0043` is
//!   44 BC.
//! - A whole number has the unit that its schema names. Without a schema, its size decides, because the same connector
//!   writes milliseconds for `timestamp(3)` and microseconds for `timestamp`: below 10^14 it is milliseconds, below
//!   10^17 microseconds, otherwise nanoseconds. So every time from 1973 to 5138 is read correctly in each of the three.
//! - PostgreSQL's `infinity` is refused, because no date can hold it.

use std::borrow::Cow;

use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::event::bounds::shown;
use crate::event::error::Error;
use crate::event::json::{self, Read};
use crate::event::row::{self, Cell};
use crate::event::schema::RowSchema;
use crate::event::temporal::{infinite, infinite_text};

/// The Gregorian calendar repeats itself after this many years, which have this many days.
const ERA_YEARS: i64 = 400;
const ERA_DAYS: i64 = 146_097;

/// Returns microseconds since 1970, rounded down, or `None` if the row has no such column or the column is null.
pub(super) fn of_row(
    column: &str,
    cell: Option<&Cell<'_>>,
    schema: Option<&RowSchema<'_>>,
) -> Result<Option<i64>, Error> {
    match cell {
        None => Ok(None),
        // A header is text, whatever the column was.
        Some(Cell::Text(text)) if json::is_whole(text) => of_number(column, text, None).map(Some),
        Some(Cell::Text(text)) => of_text(column, text).map(Some),
        Some(Cell::Json(raw)) => of_json(column, raw, schema),
    }
}

fn of_json(column: &str, raw: &RawValue, schema: Option<&RowSchema<'_>>) -> Result<Option<i64>, Error> {
    match json::string(raw) {
        _ if raw.get() == "null" => Ok(None),
        Read::Text(_) => of_text(column, &row::text(column, Some(&Cell::Json(raw)))?).map(Some),
        Read::NotText if json::is_whole(raw.get()) => of_number(column, raw.get(), schema).map(Some),
        Read::Broken | Read::NotText => Err(Error::CreatedAtKind { column: column.to_owned(), found: json::kind(raw) }),
    }
}

fn of_text(column: &str, text: &str) -> Result<i64, Error> {
    if infinite_text(text).is_some() {
        return Err(Error::Infinite(column.to_owned()));
    }
    let (eras, text) = within_four_digits(text);
    let time = OffsetDateTime::parse(&text, &Rfc3339)
        .map_err(|error| Error::CreatedAtText { column: column.to_owned(), error })?;
    let us = time.unix_timestamp_nanos().div_euclid(1000) + i128::from(eras * ERA_DAYS) * 86_400_000_000;
    i64::try_from(us).map_err(|_| Error::OutOfRange(column.to_owned()))
}

/// Moves the year to the four-digit year at the same place in the calendar's cycle. Also returns how many eras lie
/// between the two.
fn within_four_digits(text: &str) -> (i64, Cow<'_, str>) {
    let year = || {
        let digits = text.strip_prefix(['+', '-'])?.split('-').next()?;
        let plain = (4..=9).contains(&digits.len()) && json::is_whole(digits);
        let year: i64 = digits.parse().ok().filter(|_| plain)?;
        Some((digits.len(), if text.starts_with('-') { -year } else { year }))
    };
    let Some((digits, year)) = year() else { return (0, Cow::Borrowed(text)) };
    let same = 2000 + year.rem_euclid(ERA_YEARS);
    ((year - same) / ERA_YEARS, Cow::Owned(format!("{same}{}", &text[1 + digits..])))
}

fn of_number(column: &str, digits: &str, schema: Option<&RowSchema<'_>>) -> Result<i64, Error> {
    let out_of_range = || Error::OutOfRange(column.to_owned());
    let number: i64 = digits.parse().map_err(|_| out_of_range())?;
    let named = schema.map(|schema| schema.column(column)).transpose()?.flatten();
    let unit = match named.and_then(|schema| schema.name.as_deref()) {
        None => Unit::by_size(number),
        Some("io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp") => Unit::Milliseconds,
        Some("io.debezium.time.MicroTimestamp") => Unit::Microseconds,
        Some("io.debezium.time.NanoTimestamp") => Unit::Nanoseconds,
        Some(other) => {
            return Err(Error::SchemaType { column: column.to_owned(), name: shown(other) });
        }
    };
    if infinite(number, unit.places()).is_some() {
        return Err(Error::Infinite(column.to_owned()));
    }
    unit.in_microseconds(number).ok_or_else(out_of_range)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    fn by_size(number: i64) -> Self {
        match number.unsigned_abs() {
            0..100_000_000_000_000 => Self::Milliseconds,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Microseconds,
            _ => Self::Nanoseconds,
        }
    }

    /// Returns the number of digits of a second that the unit counts.
    fn places(self) -> u32 {
        match self {
            Self::Milliseconds => 3,
            Self::Microseconds => 6,
            Self::Nanoseconds => 9,
        }
    }

    fn in_microseconds(self, number: i64) -> Option<i64> {
        match self {
            Self::Milliseconds => number.checked_mul(1000),
            Self::Microseconds => Some(number),
            Self::Nanoseconds => Some(number.div_euclid(1000)),
        }
    }
}

#[cfg(test)]
#[path = "created_at_test.rs"]
mod tests;
