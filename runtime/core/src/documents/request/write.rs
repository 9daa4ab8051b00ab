//! Writes: statements of MongoDB's `insert`, `update` and `delete` commands.

use std::sync::Arc;

use bson::oid::ObjectId;
use bson::raw::cstr;
use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::options::Options;
use super::{Call, NamedId, Origin, key_of, named_id};
use crate::documents::Refusal;
use crate::documents::ejson;
use crate::documents::operators::{self, Objection};
use crate::store::{Kind, Write};

/// The bytes of the length that a BSON document begins with.
const LENGTH_BYTES: usize = 4;
/// The bytes that a statement takes besides the documents in it: names, flags, an `_id`.
const STATEMENT_BYTES: usize = 96;

/// Returns the write of an `insert-one` or `insert-many`. A document without an `_id` gets one that is derived from the
/// origin.
///
/// # Errors
/// If a document or the options are not what the call takes, or if there is no document.
pub fn insert(
    call: &Call<'_>,
    origin: &Origin<'_>,
    documents: &[String],
    options: Option<&str>,
) -> Result<Write, Refusal> {
    Options::parse(call, options)?;
    if documents.is_empty() {
        return Err(call.refuse("documents", Objection::invalid("at least one is needed")));
    }
    let mut statements = Vec::with_capacity(documents.len());
    for (place, text) in documents.iter().enumerate() {
        let argument = || if documents.len() == 1 { "document".to_owned() } else { format!("documents.{place}") };
        let document = stored(text).map_err(|objection| call.refuse(&argument(), objection))?;
        let statement = match document.get("_id") {
            Ok(Some(_)) => document,
            _ => with_id(&document, origin.id(place)).map_err(|error| call.refuse(&argument(), error))?,
        };
        call.check_size(&argument(), statement.as_bytes().len())?;
        statements.push(statement);
    }
    let id = match &statements[..] {
        [only] => only.get("_id").ok().flatten().and_then(key_of),
        _ => None,
    };
    Ok(Write {
        collection: Arc::clone(call.collection),
        kind: Kind::Insert,
        statements,
        id,
        id_only: false,
        multi: false,
        upsert: false,
        must_match: false,
    })
}

/// Returns the write of an `update-one` or `update-many`. If an upsert by operators may insert a document and nothing
/// names its `_id`, the `_id` is derived from the origin.
///
/// # Errors
/// If the filter, the update or the options are not what the call takes, or if MongoDB would have to make up the `_id`
/// of an upsert's new document.
pub fn update(
    call: &Call<'_>,
    origin: &Origin<'_>,
    filter: &str,
    update: &str,
    options: Option<&str>,
) -> Result<Write, Refusal> {
    let filter = parse_filter(call, filter)?;
    let options = Options::parse(call, options)?;
    let named = named_id(&filter).map_err(|objection| call.refuse("filter", objection))?;
    let mut update = parse_update(call, update)?;
    if options.upsert && !matches!(named, NamedId::One(_)) {
        update = settle_id(call, named, update, origin)?;
    }
    let statement = update_statement(call, &filter, update.as_raw_bson_ref(), &options);
    finish(call, Kind::Update, statement, (named, &filter), &options)
}

/// Returns the write of a `replace-one`.
///
/// # Errors
/// If the filter, the document or the options are not what the call takes, or if MongoDB would have to make up the
/// `_id` of an upsert's new document.
pub fn replace(call: &Call<'_>, filter: &str, document: &str, options: Option<&str>) -> Result<Write, Refusal> {
    let filter = parse_filter(call, filter)?;
    let options = Options::parse(call, options)?;
    let named = named_id(&filter).map_err(|objection| call.refuse("filter", objection))?;
    let document = stored(document).map_err(|objection| call.refuse("document", objection))?;
    let has_id = matches!(document.get("_id"), Ok(Some(_)));
    if options.upsert && !has_id && !matches!(named, NamedId::One(_)) {
        return Err(call.refuse("filter", unnamed_id("name it by an equality here, or in the document")));
    }
    let statement = update_statement(call, &filter, RawBsonRef::Document(&document), &options);
    finish(call, Kind::Update, statement, (named, &filter), &options)
}

/// Returns the write of a `delete-one` or `delete-many`.
///
/// # Errors
/// If the filter or the options are not what the call takes.
pub fn delete(call: &Call<'_>, filter: &str, options: Option<&str>) -> Result<Write, Refusal> {
    let filter = parse_filter(call, filter)?;
    let options = Options::parse(call, options)?;
    let named = named_id(&filter).map_err(|objection| call.refuse("filter", objection))?;
    let mut statement = with_room(filter.as_bytes().len() + options.bytes);
    statement.append(cstr!("q"), &filter);
    statement.append(cstr!("limit"), i32::from(!call.verb.is_multi()));
    append_shared(&mut statement, &options);
    finish(call, Kind::Delete, statement, (named, &filter), &options)
}

