//! One value of a document, and the types that can become one.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Number, Value as Json};

use crate::{DateTime, Decimal, Document, ObjectId};

/// A value as MongoDB stores it.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Value {
    /// Null.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer of 32 bits.
    Int32(i32),
    /// An integer of 64 bits.
    Int64(i64),
    /// A double.
    Double(f64),
    /// A decimal of 34 digits.
    Decimal(Decimal),
    /// A payload's number that no type above preserves digit by digit. The host decides whether it can be stored.
    Number(Number),
    /// A text.
    String(String),
    /// A point in time.
    DateTime(DateTime),
    /// An `ObjectId`.
    ObjectId(ObjectId),
    /// A list.
    Array(Vec<Value>),
    /// A document within a document.
    Document(Document),
    /// A value of a type that has no variant here, such as binary data, as its Extended JSON object.
    Other(Document),
    /// The reason why a value cannot be part of a document. A call that is given it is refused.
    Refused(String),
}

impl Value {
    /// Returns the text, if the value is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the integer, if the value is one of 32 or 64 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int32(number) => Some(i64::from(*number)),
            Self::Int64(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the double, or an integer of 32 bits as a double.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Double(number) => Some(*number),
            Self::Int32(number) => Some(f64::from(*number)),
            _ => None,
        }
    }

    /// Returns the boolean, if the value is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Returns the point in time, if the value is one.
    #[must_use]
    pub fn as_datetime(&self) -> Option<DateTime> {
        match self {
            Self::DateTime(time) => Some(*time),
            _ => None,
        }
    }

    /// Returns the elements, if the value is a list.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// Returns the document, if the value is one.
    #[must_use]
    pub fn as_document(&self) -> Option<&Document> {
        match self {
            Self::Document(document) => Some(document),
            _ => None,
        }
    }

    /// Returns whether the value is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns the value of plain JSON, in which a `$` has no meaning. An object with a key that starts with `$` would
    /// turn into an operator or another type on its way, so it becomes [`Value::Refused`].
    fn plain(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => Self::number(number),
            Json::String(text) => Self::String(text.clone()),
            Json::Array(elements) => Self::Array(elements.iter().map(Self::plain).collect()),
            Json::Object(fields) => match fields.keys().find(|key| key.starts_with('$')) {
                Some(key) => Self::dollar(key),
                None => Self::Document(fields.iter().map(|(key, value)| (key.clone(), Self::plain(value))).collect()),
            },
        }
    }

    /// Returns a refused value, for data with such a key.
    pub(crate) fn dollar(key: &str) -> Self {
        Self::Refused(format!(
            "data has the key `{key}`, and a key that starts with `$` would be taken for an operator"
        ))
    }

    /// Returns the number with every digit of its text.
    pub(crate) fn number(number: &Number) -> Self {
        let text = number.as_str();
        // No integer keeps the sign of a zero; the host turns it into a double.
        if let Ok(whole) = text.parse::<i64>()
            && text != "-0"
        {
            return i32::try_from(whole).map_or(Self::Int64(whole), Self::Int32);
        }
        match text.parse::<f64>() {
            Ok(double) if format!("{double:?}") == text => Self::Double(double),
            _ => Self::Number(number.clone()),
        }
    }
}

/// Makes a value literal in a pipeline update or an expression. Otherwise a text that starts with `$` would be a path.
pub fn literal(value: impl ToValue) -> Value {
    let mut document = Document::new();
    document.insert("$literal", value);
    Value::Document(document)
}

/// A type that `doc! {}` accepts. It is taken by reference, so you need not clone it.
pub trait ToValue {
    /// Returns the value.
    fn to_value(&self) -> Value;
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue + ?Sized> ToValue for Box<T> {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: ToValue> ToValue for [T] {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(ToValue::to_value).collect())
    }
}

