//! Values that are stored or compared as they are: no operator stands in them.

use bson::{RawBsonRef, RawDocument};

use super::{Check, Objection, each, each_of, is_javascript};
use crate::host::ejson::shown;

/// The members of a reference, which a document may hold although they begin with `$`.
const REFERENCE: [&str; 3] = ["$ref", "$id", "$db"];

pub(super) fn is_reference(name: &str) -> bool {
    REFERENCE.contains(&name)
}

/// A document to be stored: inserted, or put in the place of another.
///
/// # Errors
/// `Invalid` for a name that begins with `$`, and for an `_id` of a type that MongoDB refuses.
pub fn document(document: &RawDocument) -> Result<(), Objection> {
    each(document, |key, value| {
        if key.starts_with('$') {
            return Err(Objection::invalid(format!("a document to be stored has no field `{}`", shown(key))));
        }
        if key == "_id"
            && matches!(value, RawBsonRef::Array(_) | RawBsonRef::RegularExpression(_) | RawBsonRef::Undefined)
        {
            return Err(Objection::invalid("an `_id` is no array, regular expression or undefined"));
        }
        stored(value)
    })
}

fn stored(value: RawBsonRef<'_>) -> Check {
    match value {
        RawBsonRef::Document(document) => each(document, |key, value| {
            if key.starts_with('$') && !is_reference(key) {
                return Err(Objection::invalid(format!("a document to be stored has no field `{}`", shown(key))));
            }
            stored(value)
        }),
        RawBsonRef::Array(array) => each_of(array, stored),
        _ => Ok(()),
    }
}

/// A plain value in a filter or an update.
pub(super) fn plain(value: RawBsonRef<'_>) -> Check {
    match value {
        RawBsonRef::Document(document) => each(document, |key, value| {
            if key.starts_with('$') && !is_reference(key) {
                let name = shown(key);
                return Err(Objection::denied(format!("`{name}` is not allowed here, where a plain value stands")));
            }
            plain(value)
        }),
        RawBsonRef::Array(array) => each_of(array, plain),
        code if is_javascript(code) => Err(Objection::denied("JavaScript is not allowed here")),
        _ => Ok(()),
    }
}

/// What `$literal` holds: data, whatever its names.
pub(super) fn literal(value: RawBsonRef<'_>) -> Check {
    match value {
        RawBsonRef::Document(document) => each(document, |_, value| literal(value)),
        RawBsonRef::Array(array) => each_of(array, literal),
        code if is_javascript(code) => Err(Objection::denied("JavaScript is not allowed here")),
        _ => Ok(()),
    }
}

/// A field's path where no position in an array can be meant.
pub(super) fn path(path: &str) -> Check {
    parts(path, is_reference)
}

/// A field's path in an update: `$`, `$[]` and `$[name]` stand for elements of an array.
pub(super) fn update_path(path: &str) -> Check {
    parts(path, |part| is_reference(part) || part == "$" || (part.starts_with("$[") && part.ends_with(']')))
}

fn parts(path: &str, allowed: impl Fn(&str) -> bool) -> Check {
    if path.is_empty() {
        return Err(Objection::invalid("a path is not empty"));
    }
    if !path.contains('$') {
        return Ok(());
    }
    for (at, part) in path.split('.').enumerate() {
        if part.starts_with('$') && (at == 0 || !allowed(part)) {
            return Err(Objection::denied(format!("`{}` is not allowed in a path", shown(part))));
        }
    }
    Ok(())
}
