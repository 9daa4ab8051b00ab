//! Expressions in `$expr` and in the stages of a pipeline.
//!
//! MongoDB cannot be interrupted within most expressions, so the cost of an expression is bounded before it is sent.
//! The unit is reading the document once. `["$a", "$a"]` is a value twice as large as what it refers to. A variable or
//! a later stage that refers to that value twice is four times as large. Comparing such values takes time in proportion
//! to their size, however much of their memory is shared. So each node counts with the size of its value, and all of
//! them together may come to at most [`MOST_READINGS`].

use std::cell::Cell;

use bson::{RawBsonRef, RawDocument, Timestamp};

use super::names::{Cost, EXPRESSIONS, VARIABLES, listed};
use super::{Check, Objection, data, first_key, is_javascript, unlisted};
use crate::documents::Expressions;

/// How many times one call's expressions may read a document in all.
const MOST_READINGS: u64 = 1_000;
/// How many values one argument may compare with each element of a document's arrays. MongoDB 6.0.5 takes at most 45 ns
/// for a comparison, and a document of 16 MiB holds 1.4 million numbers, so all comparisons take some 6 s.
const MOST_COMPARISONS: usize = 100;
/// How many paths one update may name. MongoDB walks through an array to find a position in it.
const MOST_PATHS: usize = 1_000;
/// How many elements the arrays of a shape may have in all, because MongoDB looks at each of its corners for each
/// point.
const MOST_CORNERS: usize = 4_000;

/// How much work one argument may make MongoDB do with a document, and how much of that is used up.
///
/// MongoDB checks for an interruption only between documents. So a list that it compares with each element of an array
/// in a document keeps it busy past every time limit.
pub(super) struct Allowance {
    allowed: Expressions,
    readings: Cell<u64>,
    comparisons: Cell<usize>,
    paths: Cell<usize>,
    corners: Cell<usize>,
}

impl Allowance {
    pub(super) fn new(allowed: Expressions) -> Self {
        Self { allowed, readings: Cell::new(0), comparisons: Cell::new(0), paths: Cell::new(0), corners: Cell::new(0) }
    }

    /// Counts values that are compared with each element of an array.
    pub(super) fn compare(&self, values: usize) -> Check {
        let hint = "give fewer conditions, write in several calls, or use $in";
        self.take(
            &self.comparisons,
            values,
            MOST_COMPARISONS,
            "values or conditions that are compared one by one",
            hint,
        )
    }

    /// Counts a path of an update.
    pub(super) fn path(&self) -> Check {
        self.take(&self.paths, 1, MOST_PATHS, "paths in one update", "write in several calls")
    }

    /// Counts elements of a shape's arrays.
    pub(super) fn corners(&self, elements: usize) -> Check {
        self.take(&self.corners, elements, MOST_CORNERS, "elements in the arrays of shapes", "use a simpler shape")
    }

    fn take(&self, used: &Cell<usize>, more: usize, most: usize, what: &str, hint: &'static str) -> Check {
        used.set(used.get().saturating_add(more));
        if self.allowed == Expressions::All || used.get() <= most {
            return Ok(());
        }
        let fact = format!(
            "more than {most} {what} are not allowed by the handler's setting `expressions = \"safe\"`: MongoDB cannot \
             interrupt them"
        );
        Err(Objection::limit(fact).hinting(hint))
    }

    fn read(&self, readings: u64) -> Check {
        let sum = self.readings.get().saturating_add(readings);
        self.readings.set(sum);
        if self.allowed == Expressions::All || sum <= MOST_READINGS {
            return Ok(());
        }
        let fact = format!(
            "expressions that may read the document more than {MOST_READINGS} times are not allowed by the handler's setting \
             `expressions = \"safe\"`: MongoDB cannot interrupt them"
        );
        Err(Objection::limit(fact).hinting("refer to fewer fields, or in fewer stages"))
    }
}

/// Checks the expression in `$expr`.
pub(super) fn expression(value: RawBsonRef<'_>, allowance: &Allowance) -> Check {
    Expression::new(allowance).check(value).map(drop)
}

/// Checks expressions in the order in which MongoDB evaluates them.
pub(super) struct Expression<'a> {
    allowance: &'a Allowance,
    /// The sizes of the document so far and of the largest variable, relative to the document that was found.
    document: u64,
    variable: u64,
}

impl<'a> Expression<'a> {
    pub(super) fn new(allowance: &'a Allowance) -> Self {
        Self { allowance, document: 1, variable: 1 }
    }

    /// Counts a path that a stage sets or removes.
    pub(super) fn path(&self) -> Check {
        self.allowance.path()
    }

