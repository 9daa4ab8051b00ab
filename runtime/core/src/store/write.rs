//! A handler's write, checked, in raw BSON, and ready to be part of a command.

use std::sync::Arc;

use bson::{RawBsonRef, RawDocumentBuf, spec::BinarySubtype};

/// The MongoDB command that carries a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `insert`: a statement is a document with its `_id`.
    Insert,
    /// `update`: a statement is `{q, u, multi, upsert, …}`.
    Update,
    /// `delete`: a statement is `{q, limit, …}`.
    Delete,
}

/// One write of one delivery.
#[allow(clippy::struct_excessive_bools, reason = "what a statement says of itself, each by itself")]
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The collection's name in `MONGODB_DATABASE`.
    pub collection: Arc<str>,
    /// The command that carries it.
    pub kind: Kind,
    /// The entries of the command's array: one, except for `insert-many`.
    pub statements: Vec<RawDocumentBuf>,
    /// The only document that the write can touch, if it names a single `_id`. None if it might touch others.
    pub id: Option<IdKey>,
    /// Whether the filter asks for that `_id` and nothing else, so that it matches if the document exists.
    pub id_only: bool,
    /// Whether this is an `update-many` or `delete-many`.
    pub multi: bool,
    /// Whether it inserts a document if nothing matches.
    pub upsert: bool,
    /// Whether the delivery fails if nothing matches.
    pub must_match: bool,
}

impl Write {
    /// Returns the statements' size in BSON.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.statements.iter().map(|statement| statement.as_bytes().len()).sum()
    }
}

/// The effect of a write.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effect {
    /// The number of documents that an insert inserted.
    pub inserted: u64,
    /// The number of documents that an update's filter matched.
    pub matched: u64,
    /// The number of documents that an update changed.
    pub modified: u64,
    /// The number of documents deleted.
    pub deleted: u64,
    /// The `_id` of a document that an upsert inserted.
    pub upserted_id: Option<bson::Bson>,
}

/// An `_id` in a form in which two are equal exactly if MongoDB treats them as equal.
///
/// MongoDB treats 1, 1.0 and `NumberLong(1)` as the same `_id`, also within a document. Types whose equality is not
/// plain (decimals, texts of other kinds, null) have no key, and an `_id` without a key counts as "might be any
/// document". Keys must not be used in a collection whose default collation treats different texts as equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdKey(Vec<u8>);

impl IdKey {
    /// Returns the key of an `_id`, if its type has one.
    #[must_use]
    pub fn of(id: RawBsonRef<'_>) -> Option<Self> {
        let mut key = Vec::with_capacity(40);
        write_key(&mut key, id)?;
        Some(Self(key))
    }
}

/// Appends a value's key. No key is a prefix of another's.
fn write_key(key: &mut Vec<u8>, id: RawBsonRef<'_>) -> Option<()> {
    match id {
        RawBsonRef::String(text) => write_bytes(key, 1, text.as_bytes()),
        RawBsonRef::ObjectId(oid) => {
            key.push(2);
            key.extend(oid.bytes());
        }
        RawBsonRef::Binary(binary) if binary.subtype != BinarySubtype::BinaryOld => {
            key.extend([3, u8::from(binary.subtype)]);
            write_bytes(key, 3, binary.bytes);
        }
        RawBsonRef::Boolean(value) => key.extend([4, u8::from(value)]),
        RawBsonRef::DateTime(date) => write_number(key, 5, date.timestamp_millis()),
        RawBsonRef::Int32(number) => write_number(key, 6, i64::from(number)),
        RawBsonRef::Int64(number) => write_number(key, 6, number),
        RawBsonRef::Double(number) => match whole(number) {
            Some(whole) => write_number(key, 6, whole),
            None if number.is_nan() => return None,
            None => {
                key.push(7);
                key.extend(number.to_be_bytes());
            }
        },
        RawBsonRef::Document(document) => {
            key.push(8);
            for element in document {
                let (name, value) = element.ok()?;
                write_bytes(key, 9, name.as_str().as_bytes());
                write_key(key, value)?;
            }
            key.push(10);
        }
        _ => return None,
    }
    Some(())
}

fn write_bytes(key: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    key.push(tag);
    key.extend((bytes.len() as u64).to_be_bytes());
    key.extend_from_slice(bytes);
}

fn write_number(key: &mut Vec<u8>, tag: u8, number: i64) {
    key.push(tag);
    key.extend(number.to_be_bytes());
}

/// Returns the integer that a double equals, if it fits in 64 bits.
#[allow(clippy::cast_possible_truncation, reason = "within the range, where a double without fraction is exact")]
fn whole(number: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && (-BEYOND..BEYOND).contains(&number)).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use bson::{Bson, RawBson, bson};

    use super::*;

    fn key(id: Bson) -> Option<IdKey> {
        IdKey::of(RawBson::try_from(id).expect("BSON").as_raw_bson_ref())
    }

    #[test]
    fn equal_where_mongodb_holds_ids_for_equal() {
        let same = [
            (bson!(1), bson!(1_i64)),
            (bson!(1), bson!(1.0)),
            (bson!(0), bson!(-0.0)),
            (bson!(1_i64 << 60), bson!(1_152_921_504_606_846_976.0)),
            (bson!({"a": 1, "b": "x"}), bson!({"a": 1.0, "b": "x"})),
        ];
        for (one, other) in same {
            assert!(key(one.clone()).is_some(), "{one}");
            assert_eq!(key(one.clone()), key(other.clone()), "{one} {other}");
        }
    }

    #[test]
    fn different_where_mongodb_tells_ids_apart() {
        let binary = |subtype, bytes: &[u8]| Bson::Binary(bson::Binary { subtype, bytes: bytes.to_vec() });
        let apart = [
            bson!("1"),
            bson!(1),
            bson!(1.5),
            bson!(true),
            bson!(1e300),
            Bson::DateTime(bson::DateTime::from_millis(1)),
            bson!({"a": 1}),
            bson!({"a": 1, "b": 2}),
            bson!({"b": 2, "a": 1}),
            bson!({"a": {"b": 2}}),
            bson!({}),
            binary(BinarySubtype::Generic, b"1"),
            binary(BinarySubtype::Uuid, b"1"),
            Bson::ObjectId(bson::oid::ObjectId::from_bytes([1; 12])),
        ];
        for (at, one) in apart.iter().enumerate() {
            for other in &apart[at + 1..] {
                assert_ne!(key(one.clone()), key(other.clone()), "{one} {other}");
            }
        }
    }

    #[test]
    fn none_where_equality_is_not_plain() {
        let without = [
            Bson::Null,
            bson!(f64::NAN),
            Bson::Symbol("a".to_owned()),
            Bson::Decimal128("1".parse().expect("a decimal")),
            bson!({"a": null}),
            bson!(["a"]),
        ];
        for id in without {
            assert_eq!(key(id.clone()), None, "{id}");
        }
    }
}
