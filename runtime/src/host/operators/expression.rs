//! Expressions: in `$expr`, and in a pipeline's stages.

use bson::RawBsonRef;

use super::names::{EXPRESSIONS, VARIABLES, listed};
use super::{Check, Objection, data, each, each_of, first_key, is_javascript, unlisted};

/// Any expression: a path, a variable, an operator, or an object or array of expressions.
pub(super) fn expression(value: RawBsonRef<'_>) -> Check {
    match value {
        RawBsonRef::String(text) => match text.strip_prefix("$$") {
            Some(variable) => self::variable(variable),
            None => Ok(()),
        },
        RawBsonRef::Array(array) => each_of(array, expression),
        RawBsonRef::Document(document) => {
            let operator = first_key(document)?.is_some_and(|key| key.starts_with('$'));
            if operator && document.into_iter().nth(1).is_some() {
                return Err(Objection::invalid("an operator stands alone in its object"));
            }
            each(document, |key, value| match key {
                "$literal" => data::literal(value),
                key if !key.starts_with('$') => expression(value),
                key if operator && listed(EXPRESSIONS, key).is_some() => expression(value),
                key => Err(unlisted(key, "the operators of expressions")),
            })
        }
        code if is_javascript(code) => Err(Objection::denied("JavaScript is not allowed here")),
        _ => Ok(()),
    }
}

/// A variable's name, and the path within it.
fn variable(text: &str) -> Check {
    let name = text.split('.').next().unwrap_or(text);
    let own = name.starts_with(|letter: char| letter.is_ascii_lowercase() || !letter.is_ascii());
    if own || listed(VARIABLES, name).is_some() {
        return Ok(());
    }
    Err(unlisted(&format!("$${name}"), "the variables"))
}
