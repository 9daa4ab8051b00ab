//! The row's other columns as handlers are given them: each by its schema, to the last digit. Pure.
//!
//! - A decimal is a text of its digits, since a number of JSON is a double to most who read it.
//! - A date is `2026-11-23`, a time `07:09:10.123456`, a time of a day without zone `2026-11-23T07:09:10.123456`, each
//!   with as many digits as its type has. One with a zone is text already.
//! - All else, and everything without a schema, is the JSON that stands in the record.
//!
//! Invariant: Debezium's placeholder for what was not sent is never handed on.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::error::Error;
use crate::event::members::Members;
use crate::event::payload;
use crate::event::row::{self, Read, Row, UNAVAILABLE};
use crate::event::schema::{RowSchema, Schema};

/// What Debezium makes of its placeholder for an array of UUIDs: that of its name (RFC 9562, version 3, no namespace).
const UNAVAILABLE_UUID: &str = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";
/// The most bytes of a decimal: some 39,000 digits. To write them costs their square.
const MAX_DECIMAL_BYTES: usize = 16_384;
/// The most digits after a decimal's point, or zeros before it; PostgreSQL has 16,383.
const MAX_SCALE: u32 = 20_000;

/// The object of the other columns.
pub(super) fn others(row: &Row<'_>, schema: Option<&RowSchema<'_>>) -> Result<String, Error> {
    let mut json = String::from("{");
    if row.others().is_empty() {
        return Ok(json + "}");
    }
    let schemas = schema.map(RowSchema::columns).transpose()?.unwrap_or_default();
    for (name, raw) in row.others() {
        let schema = schemas.iter().find(|schema| schema.column.as_deref() == Some(name));
        if json.len() > 1 {
            json.push(',');
        }
        quoted(&mut json, name);
        json.push(':');
        if is_unavailable(raw) {
            return Err(Error::Unavailable(name.clone().into_owned()));
        }
        add(&mut json, name, raw, schema)?;
    }
    json.push('}');
    if payload::nests_too_deep(&json) {
        return Err(Error::ColumnsTooDeep(payload::MAX_LEVELS));
    }
    Ok(json)
}

/// The digits of a decimal column.
pub(super) fn decimal(column: &str, raw: &RawValue, schema: &Schema) -> Result<String, Error> {
    /// How Connect writes a decimal whose scale is not fixed.
    #[derive(Deserialize)]
    struct Scaled<'a> {
        scale: i32,
        #[serde(borrow)]
        value: &'a RawValue,
    }
    let wrong = || Error::Decimal(column.to_owned());
    // `decimal.format=NUMERIC` of the converter.
    if row::kind(raw) == "a number" {
        return without_exponent(raw.get()).ok_or_else(wrong);
    }
    let (bytes, scale) = if let Some(scale) = schema.scale() {
        (raw, scale)
    } else {
        let scaled: Scaled<'_> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
        (scaled.value, scaled.scale)
    };
    let Read::Text(text) = row::string(bytes) else { return Err(wrong()) };
    if text == UNAVAILABLE {
        return Err(Error::Unavailable(column.to_owned()));
    }
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| wrong())?;
    if bytes.is_empty() || bytes.len() > MAX_DECIMAL_BYTES || scale.unsigned_abs() > MAX_SCALE {
        return Err(wrong());
    }
    Ok(with_point(&bytes, scale))
}

/// The digits of a number of JSON, which Java writes with an exponent where it is small: `1E-8`.
fn without_exponent(number: &str) -> Option<String> {
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else { return Some(number.to_owned()) };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent.parse().ok()?)?;
    if scale.unsigned_abs() > MAX_SCALE {
        return None;
    }
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    Some(format!("{sign}{}", pointed(digits.to_owned(), scale)))
}

/// A whole number of two's complement, the highest byte first, with its last `scale` digits behind a point.
fn with_point(bytes: &[u8], scale: i32) -> String {
    let negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let digits = pointed(magnitude(bytes, negative), scale);
    if negative { format!("-{digits}") } else { digits }
}

