//! The allow-lists for filters, updates, pipelines and options, and the walk that enforces them.
//!
//! The lists are data, in `names`. A `$` name that is in no list is denied wherever it occurs, so an operator that a
//! later MongoDB adds is denied until somebody has thought about it. MongoDB itself decides whether an operator's
//! arguments make sense.
//!
//! Invariant: nothing that passes runs JavaScript, reaches a collection other than the one named, or gives another
//! value when it is run again. The checks recurse as deep as a document nests, which is at most
//! [`super::ejson::MAX_DEPTH`] because only documents that were parsed there come here. They look at each element a
//! constant number of times.

mod data;
mod expression;
mod filter;
mod names;
mod options;
mod patterns;
mod update;

#[cfg(test)]
#[path = "operators_test.rs"]
mod tests;

use bson::{RawBsonRef, RawDocument};

use super::ejson::{Invalid, prepend, shown};
use super::refusal::Code;

pub use data::document;
pub use filter::filter;
pub use options::{collation, hint, projection, sort};
pub use update::{array_filters, pipeline, update};

/// Why a document is not allowed as an argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Objection {
    /// `Denied` if something is not allowed, `Invalid` if it is malformed, `Limit` if it is too much.
    pub code: Code,
    /// The place in the document.
    pub path: String,
    /// What is wrong there.
    pub message: String,
    /// What the handler can do instead, if that is known.
    pub hint: Option<&'static str>,
}

type Check = Result<(), Objection>;

impl Objection {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, path: String::new(), message: message.into(), hint: None }
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(Code::Denied, message)
    }

    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new(Code::Limit, message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message)
    }

    pub(super) fn hinting(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Returns the same objection as seen from the document that holds its place under `name`.
    pub(super) fn within(mut self, name: &str) -> Self {
        prepend(&mut self.path, name);
        self
    }
}

impl From<Invalid> for Objection {
    fn from(Invalid { path, message, hint, too_large }: Invalid) -> Self {
        Self { code: if too_large { Code::Limit } else { Code::Invalid }, path, message, hint }
    }
}

impl From<bson::error::Error> for Objection {
    fn from(error: bson::error::Error) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Returns the objection to a `$` name that is not in the list for its place.
fn unlisted(name: &str, place: &str) -> Objection {
    let denied = names::DENIED.iter().find(|(denied, _)| *denied == name).map(|(_, why)| why);
    let name = shown(name);
    match denied {
        Some(why) => {
            Objection { hint: why.hint, ..Objection::denied(format!("`{name}` is not allowed: {}", why.reason)) }
        }
        None => Objection::denied(format!("`{name}` is not among {place} that handlers may use")),
    }
}

/// Checks each member of a document. An objection names the member.
fn each(document: &RawDocument, check: impl Fn(&str, RawBsonRef<'_>) -> Check) -> Check {
    for element in document {
        let (key, value) = element?;
        check(key.as_str(), value).map_err(|objection| objection.within(key.as_str()))?;
    }
    Ok(())
}

/// Checks each element of an array. An objection names the element.
fn each_of(array: &bson::RawArray, check: impl Fn(RawBsonRef<'_>) -> Check) -> Check {
    for (at, value) in array.into_iter().enumerate() {
        check(value?).map_err(|objection| objection.within(&at.to_string()))?;
    }
    Ok(())
}

fn first_key(document: &RawDocument) -> Result<Option<&str>, Objection> {
    Ok(document.into_iter().next().transpose()?.map(|(key, _)| key.as_str()))
}

fn is_javascript(value: RawBsonRef<'_>) -> bool {
    matches!(value, RawBsonRef::JavaScriptCode(_) | RawBsonRef::JavaScriptCodeWithScope(_))
}
