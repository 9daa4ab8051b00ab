//! Filters, which select the documents that a call is about.

use bson::{RawBsonRef, RawDocument};

use super::expression::Allowance;
use super::names::{CLAUSES, CONDITIONS, Clause, Condition, SHAPES, listed};
use super::{Check, Objection, data, each, each_of, expression, first_key, is_javascript, patterns, unlisted};
use crate::documents::Expressions;

/// Checks a filter.
///
/// # Errors
/// `Denied` for anything that is in no list, `Invalid` if a listed operator does not have the shape that it takes.
pub fn filter(filter: &RawDocument, expressions: Expressions) -> Result<(), Objection> {
    patterns::check(RawBsonRef::Document(filter), expressions)?;
    clauses(filter, &Allowance::new(expressions))
}

pub(super) fn clauses(filter: &RawDocument, allowance: &Allowance) -> Check {
    each(filter, |key, value| {
        if !key.starts_with('$') {
            data::path(key)?;
            return condition(value, allowance);
        }
        match listed(CLAUSES, key) {
            Some(Clause::Filters) => filters(value, allowance),
            Some(Clause::Expression) => expression::expression(value, allowance),
            None if listed(CONDITIONS, key).is_some() => {
                let fact = format!("`{key}` is in the place of a field's name");
                Err(Objection::invalid(fact).hinting("write {field: {operator: …}}"))
            }
            None => Err(unlisted(key, "the operators of filters")),
        }
    })
}

fn filters(value: RawBsonRef<'_>, allowance: &Allowance) -> Check {
    let Some(array) = value.as_array() else {
        return Err(Objection::invalid("takes an array of filters"));
    };
    each_of(array, |value| match value {
        RawBsonRef::Document(document) => clauses(document, allowance),
        _ => Err(Objection::invalid("not a filter but a plain value")),
    })
}

/// Checks the condition on a field: a value that it equals, or operators.
pub(super) fn condition(value: RawBsonRef<'_>, allowance: &Allowance) -> Check {
    allowance.compare(1)?;
    match value {
        RawBsonRef::Document(document) if has_operators(document)? => each(document, |key, value| {
            if !key.starts_with('$') {
                return Err(Objection::invalid("a field is among operators"));
            }
            let kind = listed(CONDITIONS, key).ok_or_else(|| unlisted(key, "the operators of filters"))?;
            argument(kind, value, allowance)
        }),
        value => data::plain(value),
    }
}

/// Returns whether a document begins with an operator, so that MongoDB reads it as operators and not as a value.
pub(super) fn has_operators(document: &RawDocument) -> Result<bool, Objection> {
    Ok(first_key(document)?.is_some_and(|key| key.starts_with('$') && !data::is_reference(key)))
}

fn argument(kind: Condition, value: RawBsonRef<'_>, allowance: &Allowance) -> Check {
    match (kind, value) {
        (Condition::All, RawBsonRef::Array(array)) => each_of(array, |value| match value {
            RawBsonRef::Document(document) if first_key(document)? == Some("$elemMatch") => condition(value, allowance),
            value => allowance.compare(1).and_then(|()| data::plain(value)),
        }),
        (Condition::Bits, RawBsonRef::Array(positions)) => {
            allowance.compare(positions.into_iter().count())?;
            data::plain(value)
        }
        (Condition::Element, RawBsonRef::Document(document)) => element(document, allowance),
        (Condition::Element, _) => Err(Objection::invalid("takes a document")),
        (Condition::Not, RawBsonRef::Document(document)) if !has_operators(document)? => {
            Err(Objection::invalid("takes operators or a regular expression"))
        }
        (Condition::Not, value) => condition(value, allowance),
        (Condition::Geo, RawBsonRef::Document(document)) => each(document, |key, value| {
            if key.starts_with('$') && listed(SHAPES, key).is_none() {
                return Err(unlisted(key, "the shapes"));
            }
            allowance.corners(data::elements(value)?)?;
            data::plain(value)
        }),
        (_, code) if is_javascript(code) => Err(data::javascript()),
        (_, value) => data::plain(value),
    }
}

/// Checks what an element of an array must match: operators if it is a value, a filter if it is a document.
pub(super) fn element(document: &RawDocument, allowance: &Allowance) -> Check {
    match first_key(document)? {
        Some(key) if listed(CONDITIONS, key).is_some() => condition(RawBsonRef::Document(document), allowance),
        _ => clauses(document, allowance),
    }
}
