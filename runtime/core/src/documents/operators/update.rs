//! Updates: operators, or a pipeline.

use bson::{RawArray, RawBsonRef, RawDocument};

use super::expression::{Allowance, Expression};
use super::names::{CONDITIONS, STAGES, Stage, UPDATES, Update, listed};
use super::{Check, Objection, data, each, each_of, filter, first_key, options, patterns, unlisted};
use crate::documents::Expressions;

/// Checks a document of update operators.
///
/// # Errors
/// `Denied` for anything that is in no list, `Invalid` for a document to be stored and for anything that does not have
/// the right shape.
pub fn update(update: &RawDocument, expressions: Expressions) -> Result<(), Objection> {
    if update.is_empty() {
        return Err(Objection::invalid("an update has at least one operator"));
    }
    let allowance = &Allowance::new(expressions);
    each(update, |key, value| {
        // Other operators store a pattern, but match nothing with it.
        if key == "$pull" {
            patterns::check(value, expressions)?;
        }
        if !key.starts_with('$') {
            return Err(
                Objection::invalid("not an update operator").hinting("use replace-one to store a whole document")
            );
        }
        let kind = listed(UPDATES, key).ok_or_else(|| unlisted(key, "the update operators"))?;
        let RawBsonRef::Document(paths) = value else {
            return Err(Objection::invalid("takes a document of paths"));
        };
        each(paths, |path, value| {
            data::update_path(path)?;
            allowance.path()?;
            argument(kind, value, allowance)
        })
    })
}

fn argument(kind: Update, value: RawBsonRef<'_>, allowance: &Allowance) -> Check {
    match (kind, value) {
        (Update::Path, RawBsonRef::String(path)) => data::path(path),
        (Update::Path, _) => Err(Objection::invalid("takes a path")),
        (Update::Push | Update::AddToSet, RawBsonRef::Document(document)) if filter::has_operators(document)? => {
            each(document, |key, value| match key {
                "$each" => match value {
                    RawBsonRef::Array(values) if kind == Update::AddToSet => {
                        allowance.compare(values.into_iter().count())?;
                        data::plain(value)
                    }
                    RawBsonRef::Array(_) => data::plain(value),
                    _ => Err(Objection::invalid("takes an array")),
                },
                "$slice" | "$position" if kind == Update::Push => data::plain(value),
                "$sort" if kind == Update::Push => match value {
                    RawBsonRef::Document(order) => options::sort(order),
                    value => options::direction(value),
                },
                key => Err(unlisted(key, "the modifiers")),
            })
        }
        (Update::Pull, RawBsonRef::Document(document)) => match first_key(document)? {
            Some(key) if listed(CONDITIONS, key).is_some() => filter::condition(value, allowance),
            Some(key) if data::is_reference(key) => data::plain(value),
            _ => filter::clauses(document, allowance),
        },
        (Update::PullAll, RawBsonRef::Array(values)) => {
            allowance.compare(values.into_iter().count())?;
            data::plain(value)
        }
        (_, value) => data::plain(value),
    }
}

/// Checks a pipeline update: the stages that a document goes through.
///
/// # Errors
/// `Denied` for anything that is in no list, `Invalid` if a stage does not have the shape that it takes.
pub fn pipeline(stages: &RawArray, expressions: Expressions) -> Result<(), Objection> {
    if stages.is_empty() {
        return Err(Objection::invalid("a pipeline has at least one stage"));
    }
    patterns::check(RawBsonRef::Array(stages), expressions)?;
    let allowance = Allowance::new(expressions);
    let mut evaluated = Expression::new(&allowance);
    for (at, value) in stages.into_iter().enumerate() {
        stage(value?, &mut evaluated).map_err(|objection| objection.within(&at.to_string()))?;
    }
    Ok(())
}

fn stage(value: RawBsonRef<'_>, evaluated: &mut Expression<'_>) -> Check {
    let RawBsonRef::Document(stage) = value else {
        return Err(Objection::invalid("a stage is a document"));
    };
    let mut members = stage.into_iter();
    let (Some(member), None) = (members.next(), members.next()) else {
        return Err(Objection::invalid("a stage has one operator"));
    };
    let (key, value) = member?;
    let key = key.as_str();
    let checked = match listed(STAGES, key) {
        Some(Stage::Expression) => evaluated.check(value).map(|size| evaluated.replaced(size)),
        Some(Stage::Fields) => fields(value, evaluated).map(|size| evaluated.added(size)),
        Some(Stage::Paths) => paths(value, evaluated),
        None => Err(unlisted(key, "the stages ($set, $unset, $replaceWith)")),
    };
    checked.map_err(|objection| objection.within(key))
}

/// Returns the size of all values that are set.
fn fields(value: RawBsonRef<'_>, evaluated: &mut Expression<'_>) -> Result<u64, Objection> {
    let RawBsonRef::Document(fields) = value else {
        return Err(Objection::invalid("takes a document of fields"));
    };
    let mut size = 0_u64;
    for element in fields {
        let (path, value) = element?;
        let of_one = data::path(path.as_str()).and_then(|()| evaluated.path()).and_then(|()| evaluated.check(value));
        size = size.saturating_add(of_one.map_err(|objection| objection.within(path.as_str()))?);
    }
    Ok(size)
}

fn paths(value: RawBsonRef<'_>, evaluated: &Expression<'_>) -> Check {
    match value {
        RawBsonRef::String(path) => data::path(path),
        RawBsonRef::Array(paths) => each_of(paths, |value| match value {
            RawBsonRef::String(path) => data::path(path).and_then(|()| evaluated.path()),
            _ => Err(Objection::invalid("a path is a string")),
        }),
        _ => Err(Objection::invalid("takes a path or an array of paths")),
    }
}

/// Checks the filters that `$[name]` in a path stands for.
///
/// # Errors
/// As [`super::filter`].
pub fn array_filters(filters: &RawArray, expressions: Expressions) -> Result<(), Objection> {
    patterns::check(RawBsonRef::Array(filters), expressions)?;
    let allowance = &Allowance::new(expressions);
    each_of(filters, |value| match value {
        RawBsonRef::Document(document) => filter::clauses(document, allowance),
        _ => Err(Objection::invalid("a filter is a document")),
    })
}
