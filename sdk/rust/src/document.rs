//! A document: fields in their order, and the literals `doc! {}` and `array![]`.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;

use crate::{Given, ToValue, Value, extended};

/// A field's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Cow<'static, str>);

impl Key {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Key {
    fn from(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

impl From<String> for Key {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl From<&String> for Key {
    fn from(name: &String) -> Self {
        Self(Cow::Owned(name.clone()))
    }
}

/// Fields in their order, each name once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    fields: Vec<(Key, Value)>,
}

impl Document {
    /// Makes a document without fields.
    #[must_use]
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// Sets a field: in its place if the document has it, at the end otherwise.
    pub fn insert(&mut self, key: impl Into<Key>, value: impl ToValue) {
        self.put(key.into(), value.to_value());
    }

    /// Sets a field if the value is given: `Some`, or a [`Field`](crate::Field) that the payload has.
    pub fn insert_given(&mut self, key: impl Into<Key>, value: &impl Given) {
        if let Some(value) = value.given() {
            self.put(key.into(), value);
        }
    }

    fn put(&mut self, key: Key, value: Value) {
        match self.fields.iter_mut().find(|(name, _)| *name == key) {
            Some((_, place)) => *place = value,
            None => self.fields.push((key, value)),
        }
    }

    /// Returns the value of a field.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| name.as_str() == key).map(|(_, value)| value)
    }

    /// Returns the value at a path such as `metadata.created_at` or `list.0.user_id`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Value> {
        let mut steps = path.split('.');
        let first = self.get(steps.next()?)?;
        steps.try_fold(first, |value, step| match value {
            Value::Document(document) => document.get(step),
            Value::Array(elements) => elements.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Removes a field and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.fields.iter().position(|(name, _)| name.as_str() == key)?;
        Some(self.fields.remove(place).1)
    }

    /// Returns whether the document has the field.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Returns whether the document has no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns the fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Reads the document into another type.
    ///
    /// # Errors
    ///
    /// If the document does not fit the type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(extended::to_json(self))
    }
}

impl<K: Into<Key>, V: ToValue> FromIterator<(K, V)> for Document {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(fields: I) -> Self {
        let mut document = Self::new();
        for (key, value) in fields {
            document.insert(key, value);
        }
        document
    }
}

impl AsRef<Document> for Document {
    fn as_ref(&self) -> &Document {
        self
    }
}

/// Writes the document as Extended JSON.
impl fmt::Display for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match extended::render_document(self) {
            Ok(text) => formatter.write_str(&text),
            Err(reason) => write!(formatter, "<{reason}>"),
        }
    }
}

/// Makes a document: `doc! { "_id": id, "at": now(), "list": [1, 2], "inner": { "none": null } }`.
///
/// A value is anything that implements [`ToValue`](crate::ToValue), taken by reference. A key is a literal, a name, or
/// an expression in parentheses.
#[macro_export]
macro_rules! doc {
    ($($body:tt)*) => {{
        #[allow(unused_mut)]
        let mut document = $crate::Document::new();
        $crate::__fields!(document; $($body)*);
        document
    }};
}

/// Makes a list of values of any kind: `array![1, "two", { "three": 3 }, null]`.
#[macro_export]
macro_rules! array {
    ($($body:tt)*) => {{
        #[allow(unused_mut)]
        let mut elements = ::std::vec::Vec::<$crate::Value>::new();
        $crate::__elements!(elements; $($body)*);
        elements
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __fields {
    ($document:ident;) => {};
    ($document:ident; $key:tt : null $(, $($rest:tt)*)?) => {
        $document.insert($key, $crate::Value::Null);
        $crate::__fields!($document; $($($rest)*)?);
    };
    ($document:ident; $key:tt : { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $document.insert($key, $crate::doc!($($inner)*));
        $crate::__fields!($document; $($($rest)*)?);
    };
    ($document:ident; $key:tt : [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $document.insert($key, $crate::array!($($inner)*));
        $crate::__fields!($document; $($($rest)*)?);
    };
    ($document:ident; $key:tt : $value:expr $(, $($rest:tt)*)?) => {
        $document.insert($key, &$value);
        $crate::__fields!($document; $($($rest)*)?);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __elements {
    ($elements:ident;) => {};
    ($elements:ident; null $(, $($rest:tt)*)?) => {
        $elements.push($crate::Value::Null);
        $crate::__elements!($elements; $($($rest)*)?);
    };
    ($elements:ident; { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $elements.push($crate::Value::Document($crate::doc!($($inner)*)));
        $crate::__elements!($elements; $($($rest)*)?);
    };
    ($elements:ident; [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $elements.push($crate::Value::Array($crate::array!($($inner)*)));
        $crate::__elements!($elements; $($($rest)*)?);
    };
    ($elements:ident; $value:expr $(, $($rest:tt)*)?) => {
        $elements.push($crate::ToValue::to_value(&$value));
        $crate::__elements!($elements; $($($rest)*)?);
    };
}

#[cfg(test)]
mod tests {
    use crate::{Document, Value};

    #[test]
    fn literals_nest() {
        let name = String::from("ada");
        let document = doc! {
            "name": name, "none": null, "list": [1, { "two": 2 }, [3.0], null, name], "inner": { "a": { } },
            ("k".to_owned() + "ey"): 1 + 1,
        };
        assert_eq!(
            document.to_string(),
            r#"{"name":"ada","none":null,"list":[1,{"two":2},[{"$numberDouble":"3.0"}],null,"ada"],"inner":{"a":{}},"key":2}"#
        );
        assert_eq!(name, "ada");
    }

    #[test]
    fn a_name_stands_once() {
        let mut document = doc! { "a": 1, "b": 2 };
        document.insert("a", "x");
        assert_eq!(document, doc! { "a": "x", "b": 2 });
        assert_eq!(document.remove("b"), Some(Value::Int32(2)));
        assert_eq!(document.len(), 1);
    }

    #[test]
    fn paths_reach_into_lists() {
        let document = doc! { "list": [{ "id": "a" }, { "id": "b" }] };
        assert_eq!(document.at("list.1.id").and_then(Value::as_str), Some("b"));
        assert_eq!(document.at("list.2.id"), None);
        assert_eq!(document.at("none"), None);
    }

    #[test]
    fn given_values_only() {
        let mut document = Document::new();
        document.insert_given("a", &Some(1));
        document.insert_given("b", &None::<i32>);
        assert_eq!(document, doc! { "a": 1 });
    }

    #[test]
    fn becomes_a_type() {
        #[derive(serde::Deserialize)]
        struct Count {
            n: i64,
            at: crate::DateTime,
        }
        let at = crate::DateTime::from_millis(-1);
        let count: Count = doc! { "n": 7_i64, "at": at }.to().expect("the fields are there");
        assert_eq!((count.n, count.at), (7, at));
    }
}
