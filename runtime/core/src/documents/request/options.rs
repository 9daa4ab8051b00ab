//! The options of a call: the members that the contract names for each function, and no others.

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::{Call, Verb, unknown_option};
use crate::documents::Refusal;
use crate::documents::operators::{self, Objection};

#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) limit: Option<u32>,
    pub(super) skip: Option<u32>,
    pub(super) sort: Option<RawDocumentBuf>,
    pub(super) projection: Option<RawDocumentBuf>,
    pub(super) collation: Option<RawDocumentBuf>,
    pub(super) hint: Option<RawBson>,
    pub(super) upsert: bool,
    pub(super) array_filters: Option<RawArrayBuf>,
    pub(super) must_match: bool,
    /// The bytes that all options take as BSON.
    pub(super) bytes: usize,
}

fn known(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::FindOne => &["sort", "skip", "projection", "collation", "hint"],
        Verb::Find => &["limit", "sort", "skip", "projection", "collation", "hint"],
        Verb::Count => &["limit", "skip", "collation", "hint"],
        Verb::InsertOne | Verb::InsertMany => &[],
        Verb::UpdateOne | Verb::UpdateMany => &["upsert", "arrayFilters", "collation", "hint", "mustMatch"],
        Verb::ReplaceOne => &["upsert", "collation", "hint", "mustMatch"],
        Verb::DeleteOne | Verb::DeleteMany => &["collation", "hint", "mustMatch"],
    }
}

impl Options {
    pub(super) fn parse(call: &Call<'_>, text: Option<&str>) -> Result<Self, Refusal> {
        let mut options = Self::default();
        let Some(text) = text else {
            return Ok(options);
        };
        let members = call.parse("options", text)?;
        options.bytes = members.as_bytes().len();
        for element in &members {
            let (key, value) = element.map_err(|error| call.refuse("options", error))?;
            let key = key.as_str();
            if !known(call.verb).contains(&key) {
                return Err(call.refuse("options", unknown_option(call.verb, key, known(call.verb))));
            }
            options.set(call, key, value).map_err(|objection| call.refuse("options", objection.within(key)))?;
        }
        if options.upsert && options.must_match {
            let message = "`upsert` and `mustMatch` exclude each other: an upsert always has something to write";
            return Err(call.refuse("options", Objection::invalid(message)));
        }
        Ok(options)
    }

    fn set(&mut self, call: &Call<'_>, key: &str, value: RawBsonRef<'_>) -> Result<(), Objection> {
        match key {
            // MongoDB treats 0 as no limit.
            "limit" => self.limit = Some(count(value)?).filter(|limit| *limit > 0),
            "skip" => self.skip = Some(count(value)?).filter(|skip| *skip > 0),
            "sort" => self.sort = document(value, operators::sort)?,
            "projection" => {
                self.projection = document(value, |fields| operators::projection(fields, call.expressions))?;
            }
            "collation" => self.collation = document(value, operators::collation)?,
            "hint" => {
                operators::hint(value)?;
                self.hint = Some(RawBson::from(value));
            }
            "upsert" => self.upsert = flag(value)?,
            "mustMatch" => self.must_match = flag(value)?,
            _ => {
                let array = value.as_array().ok_or_else(|| Objection::invalid("takes an array of filters"))?;
                operators::array_filters(array, call.expressions)?;
                self.array_filters = Some(array.to_owned());
            }
        }
        Ok(())
    }
}

fn count(value: RawBsonRef<'_>) -> Result<u32, Objection> {
    let number = match value {
        RawBsonRef::Int32(number) => u32::try_from(number).ok(),
        RawBsonRef::Int64(number) => u32::try_from(number).ok(),
        _ => None,
    };
    number.ok_or_else(|| Objection::invalid("takes a whole number from 0 to 4294967295"))
}

fn flag(value: RawBsonRef<'_>) -> Result<bool, Objection> {
    value.as_bool().ok_or_else(|| Objection::invalid("takes true or false"))
}

/// Returns a document that passes the check, or `None` if it is empty and so has no effect.
fn document(
    value: RawBsonRef<'_>,
    check: impl Fn(&RawDocument) -> Result<(), Objection>,
) -> Result<Option<RawDocumentBuf>, Objection> {
    let document = value.as_document().ok_or_else(|| Objection::invalid("takes a document"))?;
    check(document)?;
    Ok(Some(document.to_owned()).filter(|document| !document.is_empty()))
}
