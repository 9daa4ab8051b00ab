//! The difference between a key that a payload lacks and one that is null.

use serde::{Deserialize, Deserializer};

use crate::{ToValue, Value};

/// A payload's key: absent, null, or with a value. The payload's type needs `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// The payload has no such key.
    #[default]
    Absent,
    /// The key is present, and null.
    Null,
    /// The key's value.
    Value(T),
}

impl<T> Field<T> {
    /// Returns whether the payload has no such key.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns the value, if there is one that is not null.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<T>::deserialize(deserializer).map(|value| value.map_or(Self::Null, Self::Value))
    }
}

/// A value that may be given or not; see [`Document::insert_given`](crate::Document::insert_given).
pub trait Given {
    /// Returns the value, if it is given.
    fn given(&self) -> Option<Value>;
}

impl<T: ToValue> Given for Option<T> {
    fn given(&self) -> Option<Value> {
        self.as_ref().map(ToValue::to_value)
    }
}

impl<T: ToValue> Given for Field<T> {
    fn given(&self) -> Option<Value> {
        match self {
            Self::Absent => None,
            Self::Null => Some(Value::Null),
            Self::Value(value) => Some(value.to_value()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_not_null() {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Payload {
            a: Field<i32>,
            b: Field<i32>,
            c: Field<i32>,
        }
        let payload: Payload = serde_json::from_str(r#"{"b": null, "c": 1}"#).expect("a payload");
        assert_eq!((payload.a.given(), payload.b.given()), (None, Some(Value::Null)));
        assert_eq!(payload.c.value(), Some(&1));
        assert!(payload.a.is_absent());
    }
}
