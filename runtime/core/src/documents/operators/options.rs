//! Options that are documents: sort, projection, collation and hint.

use bson::{RawBsonRef, RawDocument};

use super::expression::Allowance;
use super::{Check, Objection, data, each, filter, patterns, unlisted};
use crate::documents::Expressions;
use crate::documents::ejson::shown;

/// Checks the order of the documents that are found.
///
/// # Errors
/// `Invalid` for anything but 1 and -1, `Denied` for a `$` name.
pub fn sort(order: &RawDocument) -> Result<(), Objection> {
    each(order, |path, value| {
        data::path(path)?;
        direction(value)
    })
}

pub(super) fn direction(value: RawBsonRef<'_>) -> Check {
    match value {
        RawBsonRef::Int32(1 | -1) | RawBsonRef::Int64(1 | -1) => Ok(()),
        _ => Err(Objection::invalid("an order is 1 or -1")),
    }
}

/// Checks which fields are returned: yes, no, `$slice`, `$elemMatch`, or the same within a document.
///
/// # Errors
/// `Denied` for expressions and for `$` names that are in no list, `Invalid` for anything that does not have the right
/// shape.
pub fn projection(projection: &RawDocument, expressions: Expressions) -> Result<(), Objection> {
    patterns::check(RawBsonRef::Document(projection), expressions)?;
    fields(projection, &Allowance::new(expressions))
}

fn fields(projection: &RawDocument, allowance: &Allowance) -> Check {
    each(projection, |path, value| {
        let path = path.strip_suffix(".$").unwrap_or(path);
        data::path(path)?;
        field(value, allowance)
    })
}

fn field(value: RawBsonRef<'_>, allowance: &Allowance) -> Check {
    match value {
        RawBsonRef::Boolean(_) | RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Double(_) => Ok(()),
        RawBsonRef::Document(document) if filter::has_operators(document)? => each(document, |key, value| match key {
            "$slice" => data::plain(value),
            "$elemMatch" => match value {
                RawBsonRef::Document(document) => filter::element(document, allowance),
                _ => Err(Objection::invalid("takes a document")),
            },
            key => Err(unlisted(key, "the operators of projections")),
        }),
        RawBsonRef::Document(document) => fields(document, allowance),
        _ => Err(Objection::denied("a projection names fields by 1 and 0; values that are computed are not allowed")),
    }
}

/// Checks how texts are compared.
///
/// # Errors
/// `Invalid` for a member that MongoDB does not have, or that has another type.
pub fn collation(collation: &RawDocument) -> Result<(), Objection> {
    each(collation, |key, value| {
        let fits = match key {
            "locale" | "caseFirst" | "alternate" | "maxVariable" => value.as_str().is_some(),
            "caseLevel" | "numericOrdering" | "backwards" | "normalization" => value.as_bool().is_some(),
            "strength" => matches!(value, RawBsonRef::Int32(1..=5) | RawBsonRef::Int64(1..=5)),
            _ => return Err(Objection::invalid(format!("a collation has no member `{}`", shown(key)))),
        };
        if fits { Ok(()) } else { Err(Objection::invalid("of the wrong type for a collation")) }
    })?;
    match collation.get("locale")? {
        Some(_) => Ok(()),
        None => Err(Objection::invalid("a collation needs a `locale`")),
    }
}

/// Checks the index to use: its name, or its keys.
///
/// # Errors
/// `Invalid` for other types, `Denied` for a `$` name.
pub fn hint(hint: RawBsonRef<'_>) -> Result<(), Objection> {
    match hint {
        RawBsonRef::String(_) => Ok(()),
        RawBsonRef::Document(keys) => each(keys, |path, value| {
            // The key of an index over all fields below one ends like this.
            data::path(path.strip_suffix(".$**").unwrap_or(path))?;
            data::plain(value)
        }),
        _ => Err(Objection::invalid("a hint is an index's name or its keys")),
    }
}
