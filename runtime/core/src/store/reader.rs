//! Reads for handlers: turns a query into a command, and its reply into documents. Pure.

use std::sync::Arc;
use std::time::Duration;

use bson::{RawBsonRef, RawDocumentBuf, cstr, rawdoc};

use super::codes::BSON_OBJECT_TOO_LARGE;
use super::collections::Odd;
use super::wire::{self, Found, Transactions, Wire};
use super::{Error, Query};

/// As many documents as one reply of MongoDB can hold.
const BATCH: i32 = i32::MAX;

/// Reads for a delivery that runs in a batch: outside any transaction, with majority read concern.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) wire: Arc<dyn Wire>,
    pub(super) database: Arc<str>,
    pub(super) odd: Odd,
}

impl Reader {
    /// Returns whether the bytes of an `_id` identify one document of the collection. This is false if the collection
    /// has a default collation.
    #[must_use]
    pub fn tells_ids_apart(&self, collection: &str) -> bool {
        !self.odd.is_collated(collection)
    }

    /// Returns whether the name is a view's, so that a read of it sees documents of other collections.
    #[must_use]
    pub fn is_view(&self, collection: &str) -> bool {
        self.odd.is_view(collection)
    }

    /// Returns the documents that the query finds, at most `query.limit`, within the given time.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn find(&self, query: &Query, time: Duration) -> Result<Vec<RawDocumentBuf>, Error> {
        documents(self.read(find_command(query), time).await?)
    }

    /// Returns the number of documents that the query finds, within the given time.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn count(&self, query: &Query, time: Duration) -> Result<u64, Error> {
        number(&self.read(count_command(query), time).await?)
    }

    async fn read(&self, mut command: RawDocumentBuf, time: Duration) -> Result<Found, Error> {
        command.append(cstr!("readConcern"), rawdoc! { "level": "majority" });
        Ok(self.wire.read(&self.database, command, time).await?)
    }
}

/// Like [`Reader::find`], in a transaction. The outer error is the command's.
pub(super) async fn find_in(
    database: &str,
    session: &dyn Transactions,
    query: &Query,
    time: Duration,
) -> Result<Result<Vec<RawDocumentBuf>, Error>, wire::Error> {
    Ok(documents(session.read(database, find_command(query), time).await?))
}

/// Like [`Reader::count`], in a transaction. The outer error is the command's.
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

/// A count is an aggregation because the `count` command is not available in a transaction.
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

/// Returns the documents of a cursor's first reply. If the cursor has more, the read is over MongoDB's limit for one
/// reply.
fn documents(found: Found) -> Result<Vec<RawDocumentBuf>, Error> {
    if found.more {
        let message = "the documents found are more than the 16 MiB of one reply";
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