/// The digits with the last `scale` of them behind a point.
fn pointed(mut digits: String, scale: i32) -> String {
    let places = scale.unsigned_abs() as usize;
    if scale < 0 && digits != "0" {
        digits.extend(std::iter::repeat_n('0', places));
    } else if scale > 0 {
        if digits.len() <= places {
            digits = "0".repeat(places + 1 - digits.len()) + &digits;
        }
        digits.insert(digits.len() - places, '.');
    }
    digits
}

fn magnitude(bytes: &[u8], negative: bool) -> String {
    const BASE: u64 = 1_000_000_000;
    // Groups of nine digits, the lowest first.
    let mut groups: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(if negative { !*byte } else { *byte });
        for group in &mut groups {
            let sum = *group * 256 + carry;
            *group = sum % BASE;
            carry = sum / BASE;
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    if negative {
        for group in &mut groups {
            *group += 1;
            if *group < BASE {
                break;
            }
            *group = 0;
        }
        if groups.iter().all(|group| *group == 0) {
            groups.push(1);
        }
    }
    let mut digits = String::new();
    for (at, group) in groups.iter().rev().enumerate() {
        let _ = if at == 0 { write!(digits, "{group}") } else { write!(digits, "{group:09}") };
    }
    digits
}

fn add(json: &mut String, column: &str, raw: &RawValue, schema: Option<&Schema>) -> Result<(), Error> {
    let Some(schema) = schema.filter(|_| raw.get() != "null") else {
        json.push_str(raw.get());
        return Ok(());
    };
    if schema.is_decimal() {
        quoted(json, &decimal(column, raw, schema)?);
        return Ok(());
    }
    if let Some(items) = schema.items.as_deref().filter(|_| raw.get().starts_with('[')) {
        let values: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| Error::Array(column.to_owned()))?;
        json.push('[');
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            add(json, column, value, Some(items))?;
        }
        json.push(']');
        return Ok(());
    }
    match schema.name.as_deref().and_then(Temporal::named).zip(whole(raw)) {
        Some((temporal, number)) => quoted(json, &temporal.text(number)),
        None => json.push_str(raw.get()),
    }
    Ok(())
}

fn whole(raw: &RawValue) -> Option<i64> {
    row::is_whole(raw.get()).then(|| raw.get().parse().ok())?
}

fn quoted(json: &mut String, text: &str) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// Whether a value is the placeholder, in any of the shapes that it takes for a column's type.
fn is_unavailable(raw: &RawValue) -> bool {
    let json = raw.get();
    let inner = json.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(json).trim();
    let text = inner.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if text.is_some_and(|text| [UNAVAILABLE, UNAVAILABLE_UUID].contains(&text) || text == STANDARD.encode(UNAVAILABLE))
    {
        return true;
    }
    if json.starts_with('[') && serde_json::from_str(json).is_ok_and(|bytes: Vec<u8>| bytes == UNAVAILABLE.as_bytes()) {
        return true;
    }
    json.starts_with('{') && json.contains(UNAVAILABLE) && Members::of(json).has(UNAVAILABLE)
}

/// A type that counts from 1970 or from midnight.
#[derive(Clone, Copy)]
enum Temporal {
    Days,
    /// In so many parts of a second, as a power of ten.
    Time(u32),
    Timestamp(u32),
}

impl Temporal {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => Self::Days,
            "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => Self::Time(3),
            "io.debezium.time.MicroTime" => Self::Time(6),
            "io.debezium.time.NanoTime" => Self::Time(9),
            "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => Self::Timestamp(3),
            "io.debezium.time.MicroTimestamp" => Self::Timestamp(6),
            "io.debezium.time.NanoTimestamp" => Self::Timestamp(9),
            _ => return None,
        })
    }

    fn text(self, number: i64) -> String {
        match self {
            Self::Days => date(number),
            Self::Time(places) => {
                let sign = if number < 0 { "-" } else { "" };
                format!("{sign}{}", of_day(number.unsigned_abs(), places))
            }
            Self::Timestamp(places) => {
                if let Some(infinite) = infinite(number, places) {
                    return infinite.to_owned();
                }
                let day = 86_400 * 10_i64.pow(places);
                format!("{}T{}", date(number.div_euclid(day)), of_day(number.rem_euclid(day).unsigned_abs(), places))
            }
        }
    }
}

