//! Decimals as text, from the bytes and the scale that Connect writes. Pure.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::bounds::{MAX_DECIMAL_BYTES, MAX_DECIMAL_WORK, MAX_SCALE, shown};
use crate::event::error::Error;
use crate::event::json::{self, Read};
use crate::event::schema::Schema;
use crate::event::unavailable::UNAVAILABLE;

/// The work that a record's decimals may still take.
pub(super) struct Work(usize);

impl Default for Work {
    fn default() -> Self {
        Self(MAX_DECIMAL_WORK)
    }
}

impl Work {
    /// Takes the work of a decimal of this many bytes.
    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.0 = self.0.checked_sub(bytes * bytes).ok_or(Error::DecimalWork)?;
        Ok(())
    }
}

/// Returns the digits of a decimal column.
///
/// # Errors
/// The value is not a decimal, was not sent, or takes more work than is left.
pub(super) fn digits(column: &str, raw: &RawValue, schema: &Schema, work: &mut Work) -> Result<String, Error> {
    /// How Connect writes a decimal whose scale is not fixed.
    #[derive(Deserialize)]
    struct Scaled<'a> {
        scale: i32,
        #[serde(borrow)]
        value: &'a RawValue,
    }
    let wrong = || Error::Decimal(shown(column));
    // The converter's `decimal.format=NUMERIC`.
    if json::kind(raw) == "a number" {
        return without_exponent(raw.get()).ok_or_else(wrong);
    }
    let (bytes, scale) = if let Some(scale) = schema.scale() {
        (raw, scale)
    } else {
        let scaled: Scaled<'_> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
        (scaled.value, scaled.scale)
    };
    let Read::Text(text) = json::string(bytes) else { return Err(wrong()) };
    if text == UNAVAILABLE {
        return Err(Error::Unavailable(shown(column)));
    }
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| wrong())?;
    if bytes.is_empty() || bytes.len() > MAX_DECIMAL_BYTES || scale.unsigned_abs() > MAX_SCALE {
        return Err(wrong());
    }
    work.take(bytes.len())?;
    Ok(with_point(&bytes, scale))
}

/// Returns the digits of a JSON number without an exponent. Java writes a small number with one: `1E-8`.
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

/// Writes a whole number in two's complement, highest byte first, with its last `scale` digits after a point.
fn with_point(bytes: &[u8], scale: i32) -> String {
    let negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let digits = pointed(magnitude(bytes, negative), scale);
    if negative { format!("-{digits}") } else { digits }
}

/// Puts a point before the last `scale` digits.
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

/// Returns the digits of a whole number without its sign. This costs the square of its length.
fn magnitude(bytes: &[u8], negative: bool) -> String {
    const BASE: u64 = 1_000_000_000;
    const WORD: usize = 4;
    // Groups of nine digits, the lowest first.
    let mut groups: Vec<u64> = vec![0];
    let (first, words) = bytes.split_at(bytes.len() % WORD);
    let of =
        |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u64::from(if negative { !*byte } else { *byte }));
    for word in std::iter::once(first).chain(words.chunks(WORD)).map(of) {
        let mut carry = word;
        for group in &mut groups {
            let sum = (*group << 32) + carry;
            *group = sum % BASE;
            carry = sum / BASE;
        }
        while carry > 0 {
            groups.push(carry % BASE);
            carry /= BASE;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn given(json: &str, schema: &str) -> Result<String, String> {
        let raw: &RawValue = serde_json::from_str(json).expect("the test's text is JSON");
        let schema: Schema = serde_json::from_str(schema).expect("a schema");
        digits("c", raw, &schema, &mut Work::default()).map_err(|error| error.to_string())
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
            assert_eq!(fixed(bytes, scale), Ok(text.to_owned()), "{bytes:?} {scale}");
        }
        assert!(fixed(&[], 2).is_err());
        assert!(fixed(&[1], 20_001).is_err());
        let variable = r#"{"type":"struct","name":"io.debezium.data.VariableScaleDecimal","fields":[]}"#;
        assert_eq!(given(r#"{"scale":1,"value":"AQ=="}"#, variable).as_deref(), Ok("0.1"));
        assert!(given(r#"{"scale":1}"#, variable).is_err());
        let numeric = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}"#;
        for (number, text) in [
            ("12.30", "12.30"),
            ("1E-8", "0.00000001"),
            ("0E-10", "0.0000000000"),
            ("-1.5e+3", "-1500"),
            ("12.345E1", "123.45"),
        ] {
            assert_eq!(given(number, numeric), Ok(text.to_owned()), "{number}");
        }
        assert!(given("1E-20001", numeric).is_err());
        assert!(given("\"no base64\"", numeric).is_err());
    }

    #[test]
    fn the_largest_decimal_is_written_in_bounded_time() {
        let mut bytes = vec![0x7f];
        bytes.resize(MAX_DECIMAL_BYTES, 0xff);
        assert_eq!(with_point(&bytes, 0).len(), 39_457);
        let mut work = Work::default();
        assert!((0..4).all(|_| work.take(MAX_DECIMAL_BYTES).is_ok()));
        assert!(work.take(1).is_err());
        let mut work = Work::default();
        assert!((0..(16 << 20) / 64).all(|_| work.take(64).is_ok()), "16 MiB of short decimals");
    }
}
