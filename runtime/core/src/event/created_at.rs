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
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).expect("the test's text is JSON")
    }

    fn given(json: &str) -> Result<Option<i64>, String> {
        of_row("created_at", Some(&Cell::Json(raw(json))), None).map_err(|error| error.to_string())
    }

    fn of_type(name: &str, json: &str) -> Result<Option<i64>, String> {
        let schema = format!(
            r#"{{"type":"struct","fields":[
                {{"type":"struct","field":"before","fields":[{{"type":"int64","name":"wrong","field":"created_at"}}]}},
                {{"type":"struct","field":"after","fields":[{{"type":"string","field":"event_id"}},
                    {{"type":"int64","optional":false,"name":{name},"version":1,"field":"created_at"}}]}}]}}"#
        );
        let schema = RowSchema::of_envelope(raw(&schema));
        of_row("created_at", Some(&Cell::Json(raw(json))), Some(&schema)).map_err(|error| error.to_string())
    }

    #[test]
    fn text_with_any_number_of_fraction_digits() {
        for (text, us) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:01.5Z", 1_500_000),
            ("1970-01-01T00:00:00.000001Z", 1),
            ("1970-01-01T00:00:00.0000019Z", 1),
            ("1970-01-01T00:00:00.000001999Z", 1),
            ("1970-01-01T00:00:00.0000019999999999999999Z", 1),
            ("2026-11-23T07:09:10.123456Z", 1_795_417_750_123_456),
            ("2026-11-23T09:09:10.123456+02:00", 1_795_417_750_123_456),
            ("2026-11-23T01:39:10.123456-05:30", 1_795_417_750_123_456),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
            ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
            ("0000-12-31T23:59:59.999999Z", -62_135_596_800_000_001),
            ("-0043-03-15T12:00:00Z", -63_517_780_800_000_000),
            ("-4712-01-01T00:00:00Z", -210_863_520_000_000_000),
            ("+10000-01-01T00:00:00Z", 253_402_300_800_000_000),
            ("+20000-01-01T00:00:00Z", 568_971_820_800_000_000),
            ("+20000-02-29T23:30:00.5-01:00", 568_977_006_600_500_000),
            ("+294246-12-31T23:59:59.999999Z", 9_223_371_244_799_999_999),
        ] {
            assert_eq!(given(&format!("\"{text}\"")), Ok(Some(us)), "{text}");
        }
    }

    #[test]
    fn before_1970_it_is_rounded_down() {
        assert_eq!(given(r#""1969-12-31T23:59:59.9999999Z""#), Ok(Some(-1)));
        assert_eq!(given(r#""1969-12-31T23:59:59.9999990Z""#), Ok(Some(-1)));
        assert_eq!(given(r#""1969-12-31T23:59:59.9999981Z""#), Ok(Some(-2)));
        assert_eq!(of_type("\"io.debezium.time.NanoTimestamp\"", "-1"), Ok(Some(-1)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["-0043-02-29T00:00:00Z", "+2026-11-23", "+-001-01-01T00:00:00Z", "+1-01-01T00:00:00Z", "-", "+"] {
            assert!(given(&format!("\"{text}\"")).is_err(), "{text}");
        }
        for text in ["+294300-01-01T00:00:00Z", "-999999999-01-01T00:00:00Z"] {
            let refused = given(&format!("\"{text}\"")).expect_err(text);
            assert!(refused.contains("out of range"), "{refused}");
        }
        for text in
            ["", "yesterday", "2026-11-23", "2026-11-23T07:09:10", "2026-13-23T07:09:10Z", "2026-02-30T00:00:00Z"]
        {
            let refused = given(&format!("\"{text}\"")).expect_err(text);
            assert!(refused.contains("created_at is no time with an offset"), "{refused}");
        }
        for json in ["1.5", "1e3", "true", "{}", "[]", r#""\ud83d""#] {
            assert!(given(json).expect_err(json).contains("neither a text nor a whole number"), "{json}");
        }
        assert!(given(r#""__debezium_unavailable_value""#).is_err());
    }

    #[test]
    fn infinities_are_refused_as_such() {
        let infinite = Err("the row's created_at is infinite, which no BSON date can hold".to_owned());
        let (largest, smallest) = (i64::MAX.to_string(), i64::MIN.to_string());
        let numbers = ["9223372036825200000", "-9223372036832400000", &largest, &smallest];
        let texts = ["infinity", "-infinity", "+292278994-08-16T23:00:00Z", "-292275055-05-16T23:00:00Z"];
        for text in texts {
            assert_eq!(given(&format!("\"{text}\"")), infinite, "{text}");
        }
        for json in numbers {
            assert_eq!(given(json), infinite, "{json}");
        }
        for name in ["Timestamp", "MicroTimestamp", "NanoTimestamp"] {
            for json in numbers {
                assert_eq!(of_type(&format!("\"io.debezium.time.{name}\""), json), infinite, "{name} {json}");
            }
        }
        assert_eq!(of_type("\"io.debezium.time.Timestamp\"", "9223372036825200"), infinite);
    }

    #[test]
    fn a_number_without_schema_is_read_by_its_size() {
        assert_eq!(given("1795417750123"), Ok(Some(1_795_417_750_123_000)));
        assert_eq!(given("1795417750123456"), Ok(Some(1_795_417_750_123_456)));
        assert_eq!(given("1795417750123456789"), Ok(Some(1_795_417_750_123_456)));
        assert_eq!(given("0"), Ok(Some(0)));
        assert_eq!(given("99999999999999"), Ok(Some(99_999_999_999_999_000)));
        assert_eq!(given("100000000000000"), Ok(Some(100_000_000_000_000)));
        assert_eq!(given("-1795417750123456"), Ok(Some(-1_795_417_750_123_456)));
        assert!(given("99999999999999999999").is_err());
    }

    #[test]
    fn a_schema_decides() {
        assert_eq!(of_type("\"io.debezium.time.Timestamp\"", "5"), Ok(Some(5000)));
        assert_eq!(of_type("\"org.apache.kafka.connect.data.Timestamp\"", "-5"), Ok(Some(-5000)));
        assert_eq!(of_type("\"io.debezium.time.MicroTimestamp\"", "5"), Ok(Some(5)));
        assert_eq!(of_type("\"io.debezium.time.NanoTimestamp\"", "5999"), Ok(Some(5)));
        assert_eq!(of_type("\"io.debezium.time.ZonedTimestamp\"", "\"1970-01-01T00:00:01Z\""), Ok(Some(1_000_000)));
        assert_eq!(of_type("null", "1795417750123"), Ok(Some(1_795_417_750_123_000)));
        assert!(of_type("\"io.debezium.time.Timestamp\"", "9223372036854775806").is_err());
        let refused = of_type("\"io.debezium.time.Date\"", "20000").expect_err("refused");
        assert!(refused.contains("io.debezium.time.Date"), "{refused}");
        let five = Cell::Json(raw("5"));
        let with = |schema| of_row("created_at", Some(&five), Some(&RowSchema::of_envelope(raw(schema))));
        assert!(with(r#"{"fields": 7}"#).is_err());
        assert!(matches!(with("null"), Ok(Some(5000))));
        let row = r#"{"fields":[{"field":"created_at","name":"io.debezium.time.MicroTimestamp"}]}"#;
        let of_row_itself = of_row("created_at", Some(&five), Some(&RowSchema::of_row(raw(row))));
        assert!(matches!(of_row_itself, Ok(Some(5))));
    }

    #[test]
    fn none_where_the_row_has_none() {
        assert_eq!(given("null"), Ok(None));
        assert!(matches!(of_row("created_at", None, None), Ok(None)));
    }

    #[test]
    fn a_headers_text_is_a_time_or_a_number() {
        let given = |text: &str| {
            of_row("created_at", Some(&Cell::Text(text.to_owned().into())), None).map_err(|error| error.to_string())
        };
        assert_eq!(given("1970-01-01T00:00:01Z"), Ok(Some(1_000_000)));
        assert_eq!(given("1795417750123"), Ok(Some(1_795_417_750_123_000)));
        assert!(given("infinity").is_err() && given("").is_err());
    }
}
