//! MongoDB's decimal number, kept as text: this crate does no arithmetic with it.

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::ser;

/// A decimal with the digits that it was written with.
///
/// In a payload, it is read from a number, with every digit, or from a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal(String);

/// The error for a text that is not a decimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecimalError(String);

impl fmt::Display for DecimalError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not a decimal number", self.0)
    }
}

impl std::error::Error for DecimalError {}

impl Decimal {
    /// Returns the decimal's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if is_decimal(text) { Ok(Self(text.to_owned())) } else { Err(DecimalError(text.to_owned())) }
    }
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if ["NaN", "Infinity"].contains(&unsigned) {
        return true;
    }
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && fraction.is_empty())
        && all_digits(whole)
        && all_digits(fraction)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && all_digits(exponent))
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Serialises as in Extended JSON.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Wrapped<'a>(&'a str);
        impl Serialize for Wrapped<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("$numberDecimal", self.0)?;
                map.end()
            }
        }
        serializer.serialize_newtype_struct(ser::EXTENDED, &Wrapped(&self.0))
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let json = Json::deserialize(deserializer)?;
        let text = match &json {
            Json::Number(number) => Some(number.as_str()),
            Json::String(text) => Some(text.as_str()),
            Json::Object(fields) if fields.len() == 1 => fields.get("$numberDecimal").and_then(Json::as_str),
            _ => None,
        };
        text.ok_or_else(|| D::Error::custom("expected a decimal: a number or a text"))?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_decimal() {
        for text in ["0", "-1.10", "+.5", "5.", "1E+3", "1e-6143", "NaN", "-Infinity"] {
            assert!(text.parse::<Decimal>().is_ok(), "{text}");
        }
        for text in ["", ".", "-", "1,0", "1e", "0x1", "1.2.3", "--1", " 1"] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_payload_number_keeps_its_digits() {
        let text = "0.12345678901234567890";
        assert_eq!(serde_json::from_str::<Decimal>(text).expect("a decimal").as_str(), text);
        assert_eq!(serde_json::from_str::<Decimal>("\"1.10\"").expect("a decimal").as_str(), "1.10");
    }
}