/// What PostgreSQL's driver makes of the infinities of a `timestamp`.
fn infinite(number: i64, places: u32) -> Option<&'static str> {
    const MICROSECONDS: [(i64, &str); 2] =
        [(9_223_372_036_825_200_000, "infinity"), (-9_223_372_036_832_400_000, "-infinity")];
    let per = match places {
        3 => 1000,
        6 => 1,
        _ => return None,
    };
    MICROSECONDS.iter().find(|(infinite, _)| infinite / per == number).map(|(_, text)| *text)
}

fn of_day(parts: u64, places: u32) -> String {
    let per_second = 10_u64.pow(places);
    let (seconds, fraction) = (parts / per_second, parts % per_second);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{fraction:0width$}", width = places as usize)
}

/// A day's date by the Gregorian calendar, for any year. Years are counted from March, so that a leap day ends one; 400
/// of them have 146,097 days.
fn date(days_since_1970: i64) -> String {
    let days = i128::from(days_since_1970) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    if (0..=9999).contains(&year) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:+07}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).expect("the test's text is JSON")
    }

    fn given(json: &str, schema: &str) -> Result<String, String> {
        let schema: Schema = serde_json::from_str(schema).expect("a schema");
        let mut out = String::new();
        add(&mut out, "c", raw(json), Some(&schema)).map(|()| out).map_err(|error| error.to_string())
    }

    fn of_type(name: &str, json: &str) -> String {
        given(json, &format!(r#"{{"type":"int64","name":"{name}"}}"#)).expect("readable")
    }

    #[test]
    fn a_decimal_has_all_its_digits() {
        let fixed = |bytes: &[u8], scale: i32| {
            let schema = format!(
                r#"{{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{{"scale":"{scale}"}}}}"#
            );
            given(&format!("\"{}\"", STANDARD.encode(bytes)), &schema)
        };
        for (bytes, scale, text) in [
            (&[0x04, 0xd2][..], 2, "12.34"),
            (&[0x96], 2, "-1.06"),
            (&[0], 2, "0.00"),
            (&[0xff], 3, "-0.001"),
            (&[0x80], 0, "-128"),
            (&[0xff, 0x00], 0, "-256"),
            (&[0x05], -3, "5000"),
            (&[0], -3, "0"),
            (&[0x3b, 0x9a, 0xca, 0x00], 0, "1000000000"),
            (&[0xc4, 0x65, 0x36, 0x00], 9, "-1.000000000"),
            (&[0x00, 0xab, 0x54, 0xa9, 0x8c, 0xeb, 0x1f, 0x0a, 0xd2], 10, "1234567890.1234567890"),
        ] {
            assert_eq!(fixed(bytes, scale), Ok(format!("\"{text}\"")), "{bytes:?} {scale}");
        }
        assert!(fixed(&[], 2).is_err());
        assert!(fixed(&[1], 20_001).is_err());
        let variable = r#"{"type":"struct","name":"io.debezium.data.VariableScaleDecimal","fields":[]}"#;
        assert_eq!(given(r#"{"scale":1,"value":"AQ=="}"#, variable).as_deref(), Ok("\"0.1\""));
        assert!(given(r#"{"scale":1}"#, variable).is_err());
        let numeric = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}"#;
        for (number, text) in [
            ("12.30", "12.30"),
            ("1E-8", "0.00000001"),
            ("0E-10", "0.0000000000"),
            ("-1.5e+3", "-1500"),
            ("12.345E1", "123.45"),
        ] {
            assert_eq!(given(number, numeric), Ok(format!("\"{text}\"")), "{number}");
        }
        assert!(given("1E-20001", numeric).is_err());
        assert!(given("\"no base64\"", numeric).is_err());
        assert_eq!(given("null", numeric).as_deref(), Ok("null"));
    }

    #[test]
    fn the_largest_decimal_is_written_in_bounded_time() {
        let mut bytes = vec![0x7f];
        bytes.resize(MAX_DECIMAL_BYTES, 0xff);
        assert_eq!(with_point(&bytes, 0).len(), 39_457);
    }

    #[test]
    fn times_have_the_digits_of_their_type() {
        for (name, json, text) in [
            ("io.debezium.time.Date", "20780", "2026-11-23"),
            ("org.apache.kafka.connect.data.Date", "-1", "1969-12-31"),
            ("io.debezium.time.Date", "-719529", "-000001-12-31"),
            ("io.debezium.time.Time", "25750123", "07:09:10.123"),
            ("org.apache.kafka.connect.data.Time", "0", "00:00:00.000"),
            ("io.debezium.time.MicroTime", "86400000000", "24:00:00.000000"),
            ("io.debezium.time.NanoTime", "1", "00:00:00.000000001"),
            ("io.debezium.time.Timestamp", "1795417750123", "2026-11-23T07:09:10.123"),
            ("org.apache.kafka.connect.data.Timestamp", "-1", "1969-12-31T23:59:59.999"),
            ("io.debezium.time.MicroTimestamp", "1795417750123456", "2026-11-23T07:09:10.123456"),
            ("io.debezium.time.MicroTimestamp", "9223372036825200000", "infinity"),
            ("io.debezium.time.Timestamp", "-9223372036832400", "-infinity"),
            ("io.debezium.time.NanoTimestamp", "-1", "1969-12-31T23:59:59.999999999"),
            ("io.debezium.time.Date", "11016", "2000-02-29"),
        ] {
            assert_eq!(of_type(name, json), format!("\"{text}\""), "{name} {json}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_the_one_after_the_last() {
        let mut last = time::Date::from_calendar_date(1899, time::Month::December, 31).expect("a day");
        for days in -25_567..121_000 {
            last = last.next_day().expect("a day");
            assert_eq!(date(days), last.to_string());
        }
    }

    #[test]
    fn what_has_no_such_type_is_given_as_it_stands() {
        for json in ["1.10", "\"text\"", "{ \"a\": 1 }", "12345678901234567890", "[1, 2]", "true"] {
            assert_eq!(given(json, r#"{"type":"string","name":"io.debezium.data.Json"}"#).as_deref(), Ok(json));
            assert_eq!(given(json, "{}").as_deref(), Ok(json));
        }
        assert_eq!(of_type("io.debezium.time.ZonedTimestamp", "\"infinity\""), "\"infinity\"");
        assert_eq!(of_type("io.debezium.time.MicroTimestamp", "99999999999999999999"), "99999999999999999999");
    }

    #[test]
    fn what_an_array_holds_is_read_by_its_schema() {
        let schema = r#"{"type":"array","items":{"type":"int32","name":"io.debezium.time.Date"}}"#;
        assert_eq!(given("[0, null,1]", schema).as_deref(), Ok(r#"["1970-01-01",null,"1970-01-02"]"#));
    }

    #[test]
    fn the_placeholder_is_known_in_every_shape() {
        for json in [
            r#""__debezium_unavailable_value""#,
            r#""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==""#,
            r#"["__debezium_unavailable_value"]"#,
            r#"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#,
            "[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]",
            r#"["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]"#,
        ] {
            assert!(is_unavailable(raw(json)), "{json}");
        }
        for json in [r#""text""#, "[]", "[95,95]", "null", r#"{"a":"__debezium_unavailable_value"}"#] {
            assert!(!is_unavailable(raw(json)), "{json}");
        }
    }
}
