//! MongoDB's twelve-byte id.

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::ser;

/// Twelve bytes, written as 24 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 12]);

/// The error for a text that is not an `ObjectId`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectIdError(String);

impl fmt::Display for ObjectIdError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not an ObjectId of 24 hexadecimal digits", self.0)
    }
}

impl std::error::Error for ObjectIdError {}

impl ObjectId {
    /// Makes an id from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// Returns the id's bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 12] {
        self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    fn from_str(text: &str) -> Result<Self, ObjectIdError> {
        let wrong = || ObjectIdError(text.to_owned());
        if text.len() != 24 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 12];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// Serialises as in Extended JSON.
impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Wrapped(ObjectId);
        impl Serialize for Wrapped {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("$oid", &self.0.to_string())?;
                map.end()
            }
        }
        serializer.serialize_newtype_struct(ser::EXTENDED, &Wrapped(*self))
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let json = Json::deserialize(deserializer)?;
        let text = match &json {
            Json::String(text) => Some(text.as_str()),
            Json::Object(fields) if fields.len() == 1 => fields.get("$oid").and_then(Json::as_str),
            _ => None,
        };
        text.ok_or_else(|| D::Error::custom("expected an ObjectId of 24 hexadecimal digits"))?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_back() {
        let text = "0123456789abcdef01234567";
        let id: ObjectId = text.parse().expect("an id");
        assert_eq!(id.to_string(), text);
        assert_eq!(id.bytes()[1], 0x23);
        assert!("0123".parse::<ObjectId>().is_err());
        assert!("+123456789abcdef01234567".parse::<ObjectId>().is_err());
    }
}
