//! MongoDB Extended JSON v2 to BSON and back, with every digit and every type kept.
//!
//! Text is parsed straight into raw BSON, since a write's bytes go into a command as they are. This module knows nothing
//! of operators or collections: [`super::operators`] says what a document may hold.
//!
//! Invariant: parsed text is well-formed BSON of at most [`MAX_BYTES`], nested at most [`MAX_DEPTH`] deep, and printing it
//! gives text that parses to the same bytes. A text beyond a bound is refused before more than that is held, and printing
//! stops at the length that the caller allows.

mod number;
mod parse;
mod print;
mod scan;
mod wrapper;

#[cfg(test)]
mod bounds_test;
#[cfg(test)]
mod tests;

use bson::{Bson, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

pub use print::Unprintable;

/// How deep documents and arrays may nest, the outermost counted. Commands wrap a few levels around what a handler
/// gives, and the BSON library stops at 100.
pub const MAX_DEPTH: usize = 64;

/// How deep a document of MongoDB's may nest to be printed. MongoDB itself stores less.
pub const MAX_PRINTED_DEPTH: usize = 256;

/// The bytes of BSON that MongoDB takes in one document.
pub const MAX_BYTES: usize = 16 << 20;

/// The bytes of text that are looked at. A wrapper takes five times as many as its value, an escape six times.
pub const MAX_TEXT_BYTES: usize = 8 * MAX_BYTES;

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
    /// It is right so far, but longer than [`MAX_BYTES`] or [`MAX_TEXT_BYTES`].
    pub too_large: bool,
}

impl Invalid {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into(), too_large: false }
    }

    /// The BSON is longer than MongoDB takes.
    pub(super) fn too_large() -> Self {
        let message = format!("more than {MAX_BYTES} bytes of BSON, which is all that MongoDB takes at once");
        Self { too_large: true, ..Self::new(message) }
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
/// If the text is not Extended JSON v2, is nested too deep or too long, repeats a key, or holds a number that no BSON type
/// of its own gives back.
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

/// The document in canonical Extended JSON v2, in at most `most` bytes.
///
/// # Errors
/// If the text would be longer, or the document is one that no text gives back: see [`Unprintable`].
pub fn to_canonical(document: &RawDocument, most: usize) -> Result<String, Unprintable> {
    value_to_canonical(RawBsonRef::Document(document), most)
}

/// A value in canonical Extended JSON v2, in at most `most` bytes.
///
/// # Errors
/// As [`to_canonical`].
pub fn value_to_canonical(value: RawBsonRef<'_>, most: usize) -> Result<String, Unprintable> {
    print::canonical(value, most)
}

/// A value in canonical Extended JSON v2, in at most `most` bytes.
///
/// # Errors
/// As [`to_canonical`], and if the value cannot be BSON, such as for a key with a NUL in it.
pub fn bson_to_canonical(value: &Bson, most: usize) -> Result<String, Unprintable> {
    let raw = RawBson::try_from(value.clone())?;
    value_to_canonical(raw.as_raw_bson_ref(), most)
}
