//! A read by `_id` that a delivery's writes may rest on: remembered by hash, and read again by the transaction that
//! commits them.

use std::sync::Arc;

use bson::{RawBson, RawDocument, RawDocumentBuf};
use sha2::{Digest as _, Sha256};

/// A hash of what a read by `_id` found.
pub type Digest = [u8; 16];

/// What a delivery read by `_id`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadById {
    /// The collection's name in `MONGODB_DATABASE`.
    pub collection: Arc<str>,
    /// The `_id`.
    pub id: RawBson,
    /// Which fields were asked for.
    pub projection: Option<RawDocumentBuf>,
    /// What was found.
    pub digest: Digest,
}

impl ReadById {
    /// What it holds of memory, nearly.
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

/// The hash of a found document's bytes; zeros where nothing was found.
#[must_use]
pub fn digest(found: Option<&RawDocument>) -> Digest {
    let mut digest = Digest::default();
    if let Some(document) = found {
        digest.copy_from_slice(&Sha256::digest(document.as_bytes())[..16]);
    }
    digest
}
