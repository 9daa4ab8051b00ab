//! Reads for handlers: a query becomes a command, its reply becomes documents. Pure.

use std::sync::Arc;

use bson::{Document, RawDocumentBuf, cstr, doc, rawdoc};

use super::collections::Collated;
use super::wire::{Transactions, Wire};
use super::{Error, Query};

/// As many documents as a reply of MongoDB's holds.
const BATCH: i32 = i32::MAX;
/// MongoDB's code for what is over its bound of a reply (`BSONObjectTooLarge`).
const TOO_LARGE: i32 = 10_334;

/// Reads for a delivery that runs in a batch: outside any transaction, with majority read concern.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) wire: Arc<dyn Wire>,
    pub(super) database: Arc<str>,
    pub(super) collated: Collated,
}

impl Reader {
    /// Whether each `_id` of the collection is one document's, by its bytes: not where the collection has a default
    /// collation.
    #[must_use]
    pub fn tells_ids_apart(&self, collection: &str) -> bool {
        !self.collated.contains(collection)
    }

    /// The documents that the query finds, at most `query.limit`.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn find(&self, query: &Query) -> Result<Vec<RawDocumentBuf>, Error> {
        documents(&self.run(find_command(query)).await?)
    }

    /// The number of documents that the query finds.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn count(&self, query: &Query) -> Result<u64, Error> {
        number(&self.run(count_command(query)).await?)
    }

    async fn run(&self, mut command: RawDocumentBuf) -> Result<Document, Error> {
        command.append(cstr!("readConcern"), rawdoc! { "level": "majority" });
        Ok(self.wire.run(&self.database, command).await?)
    }
}

pub(super) async fn find_in(
    database: &str,
    session: &dyn Transactions,
    query: &Query,
) -> Result<Vec<RawDocumentBuf>, Error> {
    documents(&session.run(database, find_command(query)).await?)
}

pub(super) async fn count_in(database: &str, session: &dyn Transactions, query: &Query) -> Result<u64, Error> {
    number(&session.run(database, count_command(query)).await?)
}

fn find_command(query: &Query) -> RawDocumentBuf {
    let mut command = RawDocumentBuf::new();
    command.append(cstr!("find"), &*query.collection);
    command.append(cstr!("filter"), query.filter.clone());
    if let Some(limit) = query.limit {
        command.append(cstr!("limit"), i64::from(limit));
    }
    if let Some(skip) = query.skip {
        command.append(cstr!("skip"), i64::from(skip));
    }
    for (name, value) in
        [(cstr!("sort"), &query.sort), (cstr!("projection"), &query.projection), (cstr!("collation"), &query.collation)]
    {
        if let Some(value) = value {
            command.append(name, value.clone());
        }
    }
    if let Some(hint) = &query.hint {
        command.append(cstr!("hint"), hint.clone());
    }
    command.append(cstr!("batchSize"), BATCH);
    command
}

/// The `count` command is not to be had in a transaction, so a count is an aggregation.
fn count_command(query: &Query) -> RawDocumentBuf {
    let mut pipeline = vec![rawdoc! { "$match": query.filter.clone() }];
    if let Some(skip) = query.skip.filter(|skip| *skip > 0) {
        pipeline.push(rawdoc! { "$skip": i64::from(skip) });
    }
    if let Some(limit) = query.limit.filter(|limit| *limit > 0) {
        pipeline.push(rawdoc! { "$limit": i64::from(limit) });
    }
    pipeline.push(rawdoc! { "$group": { "_id": 1, "n": { "$sum": 1 } } });
    let mut command = RawDocumentBuf::new();
    command.append(cstr!("aggregate"), &*query.collection);
    command.append(cstr!("pipeline"), pipeline.into_iter().collect::<bson::RawArrayBuf>());
    command.append(cstr!("cursor"), rawdoc! {});
    if let Some(collation) = &query.collation {
        command.append(cstr!("collation"), collation.clone());
    }
    if let Some(hint) = &query.hint {
        command.append(cstr!("hint"), hint.clone());
    }
    command
}

/// What stands in a cursor's first batch. A cursor with more is a read over MongoDB's bound of a reply.
fn documents(reply: &Document) -> Result<Vec<RawDocumentBuf>, Error> {
    let odd = || Error::Fault("mongodb answered a read without a cursor".to_owned());
    let cursor = reply.get_document("cursor").map_err(|_| odd())?;
    if cursor.get_i64("id").is_ok_and(|id| id != 0) {
        let message = "the documents found are more than the 16 MiB of one reply: ask for fewer, or for fewer fields";
        return Err(Error::Refused { code: TOO_LARGE, message: message.to_owned() });
    }
    let batch = cursor.get_array("firstBatch").map_err(|_| odd())?;
    batch
        .iter()
        .map(|document| RawDocumentBuf::try_from(document.as_document().ok_or_else(odd)?).map_err(|_| odd()))
        .collect()
}

fn number(reply: &Document) -> Result<u64, Error> {
    let odd = || Error::Fault("mongodb answered a count without a number".to_owned());
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch")).map_err(|_| odd())?;
    let Some(first) = batch.first() else { return Ok(0) };
    let n = first.as_document().unwrap_or(&doc! {}).get("n").cloned();
    match n {
        Some(bson::Bson::Int32(n)) => u64::try_from(n).map_err(|_| odd()),
        Some(bson::Bson::Int64(n)) => u64::try_from(n).map_err(|_| odd()),
        _ => Err(odd()),
    }
}
