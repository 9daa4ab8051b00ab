//! The outbox row as it stands in a record: its columns as raw JSON, and how they are read as text. Pure.
//!
//! Invariant: reading one column never fails another, so that what can be read of a broken row is.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::event::Undecodable;
use crate::event::error::Error;

/// What stands for a value that PostgreSQL did not send, since an update left it as it was (TOAST).
pub(super) const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// The columns that make an event. A column that is absent is `None`; one that is null holds the text `null`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row<'a> {
    #[serde(borrow, deserialize_with = "present")]
    pub(super) event_id: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    pub(super) sequence_id: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    pub(super) aggregate_id: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    pub(super) aggregate_type: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    pub(super) event_type: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    pub(super) payload: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    pub(super) created_at: Option<&'a RawValue>,
}

impl Row<'_> {
    /// What is kept of this row beside the reason why it is no event.
    pub(super) fn undecodable(&self, error: &Error) -> Undecodable {
        let readable = |column, raw| name(column, raw).ok().map(Cow::into_owned);
        Undecodable {
            reason: error.to_string(),
            event_id: readable("event_id", self.event_id),
            event_type: readable("event_type", self.event_type),
            aggregate_id: readable("aggregate_id", self.aggregate_id),
        }
    }
}

/// A JSON object and nothing else. What serde derives takes an array of the members' values too, in which any column
/// could stand for any other.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// The raw JSON of a member that is there, null included.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A column that has to hold text with something in it.
pub(super) fn name<'a>(column: &'static str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Error> {
    let text = text(column, raw)?;
    if text.is_empty() { Err(Error::Empty(column)) } else { Ok(text) }
}

/// A column that has to hold text.
pub(super) fn text<'a>(column: &'static str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Error> {
    let raw = raw.ok_or(Error::Missing(column))?;
    match string(raw) {
        Read::NotText => Err(Error::NotText { column, found: kind(raw) }),
        Read::Broken => Err(Error::Surrogate(column)),
        Read::Text(text) if text == UNAVAILABLE => Err(Error::Unavailable(column)),
        Read::Text(text) => Ok(text),
    }
}

/// The row's place in the outbox: a whole number, or the same as text.
pub(super) fn sequence(raw: Option<&RawValue>) -> Result<Option<String>, Error> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(None) };
    let digits = match string(raw) {
        Read::Text(text) => text,
        Read::NotText => Cow::Borrowed(raw.get()),
        Read::Broken => return Err(Error::Sequence(kind(raw))),
    };
    if is_whole(&digits) { Ok(Some(digits.into_owned())) } else { Err(Error::Sequence(kind(raw))) }
}

/// Whether this is decimal digits, after a minus or not.
pub(super) fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A JSON string's text.
pub(super) enum Read<'a> {
    Text(Cow<'a, str>),
    /// An escape in it stands for no character.
    Broken,
    /// It is another kind of JSON.
    NotText,
}

pub(super) fn string(raw: &RawValue) -> Read<'_> {
    let Some(inner) = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return Read::NotText };
    if !inner.contains('\\') {
        return Read::Text(Cow::Borrowed(inner));
    }
    match serde_json::from_str(raw.get()) {
        Ok(text) => Read::Text(Cow::Owned(text)),
        Err(_) => Read::Broken,
    }
}

/// What kind of JSON this is, for people.
pub(super) fn kind(raw: &RawValue) -> &'static str {
    kind_of(raw.get())
}

/// The same of JSON text without white space before it.
pub(super) fn kind_of(json: &str) -> &'static str {
    match json.bytes().next() {
        Some(b'"') => "a text",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).expect("the test's text is JSON")
    }

    #[test]
    fn null_and_absent_are_told_apart() {
        let row: Row<'_> = serde_json::from_str(r#"{"payload": null, "other": [1]}"#).expect("a row");
        assert_eq!(row.payload.map(RawValue::get), Some("null"));
        assert!(row.event_id.is_none());
    }

    #[test]
    fn an_array_is_no_row() {
        assert!(serde_json::from_str::<Row<'_>>(r#"["e"]"#).is_ok());
        assert!(serde_json::from_str::<Object<Row<'_>>>(r#"["e"]"#).is_err());
        assert!(serde_json::from_str::<Object<Row<'_>>>(r#"{"event_id":"e"}"#).is_ok());
    }

    #[test]
    fn text_is_unescaped() {
        let given = |json| text("event_id", Some(raw(json))).map(Cow::into_owned).map_err(|error| error.to_string());
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
        assert!(name("event_id", Some(raw("\"\""))).is_err());
        assert!(given(r#""__debezium_unavailable_value""#).is_err());
        assert!(given(r#""__debezium\u005funavailable_value""#).is_err());
    }

    #[test]
    fn a_sequence_keeps_its_digits() {
        let given = |json| sequence(Some(raw(json))).map_err(|error| error.to_string());
        assert_eq!(given("12345678901234567890"), Ok(Some("12345678901234567890".to_owned())));
        assert_eq!(given("-5"), Ok(Some("-5".to_owned())));
        assert_eq!(given(r#""007""#), Ok(Some("007".to_owned())));
        assert_eq!(given("null"), Ok(None));
        assert!(matches!(sequence(None), Ok(None)));
        for json in ["1.0", "1e3", "{}", "[1]", "true", r#""""#, r#""-""#, r#""x""#, r#"{"scale":0,"value":"AQ=="}"#] {
            assert!(given(json).is_err(), "{json}");
        }
    }
}
