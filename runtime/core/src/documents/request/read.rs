//! Reads.

use std::sync::Arc;

use bson::{RawBson, RawDocument};

use super::options::Options;
use super::{Call, NamedId, Verb, key_of, named_id};
use crate::documents::Refusal;
use crate::documents::operators::{self, Objection};
use crate::store::Query;

/// Returns what a `find-one`, `find` or `count` reads. A `find-one` has the limit 1.
///
/// # Errors
/// If the filter or the options are not what the call takes.
pub fn find(call: &Call<'_>, filter: &str, options: Option<&str>) -> Result<Query, Refusal> {
    let filter = call.parse("filter", filter)?;
    operators::filter(&filter, call.expressions).map_err(|objection| call.refuse("filter", objection))?;
    let options = Options::parse(call, options)?;
    call.check_size("filter and options", filter.as_bytes().len() + options.bytes)?;
    let id = match named_id(&filter).map_err(|objection| call.refuse("filter", objection))? {
        NamedId::One(value) if options.collation.is_none() => key_of(value),
        _ => None,
    };
    let by_id = plain_id(call, &filter, &options).map_err(|objection| call.refuse("filter", objection))?;
    Ok(Query {
        collection: Arc::clone(call.collection),
        by_id: by_id.zip(id.clone()),
        id,
        filter,
        limit: if call.verb == Verb::FindOne { Some(1) } else { options.limit },
        skip: options.skip,
        sort: options.sort,
        projection: options.projection,
        collation: options.collation,
        hint: options.hint,
    })
}

/// Returns the `_id`, if the filter asks for nothing else and the options do not change what is found.
fn plain_id(call: &Call<'_>, filter: &RawDocument, options: &Options) -> Result<Option<RawBson>, Objection> {
    let plain = call.verb != Verb::Count
        && options.limit.is_none()
        && options.skip.is_none()
        && options.sort.is_none()
        && options.collation.is_none()
        && options.hint.is_none();
    if !plain || filter.into_iter().count() != 1 {
        return Ok(None);
    }
    // The condition on `_id` may be a document with other operators besides `$eq`, so only the plain forms count.
    let simple = match filter.get("_id")? {
        Some(bson::RawBsonRef::Document(condition)) => match condition.get("$eq")? {
            Some(_) => condition.into_iter().count() == 1,
            None => true,
        },
        value => value.is_some(),
    };
    match named_id(filter)? {
        NamedId::One(value) if simple => Ok(Some(RawBson::from(value))),
        _ => Ok(None),
    }
}
