//! A call of `documents` becomes a read or a write in raw BSON, or is refused.
//!
//! This is the one way from a handler's text to a statement: parsed by [`super::ejson`], held to the lists of
//! [`super::operators`], with the options that the contract names and no others. Whether the handler is granted the
//! collection is [`super::grants`]'s to say, before.
//!
//! Invariant: the same call with the same origin gives the same bytes, whenever it is made; so no `_id` is left to
//! MongoDB to make up.

mod options;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bson::oid::ObjectId;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use sha2::{Digest, Sha256};

use super::ejson::{self, MAX_BYTES, shown};
use super::operators::Objection;
use super::refusal::Refusal;
use crate::config::Expressions;
use crate::store::IdKey;

pub use read::find;
pub use write::{delete, insert, replace, update};

/// The bytes of a message at most.
const MAX_MESSAGE_BYTES: usize = 1_000;

/// The bytes of an `_id` that is told apart from others. A longer one is held three times as long as its delivery's batch,
/// so it counts as any document.
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
    /// The function's name in the contract.
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

    /// Whether it writes, and so needs the grant for that.
    #[must_use]
    pub fn writes(self) -> bool {
        !matches!(self, Self::FindOne | Self::Find | Self::Count)
    }

    /// Whether one statement of it may touch several documents.
    fn is_multi(self) -> bool {
        matches!(self, Self::UpdateMany | Self::DeleteMany)
    }
}

/// One call: the function, and the collection as it is granted.
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
    /// A refusal that names the call and its argument.
    fn refuse(&self, argument: &str, objection: impl Into<Objection>) -> Refusal {
        let objection = objection.into();
        let mut message = format!("{} on {}: {argument}: {objection}", self.verb.as_str(), self.collection);
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        Refusal { code: objection.code, message }
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

/// What the ids that a write's documents lack are derived from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The event's id.
    pub event: &'a str,
    /// The handler's internal id.
    pub handler: &'a str,
    /// The outbox that the event is of, if it is not the default one.
    pub source: Option<&'a str>,
    /// The write's number in the delivery, from 0.
    pub write: u32,
}

impl Origin<'_> {
    fn id(&self, place: usize) -> ObjectId {
        derived_id(self, u32::try_from(place).unwrap_or(u32::MAX))
    }
}

/// The `_id` of the document at `place` in a write: the same for every run of a delivery, another for every other.
#[must_use]
pub fn derived_id(origin: &Origin<'_>, place: u32) -> ObjectId {
    let mut hash = Sha256::new();
    // The lengths keep two neighbours with the same bytes in all apart.
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

/// What a filter says of `_id`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum NamedId<'a> {
    /// It is this one.
    One(RawBsonRef<'a>),
    /// Nothing.
    Absent,
    /// Something else, such as a range, or something within a clause.
    Otherwise,
}

/// The key of an `_id`, if it is one that is told apart from others.
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

/// The value that a condition on a field asks for, where it asks for just one.
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