fn finish(
    call: &Call<'_>,
    kind: Kind,
    statement: RawDocumentBuf,
    (named, filter): (NamedId<'_>, &RawDocument),
    options: &Options,
) -> Result<Write, Refusal> {
    call.check_size("the statement", statement.as_bytes().len())?;
    let id = match named {
        // A collation may treat other texts as equal.
        NamedId::One(value) if options.collation.is_none() => key_of(value),
        _ => None,
    };
    Ok(Write {
        collection: Arc::clone(call.collection),
        kind,
        statements: vec![statement],
        // The index that a hint asks for may not contain the document.
        id_only: id.is_some() && options.hint.is_none() && asks_id_only(filter),
        id,
        multi: call.verb.is_multi(),
        upsert: options.upsert,
        must_match: options.must_match,
    })
}

/// Returns whether the filter asks for one plain `_id` and nothing else. Operators are not examined, because several
/// may be combined.
fn asks_id_only(filter: &RawDocument) -> bool {
    let mut elements = filter.iter();
    let first = elements.next().and_then(Result::ok);
    let plain = |value| !matches!(value, RawBsonRef::Document(_));
    elements.next().is_none() && first.is_some_and(|(key, value)| key.as_str() == "_id" && plain(value))
}

fn parse_filter(call: &Call<'_>, text: &str) -> Result<RawDocumentBuf, Refusal> {
    let filter = call.parse("filter", text)?;
    operators::filter(&filter, call.expressions).map_err(|objection| call.refuse("filter", objection))?;
    Ok(filter)
}

/// Parses a document of operators, or a pipeline.
fn parse_update(call: &Call<'_>, text: &str) -> Result<RawBson, Refusal> {
    let refuse = |objection| call.refuse("update", objection);
    if !text.trim_start().starts_with('[') {
        let update = call.parse("update", text)?;
        operators::update(&update, call.expressions).map_err(refuse)?;
        return Ok(RawBson::Document(update));
    }
    let update = ejson::parse_value(text).map_err(|invalid| call.refuse("update", invalid))?;
    if let RawBson::Array(stages) = &update {
        operators::pipeline(stages, call.expressions).map_err(refuse)?;
    }
    Ok(update)
}

/// Parses a document that will be stored.
fn stored(text: &str) -> Result<RawDocumentBuf, Objection> {
    let document = ejson::parse_document(text)?;
    operators::document(&document)?;
    Ok(document)
}

fn update_statement(
    call: &Call<'_>,
    filter: &RawDocument,
    update: RawBsonRef<'_>,
    options: &Options,
) -> RawDocumentBuf {
    let update_bytes = match update {
        RawBsonRef::Document(document) => document.as_bytes().len(),
        RawBsonRef::Array(stages) => stages.as_bytes().len(),
        _ => 0,
    };
    let mut statement = with_room(filter.as_bytes().len() + update_bytes + options.bytes);
    statement.append(cstr!("q"), filter);
    statement.append(cstr!("u"), update);
    if call.verb.is_multi() {
        statement.append(cstr!("multi"), true);
    }
    if options.upsert {
        statement.append(cstr!("upsert"), true);
    }
    if let Some(filters) = &options.array_filters {
        statement.append(cstr!("arrayFilters"), filters);
    }
    append_shared(&mut statement, options);
    statement
}

fn append_shared(statement: &mut RawDocumentBuf, options: &Options) {
    if let Some(collation) = &options.collation {
        statement.append(cstr!("collation"), collation);
    }
    if let Some(hint) = &options.hint {
        statement.append(cstr!("hint"), hint);
    }
}

/// Returns an empty document with room for what will be appended. It is kept until its batch is committed, so it should
/// not hold twice what it needs.
fn with_room(bytes: usize) -> RawDocumentBuf {
    let mut empty = Vec::with_capacity(bytes + STATEMENT_BYTES);
    empty.extend_from_slice(RawDocumentBuf::new().as_bytes());
    RawDocumentBuf::from_bytes(empty).unwrap_or_default()
}

/// Returns the document with an `_id` before its first field.
fn with_id(document: &RawDocument, id: ObjectId) -> Result<RawDocumentBuf, Objection> {
    let mut head = with_room(document.as_bytes().len());
    head.append(cstr!("_id"), id);
    let mut bytes = head.into_bytes();
    bytes.pop();
    bytes.extend_from_slice(&document.as_bytes()[LENGTH_BYTES..]);
    let length = i32::try_from(bytes.len()).map_err(|_| Objection::limit("longer than a document can be"))?;
    bytes[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(RawDocumentBuf::from_bytes(bytes)?)
}

/// Gives an upsert whose filter does not name the `_id` one that is the same in every run. Otherwise MongoDB would make
/// one up, and a run that was rolled back would have seen a wrong one.
///
/// Only update operators can set a value on insertion alone. In a pipeline or a replacement, an `_id` would also have
/// to be that of the document found, so there the handler must name it.
fn settle_id(call: &Call<'_>, named: NamedId<'_>, update: RawBson, origin: &Origin<'_>) -> Result<RawBson, Refusal> {
    let RawBson::Document(update) = update else {
        return Err(call.refuse("filter", unnamed_id("name it by an equality here")));
    };
    if sets_id(&update) {
        return Ok(RawBson::Document(update));
    }
    if named != NamedId::Absent {
        // MongoDB takes the new document's `_id` from some of these conditions but not from others.
        return Err(call.refuse("filter", unnamed_id("name it by an equality here, or not at all")));
    }
    let id = origin.id(0);
    let mut settled = with_room(update.as_bytes().len());
    let mut on_insert = RawDocumentBuf::new();
    for (key, value) in update.into_iter().flatten() {
        match value {
            RawBsonRef::Document(document) if key.as_str() == "$setOnInsert" => on_insert = document.to_owned(),
            value => settled.append(key, value),
        }
    }
    let on_insert = with_id(&on_insert, id).map_err(|objection| call.refuse("update", objection))?;
    settled.append(cstr!("$setOnInsert"), on_insert);
    Ok(RawBson::Document(settled))
}

/// Returns whether an operator sets the `_id`, as it may when a document is inserted.
fn sets_id(update: &RawDocument) -> bool {
    update.into_iter().flatten().filter_map(|(_, paths)| paths.as_document()).any(|paths| {
        paths.into_iter().flatten().any(|(path, _)| path.as_str() == "_id" || path.as_str().starts_with("_id."))
    })
}

fn unnamed_id(hint: &'static str) -> Objection {
    Objection::invalid("an upsert needs an `_id`: MongoDB would make another one up at every run").hinting(hint)
}
