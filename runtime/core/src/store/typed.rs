//! Between Weir's own documents and the structs that describe them. Pure.

use bson::{Bson, Document};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;

/// Reads a document of one of Weir's own collections.
pub(super) fn read<T: DeserializeOwned>(collection: &str, document: Document) -> Result<T, Error> {
    bson::deserialize_from_document(document)
        .map_err(|error| Error::Fault(format!("a document of {collection} in WEIR_DATABASE has another form: {error}")))
}

/// Reads the document that a `findAndModify` returned, if it found one.
pub(super) fn value<T: DeserializeOwned>(collection: &str, mut reply: Document) -> Result<Option<T>, Error> {
    match reply.remove("value") {
        Some(Bson::Document(document)) => read(collection, document).map(Some),
        _ => Ok(None),
    }
}

/// Writes a struct as the value of a field.
pub(super) fn bson(value: &impl Serialize) -> Bson {
    let written = bson::serialize_to_bson(value);
    debug_assert!(written.is_ok(), "structs of the store have text keys and values that BSON has: {written:?}");
    written.unwrap_or(Bson::Null)
}

/// Milliseconds since 1970, which are a date in MongoDB.
pub(super) mod date {
    use bson::DateTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(in super::super) fn serialize<S: Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        DateTime::from_millis(*ms).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        DateTime::deserialize(deserializer).map(DateTime::timestamp_millis)
    }
}

/// The same, or null.
pub(super) mod optional_date {
    use bson::DateTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference")]
    pub(in super::super) fn serialize<S: Serializer>(ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        ms.map(DateTime::from_millis).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        Option::<DateTime>::deserialize(deserializer).map(|date| date.map(DateTime::timestamp_millis))
    }
}
