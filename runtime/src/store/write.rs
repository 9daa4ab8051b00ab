//! A write as a handler asked for it: checked, in raw BSON, and ready to stand in a command.

use std::sync::Arc;

use bson::{RawBsonRef, RawDocumentBuf, spec::BinarySubtype};

/// Which of MongoDB's commands carries a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `insert`: a statement is a document, with its `_id`.
    Insert,
    /// `update`: a statement is `{q, u, multi, upsert, …}`.
    Update,
    /// `delete`: a statement is `{q, limit, …}`.
    Delete,
}

/// One write of one delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The collection's name in `MONGODB_DATABASE`.
    pub collection: Arc<str>,
    /// The command that carries it.
    pub kind: Kind,
    /// What stands in the command's array: one, except for `insert-many`.
    pub statements: Vec<RawDocumentBuf>,
    /// The one document that it can touch, where it names a single `_id`; none where it might touch others.
    pub id: Option<IdKey>,
    /// An `update-many` or `delete-many`.
    pub multi: bool,
    /// Inserts where nothing matches.
    pub upsert: bool,
    /// The delivery fails where nothing matches.
    pub must_match: bool,
}

impl Write {
    /// The statements' size in BSON.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.statements.iter().map(|statement| statement.as_bytes().len()).sum()
    }
}

/// What a write did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effect {
    /// Documents inserted by an insert.
    pub inserted: u64,
    /// Documents that an update's filter matched.
    pub matched: u64,
    /// Documents that an update changed.
    pub modified: u64,
    /// Documents deleted.
    pub deleted: u64,
    /// The `_id`, where an upsert inserted.
    pub upserted_id: Option<bson::Bson>,
}

/// An `_id` in a form in which two are equal exactly where MongoDB's are.
///
/// Only types whose equality is plain have one: MongoDB holds 1, 1.0 and `NumberLong(1)` for the same `_id`, and what
/// has no key counts as "might be any document".
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdKey(Vec<u8>);

impl IdKey {
    /// The key of an `_id`, where its type has one.
    #[must_use]
    pub fn of(id: RawBsonRef<'_>) -> Option<Self> {
        let (tag, bytes): (u8, &[u8]) = match &id {
            RawBsonRef::String(text) => (1, text.as_bytes()),
            RawBsonRef::ObjectId(oid) => return Some(Self::tagged(2, &oid.bytes())),
            RawBsonRef::Binary(binary) if binary.subtype != BinarySubtype::BinaryOld => {
                let mut bytes = vec![u8::from(binary.subtype)];
                bytes.extend_from_slice(binary.bytes);
                return Some(Self::tagged(3, &bytes));
            }
            RawBsonRef::Boolean(value) => return Some(Self::tagged(4, &[u8::from(*value)])),
            RawBsonRef::DateTime(date) => return Some(Self::tagged(5, &date.timestamp_millis().to_be_bytes())),
            RawBsonRef::Int32(number) => return Some(Self::tagged(6, &i64::from(*number).to_be_bytes())),
            RawBsonRef::Int64(number) => return Some(Self::tagged(6, &number.to_be_bytes())),
            _ => return None,
        };
        Some(Self::tagged(tag, bytes))
    }

    fn tagged(tag: u8, bytes: &[u8]) -> Self {
        let mut key = Vec::with_capacity(bytes.len() + 1);
        key.push(tag);
        key.extend_from_slice(bytes);
        Self(key)
    }
}