    /// Records that a stage has added a value of this size to the document.
    pub(super) fn added(&mut self, size: u64) {
        self.document = self.document.saturating_add(size);
    }

    /// Records that a stage has replaced the document with a value of this size.
    pub(super) fn replaced(&mut self, size: u64) {
        self.document = size.max(1);
    }

    /// Checks any expression: a path, a variable, an operator, or an object or array of expressions. Returns the size
    /// of its value.
    pub(super) fn check(&mut self, value: RawBsonRef<'_>) -> Result<u64, Objection> {
        let size = match value {
            RawBsonRef::String(text) => self.text(text)?,
            RawBsonRef::Array(array) => {
                let mut size = 0_u64;
                for (at, value) in array.into_iter().enumerate() {
                    let of_one = self.check(value?).map_err(|objection| objection.within(&at.to_string()))?;
                    size = size.saturating_add(of_one);
                }
                size
            }
            RawBsonRef::Document(document) => self.object(document)?,
            // In a pipeline, MongoDB replaces it with the time of its clock.
            RawBsonRef::Timestamp(Timestamp { time: 0, increment: 0 }) => return Err(data::empty_timestamp()),
            code if is_javascript(code) => return Err(data::javascript()),
            _ => 0,
        };
        self.allowance.read(size)?;
        Ok(size)
    }

    fn text(&self, text: &str) -> Result<u64, Objection> {
        let Some(variable) = text.strip_prefix("$$") else {
            return Ok(if text.starts_with('$') { self.document } else { 0 });
        };
        let name = variable.split('.').next().unwrap_or(variable);
        if listed(VARIABLES, name).is_some() {
            return Ok(self.document);
        }
        if name.starts_with(|letter: char| letter.is_ascii_lowercase() || !letter.is_ascii()) {
            return Ok(self.variable);
        }
        Err(unlisted(&format!("$${name}"), "the variables"))
    }

    fn object(&mut self, document: &RawDocument) -> Result<u64, Objection> {
        let operator = first_key(document)?.is_some_and(|key| key.starts_with('$'));
        if operator && document.into_iter().nth(1).is_some() {
            return Err(Objection::invalid("an operator must stand alone in its object"));
        }
        let mut size = 0_u64;
        for element in document {
            let (key, value) = element?;
            let key = key.as_str();
            let of_one = self.member(key, value, operator).map_err(|objection| objection.within(key))?;
            size = size.saturating_add(of_one);
        }
        Ok(size)
    }

    fn member(&mut self, key: &str, value: RawBsonRef<'_>, operator: bool) -> Result<u64, Objection> {
        if !key.starts_with('$') {
            return self.check(value);
        }
        match listed(EXPRESSIONS, key).filter(|_| operator) {
            _ if key == "$literal" => data::literal(value).map(|()| 0),
            None => Err(unlisted(key, "the operators of expressions")),
            Some(_) if key == "$let" => self.variables(value),
            Some(cost) => {
                if self.allowance.allowed == Expressions::Safe && (cost == Cost::Loops || trims_letters(key, value)) {
                    return Err(loops(key));
                }
                let size = self.check(value)?;
                Ok(if cost == Cost::Scalar { 0 } else { size })
            }
        }
    }

    /// Checks `$let`. Within `in`, each variable counts as large as the largest value that any of them was given.
    fn variables(&mut self, value: RawBsonRef<'_>) -> Result<u64, Objection> {
        let RawBsonRef::Document(members) = value else {
            return self.check(value);
        };
        let mut given = 0;
        for element in members {
            let (key, value) = element?;
            if key.as_str() != "in" {
                given = self.check(value).map_err(|objection| objection.within(key.as_str()))?.max(given);
            }
        }
        let outside = self.variable;
        self.variable = outside.max(given);
        let size = match members.get("in")? {
            Some(value) => self.check(value).map_err(|objection| objection.within("in"))?,
            None => 0,
        };
        self.variable = outside;
        Ok(size)
    }
}

/// Returns whether the operator compares each letter of a text with each letter of another one.
fn trims_letters(key: &str, value: RawBsonRef<'_>) -> bool {
    let has_letters = |arguments: &RawDocument| !matches!(arguments.get("chars"), Ok(None));
    matches!(key, "$trim" | "$ltrim" | "$rtrim") && value.as_document().is_some_and(has_letters)
}

fn loops(key: &str) -> Objection {
    let fact = format!(
        "`{key}` is not allowed by the handler's setting `expressions = \"safe\"`: MongoDB before 8.1 cannot interrupt it"
    );
    let hint = "compute the value in the handler, or set `expressions = \"all\"` for this handler in weir.toml";
    Objection::denied(fact).hinting(hint)
}