impl<T: ToValue, const N: usize> ToValue for [T; N] {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<T: ToValue> ToValue for BTreeMap<String, T> {
    fn to_value(&self) -> Value {
        entries(self.iter())
    }
}

impl<T: ToValue, S> ToValue for HashMap<String, T, S> {
    /// Sorts the fields by name, so that every run of a delivery writes the same.
    fn to_value(&self) -> Value {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        entries(sorted.into_iter())
    }
}

/// Makes a document of data, whose keys have no meaning.
fn entries<'a, T: ToValue + 'a>(entries: impl Iterator<Item = (&'a String, &'a T)> + Clone) -> Value {
    match entries.clone().find(|(key, _)| key.starts_with('$')) {
        Some((key, _)) => Value::dollar(key),
        None => Value::Document(entries.map(|(key, value)| (key.clone(), value.to_value())).collect()),
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl ToValue for Document {
    fn to_value(&self) -> Value {
        Value::Document(self.clone())
    }
}

impl ToValue for Json {
    fn to_value(&self) -> Value {
        Value::plain(self)
    }
}

impl ToValue for serde_json::Map<String, Json> {
    fn to_value(&self) -> Value {
        Value::plain(&Json::Object(self.clone()))
    }
}

impl ToValue for Number {
    fn to_value(&self) -> Value {
        Value::number(self)
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::String(self.to_owned())
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        Value::String(self.clone())
    }
}

impl ToValue for Cow<'_, str> {
    fn to_value(&self) -> Value {
        Value::String(self.as_ref().to_owned())
    }
}

impl ToValue for u64 {
    fn to_value(&self) -> Value {
        i64::try_from(*self).map_or_else(|_| Value::Number(Number::from(*self)), Value::Int64)
    }
}

impl ToValue for usize {
    fn to_value(&self) -> Value {
        (*self as u64).to_value()
    }
}

/// Types that a variant holds directly.
macro_rules! held {
    ($($variant:ident: $($type:ty),+;)+) => {
        $($(impl ToValue for $type {
            fn to_value(&self) -> Value {
                Value::$variant((*self).into())
            }
        })+)+
    };
}

held! {
    Bool: bool;
    Int32: i8, i16, i32, u8, u16;
    Int64: i64, u32;
    Double: f32, f64;
    DateTime: DateTime;
    ObjectId: ObjectId;
    String: char;
}

impl ToValue for Decimal {
    fn to_value(&self) -> Value {
        Value::Decimal(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doc;

    fn plain(text: &str) -> Value {
        serde_json::from_str::<Json>(text).expect("JSON").to_value()
    }

    #[test]
    fn rust_types_keep_their_width() {
        assert_eq!(1_i32.to_value(), Value::Int32(1));
        assert_eq!(1_i64.to_value(), Value::Int64(1));
        assert_eq!(1_u32.to_value(), Value::Int64(1));
        assert_eq!(1.0_f64.to_value(), Value::Double(1.0));
        assert_eq!(u64::MAX.to_value(), Value::Number(Number::from(u64::MAX)));
        assert_eq!(None::<String>.to_value(), Value::Null);
    }

    #[test]
    fn plain_numbers_keep_every_digit() {
        assert_eq!(plain("50"), Value::Int32(50));
        assert_eq!(plain("5000000000"), Value::Int64(5_000_000_000));
        assert_eq!(plain("1.5"), Value::Double(1.5));
        for text in ["1.50", "1e+2", "0.12345678901234567890", "9223372036854775808", "-0", "0.10000000000000001"] {
            let Value::Number(number) = plain(text) else { panic!("{text} is not kept") };
            assert_eq!(number.as_str(), text);
        }
    }

    #[test]
    fn data_with_a_dollar_key_is_refused_at_any_depth() {
        assert!(matches!(json!({"$ne": null}).to_value(), Value::Refused(_)));
        let Value::Array(elements) = json!([{"a": {"$date": 0}}]).to_value() else { panic!("not a list") };
        let inner = elements[0].as_document().and_then(|document| document.get("a"));
        assert!(matches!(inner, Some(Value::Refused(reason)) if reason.contains("`$date`")));
        let map = BTreeMap::from([("$oid".to_owned(), 1)]);
        assert!(matches!(map.to_value(), Value::Refused(_)));
    }

    #[test]
    fn a_literal_is_wrapped() {
        assert_eq!(literal("$name"), Value::Document(doc! { "$literal": "$name" }));
    }
}
