//! Converts MongoDB Extended JSON v2 to BSON and back, and keeps every digit and every type.
//!
//! Text is parsed straight into raw BSON, because a write's bytes go into a command as they are. This module knows
//! nothing about operators or collections: [`super::operators`] says what a document may hold.
//!
//! Invariant: parsed text is well-formed BSON of at most [`MAX_BYTES`], nested at most [`MAX_DEPTH`] deep. Printing it
//! gives text that parses to the same bytes. A text that exceeds a bound is refused before more than the bound is held,
//! and printing stops at the length that the caller allows.

mod number;
mod parse;
mod print;
mod scan;
mod wrapper;

#[cfg(test)]
mod bounds_test;
#[cfg(test)]
#[path = "ejson_test.rs"]
mod tests;

use bson::{Bson, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::cut;

pub use print::Unprintable;

/// How deep documents and arrays may nest, including the outermost one. Commands add a few levels around a handler's
/// document, and the BSON library stops at 100.
pub const MAX_DEPTH: usize = 64;

/// How deep a document from MongoDB may nest if it is to print. MongoDB itself stores none that nests deeper.
pub const MAX_PRINTED_DEPTH: usize = 256;

/// The most bytes of BSON that MongoDB accepts in one document.
pub const MAX_BYTES: usize = 16 << 20;

/// The most bytes of text that are parsed. A wrapper takes five times as many bytes as its value, and an escape six
/// times.
pub const MAX_TEXT_BYTES: usize = 8 * MAX_BYTES;

/// The most bytes of a place's name that a message shows.
const SHOWN: usize = 64;

/// Why a text is not Extended JSON that can be stored as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Invalid {
    /// The place in the document, such as `metadata.created_at`. It is empty for the whole document.
    pub path: String,
    /// What is wrong there.
    pub message: String,
    /// What to write instead, if that is known.
    pub hint: Option<&'static str>,
    /// Whether the text is valid so far, but longer than [`MAX_BYTES`] or [`MAX_TEXT_BYTES`].
    pub too_large: bool,
}

impl Invalid {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into(), hint: None, too_large: false }
    }

    /// Returns the error for BSON that is longer than MongoDB accepts.
    pub(super) fn too_large() -> Self {
        let message = format!("more than {MAX_BYTES} bytes of BSON, which is all that MongoDB takes at once");
        Self { too_large: true, ..Self::new(message) }
    }

    /// Returns the same error as seen from the document that holds its place under `name`.
    pub(super) fn within(mut self, name: &str) -> Self {
        prepend(&mut self.path, name);
        self
    }
}

/// Prepends the name of a place, which is cut if it is very long, to the path within it.
pub(super) fn prepend(path: &mut String, name: &str) {
    let name = shown(name);
    *path = if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") };
}

/// Returns the beginning of a text that a guest chose, short enough for a message.
pub(super) fn shown(text: &str) -> &str {
    cut::prefix(text, SHOWN)
}

/// Parses the document in a text.
///
/// # Errors
/// If the text is not Extended JSON v2, is nested too deep or is too long, repeats a key, or holds a number without a
/// wrapper that no BSON type preserves.
pub fn parse_document(text: &str) -> Result<RawDocumentBuf, Invalid> {
    parse::document(text)
}

/// Parses the value in a text, which may have any type.
///
/// # Errors
/// As [`parse_document`].
pub fn parse_value(text: &str) -> Result<RawBson, Invalid> {
    parse::value(text)
}

/// Returns the document in canonical Extended JSON v2, in at most `most` bytes.
///
/// # Errors
/// If the text would be longer, or if no text preserves the document: see [`Unprintable`].
pub fn to_canonical(document: &RawDocument, most: usize) -> Result<String, Unprintable> {
    value_to_canonical(RawBsonRef::Document(document), most)
}

/// Returns a value in canonical Extended JSON v2, in at most `most` bytes.
///
/// # Errors
/// As [`to_canonical`].
pub fn value_to_canonical(value: RawBsonRef<'_>, most: usize) -> Result<String, Unprintable> {
    print::canonical(value, most)
}

/// Returns a value in canonical Extended JSON v2, in at most `most` bytes.
///
/// # Errors
/// As [`to_canonical`], and if the value cannot be BSON, for example because a key has a NUL in it.
pub fn bson_to_canonical(value: &Bson, most: usize) -> Result<String, Unprintable> {
    let raw = RawBson::try_from(value.clone())?;
    value_to_canonical(raw.as_raw_bson_ref(), most)
}
