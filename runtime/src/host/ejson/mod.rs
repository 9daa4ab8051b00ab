//! MongoDB Extended JSON v2 to BSON and back, with every digit and every type kept.
//!
//! Text is parsed straight into raw BSON, since a write's bytes go into a command as they are. This module knows nothing
//! of operators or collections: [`super::operators`] says what a document may hold.
//!
//! Invariant: what is parsed is well-formed BSON nested at most [`MAX_DEPTH`] deep, and printing it gives text that
//! parses to the same bytes.

mod number;
mod parse;
mod print;
mod scan;
mod wrapper;

#[cfg(test)]
mod tests;

use bson::{Bson, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

/// How deep documents and arrays may nest, the outermost counted. Commands wrap a few levels around what a handler
/// gives, and the BSON library stops at 100.
pub const MAX_DEPTH: usize = 64;

/// The bytes of a place's name that a message shows.
const SHOWN: usize = 64;

/// Why a text is not Extended JSON that can be stored as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Invalid {
    /// The place in the document, such as `metadata.created_at`; empty for the whole of it.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl Invalid {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into() }
    }

    /// The same, seen from the document that holds it under `name`.
    pub(super) fn within(mut self, name: &str) -> Self {
        prepend(&mut self.path, name);
        self
    }
}

/// Puts a place's name, cut where it is very long, before the path within it.
pub(super) fn prepend(path: &mut String, name: &str) {
    let name = shown(name);
    *path = if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") };
}

/// The beginning of a text that a guest chose, short enough to stand in a message.
pub(super) fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}

/// The document that a text writes.
///
/// # Errors
/// Where the text is not Extended JSON v2, is nested too deep, repeats a key, or holds a number that no BSON type of
/// its own gives back.
pub fn parse_document(text: &str) -> Result<RawDocumentBuf, Invalid> {
    parse::document(text)
}

/// The value that a text writes, of whatever type.
///
/// # Errors
/// As [`parse_document`].
pub fn parse_value(text: &str) -> Result<RawBson, Invalid> {
    parse::value(text)
}

/// The document in canonical Extended JSON v2.
///
/// # Errors
/// Where the bytes are not BSON, which no handler brings about.
pub fn to_canonical(document: &RawDocument) -> Result<String, bson::error::Error> {
    value_to_canonical(RawBsonRef::Document(document))
}

/// A value in canonical Extended JSON v2.
///
/// # Errors
/// As [`to_canonical`].
pub fn value_to_canonical(value: RawBsonRef<'_>) -> Result<String, bson::error::Error> {
    print::canonical(value)
}

/// A value in canonical Extended JSON v2.
///
/// # Errors
/// Where the value cannot be BSON, such as for a key with a NUL in it.
pub fn bson_to_canonical(value: &Bson) -> Result<String, bson::error::Error> {
    let raw = RawBson::try_from(value.clone())?;
    value_to_canonical(raw.as_raw_bson_ref())
}
