//! Turns a call of `documents` into a read or a write in raw BSON, or refuses it.
//!
//! This is the only way from a handler's text to a statement. The text is parsed by [`super::ejson`] and checked
//! against the lists of [`super::operators`], and it may use only the options that the contract names. Before that,
//! [`super::grants`] decides whether the handler may use the collection.
//!
//! Invariant: the same call with the same origin gives the same bytes, whenever it is made. So MongoDB never makes up
//! an `_id`.

mod options;
mod read;
mod write;

#[cfg(test)]
#[path = "request_test.rs"]
mod tests;

use std::sync::Arc;

use bson::oid::ObjectId;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use sha2::{Digest, Sha256};

use super::ejson::{self, MAX_BYTES, shown};
use super::operators::Objection;
use super::refusal::Refusal;
use crate::cut;
use crate::documents::Expressions;
use crate::store::IdKey;

pub use read::find;
pub use write::{delete, insert, replace, update};

/// The most bytes of a message, without its hint.
const MAX_MESSAGE_BYTES: usize = 1_000;

/// The most bytes of an `_id` that is told apart from others. A longer one would be held three times for as long as its
/// delivery's batch, so it counts as any document.
const MAX_KEY_BYTES: usize = 1_024;

/// The functions of `documents`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the contract says what each does")]
pub enum Verb {
    FindOne,
    Find,
    Count,
    InsertOne,
    InsertMany,
    UpdateOne,
    UpdateMany,
    ReplaceOne,
    DeleteOne,
    DeleteMany,
}

impl Verb {
    /// Returns the function's name in the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FindOne => "find-one",
            Self::Find => "find",
            Self::Count => "count",
            Self::InsertOne => "insert-one",
            Self::InsertMany => "insert-many",
            Self::UpdateOne => "update-one",
            Self::UpdateMany => "update-many",
            Self::ReplaceOne => "replace-one",
            Self::DeleteOne => "delete-one",
            Self::DeleteMany => "delete-many",
        }
    }

    /// Returns whether the function writes, and so needs the grant to write.
    #[must_use]
    pub fn writes(self) -> bool {
        !matches!(self, Self::FindOne | Self::Find | Self::Count)
    }

    /// Returns whether one statement of the function may touch several documents.
    fn is_multi(self) -> bool {
        matches!(self, Self::UpdateMany | Self::DeleteMany)
    }
}

/// One call: the function, and the collection that is granted.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The function.
    pub verb: Verb,
    /// The collection.
    pub collection: &'a Arc<str>,
    /// Which expressions the handler may use.
    pub expressions: Expressions,
}

impl Call<'_> {
    /// Returns a refusal that names the call and its argument.
    fn refuse(&self, argument: &str, objection: impl Into<Objection>) -> Refusal {
        let objection = objection.into();
        let mut message = format!("{} on {}: {argument}: {objection}", self.verb.as_str(), self.collection);
        cut::shorten(&mut message, MAX_MESSAGE_BYTES);
        Refusal { hint: objection.hint, ..Refusal::new(objection.code, message) }
    }

    fn parse(&self, argument: &str, text: &str) -> Result<RawDocumentBuf, Refusal> {
        ejson::parse_document(text).map_err(|invalid| self.refuse(argument, invalid))
    }

    fn check_size(&self, argument: &str, bytes: usize) -> Result<(), Refusal> {
        if bytes <= MAX_BYTES {
            return Ok(());
        }
        let message = format!("{bytes} bytes of BSON, more than the {MAX_BYTES} that MongoDB takes at once");
        Err(self.refuse(argument, Objection::limit(message)))
    }
}

/// The origin of a write, from which the missing ids of its documents are derived.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The event's id.
    pub event: &'a str,
    /// The handler's internal id.
    pub handler: &'a str,
    /// The outbox that the event comes from, if it is not the default one.
    pub source: Option<&'a str>,
    /// The write's number in the delivery, from 0.
    pub write: u32,
}

impl Origin<'_> {
    fn id(&self, place: usize) -> ObjectId {
        derived_id(self, u32::try_from(place).unwrap_or(u32::MAX))
    }
}

/// Returns the `_id` of the document at `place` in a write. It is the same in every run of a delivery, and differs from
/// that of every other document.
#[must_use]
pub fn derived_id(origin: &Origin<'_>, place: u32) -> ObjectId {
    let mut hash = Sha256::new();
    // The lengths keep texts apart that have the same bytes when they are joined.
    for text in [Some(origin.event), Some(origin.handler), origin.source].into_iter().flatten() {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(origin.write.to_be_bytes());
    hash.update(place.to_be_bytes());
    let digest = hash.finalize();
    let mut bytes = [0_u8; 12];
    bytes.copy_from_slice(&digest[..12]);
    ObjectId::from_bytes(bytes)
}

/// What a filter says about `_id`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum NamedId<'a> {
    /// It equals this value.
    One(RawBsonRef<'a>),
    /// The filter does not mention it.
    Absent,
    /// Something else, such as a range, or a condition within a clause.
    Otherwise,
}

/// Returns the key of an `_id`, if it is one that is told apart from others.
fn key_of(id: RawBsonRef<'_>) -> Option<IdKey> {
    let bytes = match id {
        RawBsonRef::String(text) => text.len(),
        RawBsonRef::Document(document) => document.as_bytes().len(),
        RawBsonRef::Binary(binary) => binary.bytes.len(),
        _ => 0,
    };
    if bytes <= MAX_KEY_BYTES { IdKey::of(id) } else { None }
}

fn named_id(filter: &RawDocument) -> Result<NamedId<'_>, Objection> {
    let mut named = NamedId::Absent;
    for element in filter {
        let (key, value) = element?;
        match key.as_str() {
            "_id" => named = equality(value)?,
            key if key.starts_with("_id.") && named == NamedId::Absent => named = NamedId::Otherwise,
            "$and" | "$or" | "$nor" if named == NamedId::Absent => {
                for clause in value.as_array().into_iter().flatten() {
                    if let RawBsonRef::Document(clause) = clause?
                        && named_id(clause)? != NamedId::Absent
                    {
                        named = NamedId::Otherwise;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(named)
}

/// Returns the value that a condition on a field asks for, if it asks for just one.
fn equality(value: RawBsonRef<'_>) -> Result<NamedId<'_>, Objection> {
    match value {
        RawBsonRef::RegularExpression(_) => Ok(NamedId::Otherwise),
        RawBsonRef::Document(document) => {
            let mut operators = false;
            for (at, element) in document.into_iter().enumerate() {
                let (key, value) = element?;
                operators |=
                    at == 0 && key.as_str().starts_with('$') && !matches!(key.as_str(), "$ref" | "$id" | "$db");
                if operators && key.as_str() == "$eq" {
                    return Ok(NamedId::One(value));
                }
            }
            Ok(if operators { NamedId::Otherwise } else { NamedId::One(value) })
        }
        value => Ok(NamedId::One(value)),
    }
}

fn unknown_option(verb: Verb, name: &str, known: &[&str]) -> Objection {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Objection::invalid(format!("{} has no option {:?}; it has {known}", verb.as_str(), shown(name)))
}
