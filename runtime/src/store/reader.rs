//! Reads for handlers: a query becomes a command, its reply becomes documents. Pure.

use std::sync::Arc;
use std::time::Duration;

use bson::{RawBsonRef, RawDocumentBuf, cstr, rawdoc};

use super::codes::BSON_OBJECT_TOO_LARGE;
use super::collections::Odd;
use super::wire::{self, Found, Transactions, Wire};
use super::{Error, Query};

/// As many documents as a reply of MongoDB's holds.
const BATCH: i32 = i32::MAX;

/// Reads for a delivery that runs in a batch: outside any transaction, with majority read concern.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) wire: Arc<dyn Wire>,
    pub(super) database: Arc<str>,
    pub(super) odd: Odd,
}

impl Reader {
    /// Whether each `_id` of the collection is one document's, by its bytes: not where the collection has a default
    /// collation.
    #[must_use]
    pub fn tells_ids_apart(&self, collection: &str) -> bool {
        !self.odd.is_collated(collection)
    }

    /// Whether the name is a view's, so that a read of it sees documents of other collections.
    #[must_use]
    pub fn is_view(&self, collection: &str) -> bool {
        self.odd.is_view(collection)
    }

    /// The documents that the query finds, at most `query.limit`, in at most that time.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn find(&self, query: &Query, time: Duration) -> Result<Vec<RawDocumentBuf>, Error> {
        documents(self.read(find_command(query), time).await?)
    }

    /// The number of documents that the query finds, in at most that time.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn count(&self, query: &Query, time: Duration) -> Result<u64, Error> {
        number(&self.read(count_command(query), time).await?)
    }

    async fn read(&self, mut command: RawDocumentBuf, time: Duration) -> Result<Found, Error> {
        command.append(cstr!("readConcern"), rawdoc! { "level": "majority" });
        Ok(self.wire.read(&self.database, command, time).await?)
    }
}

/// As [`Reader::find`], in a transaction; the outer error is the command's.
pub(super) async fn find_in(
    database: &str,
    session: &dyn Transactions,
    query: &Query,
    time: Duration,
) -> Result<Result<Vec<RawDocumentBuf>, Error>, wire::Error> {
    Ok(documents(session.read(database, find_command(query), time).await?))
}

/// As [`Reader::count`], in a transaction; the outer error is the command's.
pub(super) async fn count_in(
    database: &str,
    session: &dyn Transactions,
    query: &Query,
    time: Duration,
) -> Result<Result<u64, Error>, wire::Error> {
    Ok(number(&session.read(database, count_command(query), time).await?))
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

/// The documents of a cursor's first reply. A cursor with more is a read over MongoDB's bound of a reply.
fn documents(found: Found) -> Result<Vec<RawDocumentBuf>, Error> {
    if found.more {
        let message = "the documents found are more than the 16 MiB of one reply: ask for fewer, or for fewer fields";
        return Err(Error::Refused { code: BSON_OBJECT_TOO_LARGE, message: message.to_owned() });
    }
    Ok(found.documents)
}

fn number(found: &Found) -> Result<u64, Error> {
    let odd = || Error::odd("a count");
    let Some(first) = found.documents.first() else { return Ok(0) };
    match first.get("n").ok().flatten() {
        Some(RawBsonRef::Int32(n)) => u64::try_from(n).map_err(|_| odd()),
        Some(RawBsonRef::Int64(n)) => u64::try_from(n).map_err(|_| odd()),
        _ => Err(odd()),
    }
}
