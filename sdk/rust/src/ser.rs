//! Documents from types that serde can serialise. Numbers keep their widths.

mod compound;

use serde::ser::{Error as _, Serialize};
use serde_json::Number;

use crate::{Document, Reject, ToValue, Value, private_keys};
use compound::{Elements, Fields, Tagged};

/// The name of the newtype by which this crate's own types say that the object inside is Extended JSON, not data.
pub(crate) const EXTENDED: &str = "$weir::extended";
/// The names under which `serde_json` passes a number's text and a raw value's.
const JSON_NUMBER: &str = "$serde_json::private::Number";
const JSON_RAW: &str = "$serde_json::private::RawValue";

/// Returns the document of a value that serialises as a map or a struct.
///
/// # Errors
///
/// If it serialises as something else, or fails to serialise.
pub fn to_document<T: Serialize + ?Sized>(value: &T) -> Result<Document, Reject> {
    match to_value(value)? {
        Value::Document(document) => Ok(document),
        other => Err(Reject::new(format!("a document is a map or a struct, not {other:?}"))),
    }
}

/// Returns the value of anything that serialises.
///
/// # Errors
///
/// If it fails to serialise.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, Reject> {
    value.serialize(ToValues { extended: false }).map_err(|error| Reject::new(error.to_string()))
}

/// The serialiser. `extended` is set inside a type of this crate's own.
#[derive(Clone, Copy)]
struct ToValues {
    extended: bool,
}

type Error = serde::de::value::Error;

/// Methods that turn one primitive type into a value.
macro_rules! primitives {
    ($($method:ident($type:ty)),+ $(,)?) => {
        $(fn $method(self, value: $type) -> Result<Value, Error> {
            Ok(value.to_value())
        })+
    };
}

impl serde::Serializer for ToValues {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Tagged<Elements>;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Tagged<Fields>;

    primitives! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_f32(f32), serialize_f64(f64), serialize_char(char), serialize_str(&str),
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, Error> {
        Ok(value.to_value())
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<Value, Error> {
        Ok(variant.to_value())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Value, Error> {
        value.serialize(Self { extended: self.extended || name == EXTENDED })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        Ok(Value::Document([(variant, value.serialize(self)?)].into_iter().collect()))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Elements, Error> {
        Ok(Elements::new(self))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Elements, Error> {
        Ok(Elements::new(self))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Elements, Error> {
        Ok(Elements::new(self))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Tagged<Elements>, Error> {
        Ok(Tagged { variant, inner: Elements::new(self) })
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Fields, Error> {
        Ok(Fields::new(self))
    }

    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Fields, Error> {
        Ok(Fields::of_struct(self, name))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Tagged<Fields>, Error> {
        Ok(Tagged { variant, inner: Fields::new(self) })
    }
}

/// Returns the text of a map's key. Keys that are numbers or booleans are written out, as in JSON.
fn key<T: Serialize + ?Sized>(key: &T) -> Result<String, Error> {
    match key.serialize(ToValues { extended: false })? {
        Value::String(text) => Ok(text),
        Value::Int32(number) => Ok(number.to_string()),
        Value::Int64(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        other => Err(Error::custom(format!("a document's key is a text, not {other:?}"))),
    }
}

/// Returns the value of a `serde_json` number or raw value, which passes itself as a struct of that name with a text.
fn from_json_token(name: &str, text: &Value) -> Result<Option<Value>, Error> {
    let Value::String(text) = text else { return Ok(None) };
    match name {
        JSON_NUMBER => text.parse::<Number>().map(|number| Some(Value::number(&number))).map_err(Error::custom),
        JSON_RAW => {
            private_keys::read::<serde_json::Value>(text).map(|json| Some(json.to_value())).map_err(Error::custom)
        }
        _ => Ok(None),
    }
}

/// Serialises as in Extended JSON.
impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let as_json = |document: &Document| crate::extended::to_json(document);
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Int32(number) => serializer.serialize_i32(*number),
            Self::Int64(number) => serializer.serialize_i64(*number),
            Self::Double(number) => serializer.serialize_f64(*number),
            Self::Decimal(number) => number.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::DateTime(time) => time.serialize(serializer),
            Self::ObjectId(id) => id.serialize(serializer),
            Self::Array(elements) => serializer.collect_seq(elements),
            Self::Document(document) => document.serialize(serializer),
            Self::Other(document) => serializer.serialize_newtype_struct(EXTENDED, &as_json(document)),
            Self::Refused(reason) => Err(serde::ser::Error::custom(reason)),
        }
    }
}

impl Serialize for Document {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Body<'a>(&'a Document);
        impl Serialize for Body<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter())
            }
        }
        serializer.serialize_newtype_struct(EXTENDED, &Body(self))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::value::RawValue;

    use super::*;
    use crate::{DateTime, ObjectId, doc};

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Plain,
        Sized(i64),
        Named { a: i32 },
        Pair(i32, f64),
    }

    #[derive(Serialize)]
    struct Inner {
        at: DateTime,
        id: ObjectId,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<i32>,
        null: Option<i32>,
    }

    #[derive(Serialize)]
    struct Outer {
        small: i32,
        wide: i64,
        double: f64,
        inner: Inner,
        kinds: Vec<Kind>,
        json: serde_json::Value,
        raw: Box<RawValue>,
        document: Document,
        by_number: BTreeMap<u8, bool>,
    }

    #[test]
    fn types_keep_their_widths() {
        let at = DateTime::from_millis(5);
        let id = ObjectId::from_bytes([1; 12]);
        let outer = Outer {
            small: 1,
            wide: 1,
            double: 1.0,
            inner: Inner { at, id, absent: None, null: None },
            kinds: vec![Kind::Plain, Kind::Sized(1), Kind::Named { a: 1 }, Kind::Pair(1, 2.0)],
            json: serde_json::from_str("[7, 1.50]").expect("JSON"),
            raw: RawValue::from_string("{\"n\":8}".to_owned()).expect("JSON"),
            document: doc! { "at": at, "big": 1_i64, "set": { "$set": 1 } },
            by_number: BTreeMap::from([(1, true)]),
        };
        let number = Value::Number("1.50".parse().expect("a number"));
        assert_eq!(
            to_document(&outer).expect("nothing is refused"),
            doc! {
                "small": 1, "wide": 1_i64, "double": 1.0,
                "inner": { "at": at, "id": id, "null": null },
                "kinds": ["plain", { "sized": 1_i64 }, { "named": { "a": 1 } }, { "pair": [1, 2.0] }],
                "json": [7, number], "raw": { "n": 8 },
                "document": { "at": at, "big": 1_i64, "set": { "$set": 1 } },
                "by_number": { "1": true },
            }
        );
    }

    #[test]
    fn data_with_a_dollar_key_is_refused() {
        let map = BTreeMap::from([("a", BTreeMap::from([("$date", 1)]))]);
        let document = to_document(&map).expect("a document");
        assert!(matches!(document.get("a"), Some(Value::Refused(_))));
        for key in [JSON_NUMBER, JSON_RAW] {
            let value = to_value(&BTreeMap::from([(key, "1")])).expect("a value");
            assert!(matches!(&value, Value::Refused(reason) if reason.contains(key)), "{value:?}");
        }
    }

    #[test]
    fn a_raw_value_with_a_key_of_serde_jsons_own_is_refused() {
        let text = format!("{{\"{JSON_RAW}\":\"[1]\"}}");
        assert!(to_value(&RawValue::from_string(text).expect("JSON")).is_err());
    }

    #[test]
    fn only_maps_are_documents() {
        assert!(to_document(&[1]).is_err());
    }
}
