//! Values that are stored or compared as they are, and hold no operators.
//!
//! One rule applies to all of them, wherever they occur: no key begins with `$`, except for those of a reference
//! (`$ref`, `$id`, `$db`) below the document's own fields, and no value is JavaScript. A document that is read may hold
//! anything.

use bson::raw::RawElement;
use bson::spec::ElementType;
use bson::{RawBsonRef, RawDocument, Timestamp};

use super::{Check, Objection, each, is_javascript};
use crate::documents::ejson::shown;

/// The members of a reference, which a document may hold although they begin with `$`.
const REFERENCE: [&str; 3] = ["$ref", "$id", "$db"];

pub(super) fn is_reference(name: &str) -> bool {
    REFERENCE.contains(&name)
}

/// Checks a document that will be stored: one that is inserted, or that replaces another.
///
/// # Errors
/// `Invalid` for a name that begins with `$`, for an `_id` of a type that MongoDB refuses, and for a timestamp that
/// MongoDB would fill in. `Denied` for JavaScript.
pub fn document(document: &RawDocument) -> Result<(), Objection> {
    each(document, |key, value| {
        if key.starts_with('$') {
            return Err(Objection::invalid(format!("a document to be stored has no field `{}`", shown(key))));
        }
        match value {
            RawBsonRef::Array(_) | RawBsonRef::RegularExpression(_) | RawBsonRef::Undefined if key == "_id" => {
                Err(Objection::invalid("an `_id` is no array, regular expression or undefined"))
            }
            // MongoDB replaces an empty timestamp with the time of its clock.
            RawBsonRef::Timestamp(Timestamp { time: 0, increment: 0 }) => Err(empty_timestamp()),
            value => stored(value),
        }
    })
}

fn stored(value: RawBsonRef<'_>) -> Check {
    if is_javascript(value) {
        return Err(javascript());
    }
    walk(value, &|element| {
        let key = element.key().as_str();
        if key.starts_with('$') && !is_reference(key) {
            return Err(Objection::invalid(format!("a document to be stored has no field `{}`", shown(key))));
        }
        refuse_javascript(element)
    })
}

/// Checks a plain value in a filter or an update.
pub(super) fn plain(value: RawBsonRef<'_>) -> Check {
    if is_javascript(value) {
        return Err(javascript());
    }
    walk(value, &|element| {
        let key = element.key().as_str();
        if key.starts_with('$') && !is_reference(key) {
            let name = shown(key);
            return Err(Objection::denied(format!("`{name}` is not allowed in a plain value")));
        }
        refuse_javascript(element)
    })
}

/// Checks the value of `$literal` in a pipeline or an expression.
pub(super) fn literal(value: RawBsonRef<'_>) -> Check {
    if let RawBsonRef::Timestamp(Timestamp { time: 0, increment: 0 }) = value {
        return Err(empty_timestamp());
    }
    plain(value)
}

fn refuse_javascript(element: &RawElement<'_>) -> Check {
    match element.element_type() {
        ElementType::JavaScriptCode | ElementType::JavaScriptCodeWithScope => Err(javascript()),
        _ => Ok(()),
    }
}

pub(super) fn javascript() -> Objection {
    Objection::denied("JavaScript is not allowed here")
}

pub(super) fn empty_timestamp() -> Objection {
    Objection::invalid("an empty timestamp is MongoDB's clock, which differs from run to run")
}

/// Checks every element below a value. Elements are not read as values, because that would scan every text again.
fn walk(value: RawBsonRef<'_>, check: &impl Fn(&RawElement<'_>) -> Check) -> Check {
    let elements = match value {
        RawBsonRef::Document(document) => document.iter_elements(),
        RawBsonRef::Array(array) => array.iter_elements(),
        _ => return Ok(()),
    };
    for element in elements {
        let element = element?;
        let checked = check(&element).and_then(|()| match element.element_type() {
            ElementType::EmbeddedDocument | ElementType::Array => walk(element.value()?, check),
            _ => Ok(()),
        });
        checked.map_err(|objection| objection.within(element.key().as_str()))?;
    }
    Ok(())
}

/// Returns how many elements the arrays and documents in a value have in all, at whatever depth.
pub(super) fn elements(value: RawBsonRef<'_>) -> Result<usize, Objection> {
    let count = std::cell::Cell::new(0);
    walk(value, &|_| {
        count.set(count.get() + 1);
        Ok(())
    })?;
    Ok(count.get())
}

/// Checks the path of a field, in which nothing may stand for an element of an array.
pub(super) fn path(path: &str) -> Check {
    parts(path, is_reference)
}

/// Checks the path of a field in an update, in which `$`, `$[]` and `$[name]` stand for elements of an array.
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
