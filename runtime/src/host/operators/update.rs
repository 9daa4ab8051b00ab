//! Updates: operators, or a pipeline.

use bson::{RawArray, RawBsonRef, RawDocument};

use super::names::{CONDITIONS, STAGES, Stage, UPDATES, Update, listed};
use super::{Check, Objection, data, each, each_of, expression, filter, first_key, options, unlisted};

/// A document of update operators.
///
/// # Errors
/// `Denied` for what is in no list; `Invalid` where it is a document to be stored, or has not the shape.
pub fn update(update: &RawDocument) -> Result<(), Objection> {
    if update.is_empty() {
        return Err(Objection::invalid("an update has at least one operator"));
    }
    each(update, |key, value| {
        if !key.starts_with('$') {
            return Err(Objection::invalid("not an update operator; to store a whole document use replace-one"));
        }
        let kind = listed(UPDATES, key).ok_or_else(|| unlisted(key, "the update operators"))?;
        let RawBsonRef::Document(paths) = value else {
            return Err(Objection::invalid("takes a document of paths"));
        };
        each(paths, |path, value| {
            data::update_path(path)?;
            argument(kind, value)
        })
    })
}

fn argument(kind: Update, value: RawBsonRef<'_>) -> Check {
    match (kind, value) {
        (Update::Path, RawBsonRef::String(path)) => data::path(path),
        (Update::Path, _) => Err(Objection::invalid("takes a path")),
        (Update::Push | Update::AddToSet, RawBsonRef::Document(document)) if filter::has_operators(document)? => {
            each(document, |key, value| match key {
                "$each" if matches!(value, RawBsonRef::Array(_)) => data::plain(value),
                "$each" => Err(Objection::invalid("takes an array")),
                "$slice" | "$position" if kind == Update::Push => data::plain(value),
                "$sort" if kind == Update::Push => match value {
                    RawBsonRef::Document(order) => options::sort(order),
                    value => options::direction(value),
                },
                key => Err(unlisted(key, "the modifiers")),
            })
        }
        (Update::Pull, RawBsonRef::Document(document)) => match first_key(document)? {
            Some(key) if listed(CONDITIONS, key).is_some() => filter::condition(value),
            Some(key) if data::is_reference(key) => data::plain(value),
            _ => filter::filter(document),
        },
        (_, value) => data::plain(value),
    }
}

/// A pipeline update: the stages that a document goes through.
///
/// # Errors
/// `Denied` for what is in no list, `Invalid` where a stage has not the shape that it takes.
pub fn pipeline(stages: &RawArray) -> Result<(), Objection> {
    if stages.is_empty() {
        return Err(Objection::invalid("a pipeline has at least one stage"));
    }
    each_of(stages, |value| {
        let RawBsonRef::Document(stage) = value else {
            return Err(Objection::invalid("a stage is a document"));
        };
        if stage.into_iter().count() != 1 {
            return Err(Objection::invalid("a stage has one operator"));
        }
        each(stage, |key, value| match listed(STAGES, key) {
            Some(Stage::Expression) => expression::expression(value),
            Some(Stage::Fields) => fields(value),
            Some(Stage::Paths) => paths(value),
            None => Err(unlisted(key, "the stages ($set, $unset, $replaceWith)")),
        })
    })
}

fn fields(value: RawBsonRef<'_>) -> Check {
    let RawBsonRef::Document(fields) = value else {
        return Err(Objection::invalid("takes a document of fields"));
    };
    each(fields, |path, value| {
        data::path(path)?;
        expression::expression(value)
    })
}

fn paths(value: RawBsonRef<'_>) -> Check {
    match value {
        RawBsonRef::String(path) => data::path(path),
        RawBsonRef::Array(paths) => each_of(paths, |value| match value {
            RawBsonRef::String(path) => data::path(path),
            _ => Err(Objection::invalid("a path is a string")),
        }),
        _ => Err(Objection::invalid("takes a path or an array of paths")),
    }
}

/// The filters that `$[name]` in a path stands for.
///
/// # Errors
/// As [`super::filter`].
pub fn array_filters(filters: &RawArray) -> Result<(), Objection> {
    each_of(filters, |value| match value {
        RawBsonRef::Document(document) => filter::filter(document),
        _ => Err(Objection::invalid("a filter is a document")),
    })
}
