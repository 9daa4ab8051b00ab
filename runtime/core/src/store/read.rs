//! A read by `_id` that a delivery's writes may be based on. It is remembered by hash and repeated by the transaction
//! that commits them.

use std::sync::Arc;

use bson::{RawBson, RawDocument, RawDocumentBuf};
use sha2::{Digest as _, Sha256};

/// A hash of the document that a read by `_id` found.
pub type Digest = [u8; 16];

/// A delivery's read by `_id`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadById {
    /// The collection's name in `MONGODB_DATABASE`.
    pub collection: Arc<str>,
    /// The `_id`.
    pub id: RawBson,
    /// The fields that were asked for.
    pub projection: Option<RawDocumentBuf>,
    /// The hash of the document found.
    pub digest: Digest,
}

impl ReadById {
    /// Returns the approximate size in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let id = match &self.id {
            RawBson::String(text) => text.len(),
            RawBson::Document(document) => document.as_bytes().len(),
            RawBson::Array(array) => array.as_bytes().len(),
            RawBson::Binary(binary) => binary.bytes.len(),
            _ => 0,
        };
        size_of::<Self>() + id + self.projection.as_ref().map_or(0, |projection| projection.as_bytes().len())
    }
}

/// Returns the hash of a found document's bytes, or zeros if nothing was found.
#[must_use]
pub fn digest(found: Option<&RawDocument>) -> Digest {
    let mut digest = Digest::default();
    if let Some(document) = found {
        digest.copy_from_slice(&Sha256::digest(document.as_bytes())[..16]);
    }
    digest
}
