//! A point in time, as in BSON.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{extended, ser};

/// Milliseconds since 1970-01-01T00:00:00Z, negative before.
///
/// In a payload, it is read from a text such as `2026-11-23T23:14:00.5+01:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(i64);

/// The error for a text that is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateTimeError(String);

impl fmt::Display for DateTimeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not a date and time of RFC 3339, such as 2026-11-23T23:14:00Z", self.0)
    }
}

impl std::error::Error for DateTimeError {}

impl DateTime {
    /// Makes a time from milliseconds since 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Returns the time that much later, or the last one if that is out of range.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the time that much earlier, or the first one if that is out of range.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Writes the time as in RFC 3339, in UTC, or the milliseconds if RFC 3339 cannot write its year.
impl fmt::Display for DateTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok());
        match text {
            Some(text) => formatter.write_str(&text),
            None => write!(formatter, "{} ms", self.0),
        }
    }
}

impl FromStr for DateTime {
    type Err = DateTimeError;

    /// Rounds a fraction finer than a millisecond down.
    fn from_str(text: &str) -> Result<Self, DateTimeError> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| DateTimeError(text.to_owned()))?;
        let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).map(Self).map_err(|_| DateTimeError(text.to_owned()))
    }
}

/// Serialises as in Extended JSON.
impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Date(i64);
        struct Long(i64);
        impl Serialize for Date {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("$date", &Long(self.0))?;
                map.end()
            }
        }
        impl Serialize for Long {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("$numberLong", &self.0.to_string())?;
                map.end()
            }
        }
        serializer.serialize_newtype_struct(ser::EXTENDED, &Date(self.0))
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match Json::deserialize(deserializer)? {
            Json::String(text) => text.parse().map_err(D::Error::custom),
            Json::Object(fields) if fields.len() == 1 => fields
                .get("$date")
                .and_then(extended::date)
                .ok_or_else(|| D::Error::custom("expected a date: `{\"$date\": …}` or a text of RFC 3339")),
            _ => Err(D::Error::custom("expected a date and time as a text of RFC 3339")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_back() {
        let time: DateTime = "2026-11-23T23:14:00.5+01:00".parse().expect("a time");
        assert_eq!(time.to_string(), "2026-11-23T22:14:00.5Z");
        let early: DateTime = "1969-12-31T23:59:59.9995Z".parse().expect("a time");
        assert_eq!(early.millis(), -1);
        assert_eq!(DateTime::from_millis(i64::MAX).to_string(), format!("{} ms", i64::MAX));
        assert!("2026-11-23".parse::<DateTime>().is_err());
    }

    #[test]
    fn from_a_payload() {
        assert_eq!(serde_json::from_str::<DateTime>(r#""1970-01-01T00:00:01Z""#).expect("a time").millis(), 1000);
        assert_eq!(serde_json::from_str::<DateTime>(r#"{"$date":{"$numberLong":"5"}}"#).expect("a time").millis(), 5);
        assert!(serde_json::from_str::<DateTime>("5").is_err());
    }

    #[test]
    fn durations() {
        let time = DateTime::from_millis(10_000);
        assert_eq!(time.after(Duration::from_secs(1)).millis(), 11_000);
        assert_eq!(time.before(Duration::from_secs(1)).millis(), 9_000);
    }
}
