//! Lists, maps and structs while they become values.

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{Error, ToValues, from_json_token, key};
use crate::{DateTime, Document, Value};

/// A list being filled.
pub(super) struct Elements {
    serializer: ToValues,
    elements: Vec<Value>,
}

impl Elements {
    pub(super) fn new(serializer: ToValues) -> Self {
        Self { serializer, elements: Vec::new() }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.elements.push(value.serialize(self.serializer)?);
        Ok(())
    }

    fn finish(self) -> Value {
        Value::Array(self.elements)
    }
}

/// A document being filled.
pub(super) struct Fields {
    serializer: ToValues,
    document: Document,
    key: Option<String>,
    /// The struct's name, if it is one.
    name: &'static str,
}

impl Fields {
    pub(super) fn new(serializer: ToValues) -> Self {
        Self::of_struct(serializer, "")
    }

    pub(super) fn of_struct(serializer: ToValues, name: &'static str) -> Self {
        Self { serializer, document: Document::new(), key: None, name }
    }

    fn insert<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), Error> {
        self.document.insert(key, value.serialize(self.serializer)?);
        Ok(())
    }

    /// Returns the finished value. An object with a `$` in front is Extended JSON if this crate wrote it, and is
    /// refused if it is data.
    fn finish(self) -> Result<Value, Error> {
        let Some((name, first)) = self.document.iter().next() else { return Ok(Value::Document(self.document)) };
        // A map of data may have a key of that name.
        if let Some(value) = from_json_token(self.name, first)? {
            return Ok(value);
        }
        if self.serializer.extended {
            return Ok(typed(name, first).unwrap_or(Value::Document(self.document)));
        }
        let refused = self.document.iter().map(|(key, _)| key).find(|key| key.starts_with('$')).map(Value::dollar);
        Ok(refused.unwrap_or(Value::Document(self.document)))
    }
}

/// Returns the value that an object of this crate's own types represents.
fn typed(name: &str, inner: &Value) -> Option<Value> {
    match (name, inner) {
        ("$numberLong", Value::String(digits)) => digits.parse().ok().map(Value::Int64),
        ("$numberDecimal", Value::String(digits)) => digits.parse().ok().map(Value::Decimal),
        ("$oid", Value::String(digits)) => digits.parse().ok().map(Value::ObjectId),
        ("$date", Value::Int64(millis)) => Some(Value::DateTime(DateTime::from_millis(*millis))),
        _ => None,
    }
}

/// A variant of an enum with its content.
pub(super) struct Tagged<T> {
    pub(super) variant: &'static str,
    pub(super) inner: T,
}

fn tag(variant: &'static str, value: Value) -> Value {
    Value::Document([(variant, value)].into_iter().collect())
}

impl SerializeSeq for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.push(value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.finish())
    }
}

impl SerializeTuple for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.push(value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.finish())
    }
}

impl SerializeTupleStruct for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.push(value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.finish())
    }
}

impl SerializeTupleVariant for Tagged<Elements> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.inner.push(value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(tag(self.variant, self.inner.finish()))
    }
}

impl SerializeMap for Fields {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Error> {
        self.key = Some(key(name)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::custom("a map's value came before its key"))?;
        self.insert(key, value)
    }

    fn end(self) -> Result<Value, Error> {
        self.finish()
    }
}

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.document.insert(name, value.serialize(self.serializer)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        self.finish()
    }
}

impl SerializeStructVariant for Tagged<Fields> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        SerializeStruct::serialize_field(&mut self.inner, name, value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(tag(self.variant, self.inner.finish()?))
    }
}
