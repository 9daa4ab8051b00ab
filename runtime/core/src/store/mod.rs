//! MongoDB. It knows no driver and talks to a [`wire::Wire`].
//!
//! It runs what others have decided and reports MongoDB's answers. It makes no decisions about events.
//!
//! Invariant: no document of Weir's own leaves it. Each of its collections has a struct that is written and read here.
//! Only handlers' documents pass through it as BSON.

mod checks;
mod claims;
mod codes;
mod collections;
mod command;
mod deaths;
mod deployed;
mod error;
mod failures;
mod floors;
mod format;
mod groups;
mod leases;
mod ledger;
mod live;
mod owners;
mod parked;
pub mod plan;
mod probe;
mod problem;
pub mod progress;
pub mod query;
pub mod read;
mod reader;
mod records;
mod secret;
mod sequences;
mod stops;
mod transaction;
mod typed;
pub mod wire;
pub mod write;

#[cfg(test)]
mod listed_test;

pub use claims::{Claimed, GroupProgress, StartDecision};
pub use codes::is_conflict_of_commit;
pub use deployed::{DeployedHandler, Deployment, HandlerDocument};
pub use error::{Error, remedy};
pub use failures::{ParkedCount, ParkedFilter, ParkedPlace, ParkedSummary};
pub use floors::{Floor, FloorFence, Floors, LEAST_RETENTION_MS, Swept};
pub use ledger::{BUCKET_MS, Buckets, Seen};
pub use live::Live;
pub use owners::BEAT;
pub use parked::{
    Action, Attempt, Changed, FailedAgain, HandlerVersion, LoggedLine, Parked, ParkedChange, ParkedId, Request, State,
};
pub use plan::{Command, FailedWrite, FaultKind, FaultyCommand, Fence, Marker, MarkerKey, Plan, Reply, WriteError};
pub use probe::Probed;
pub use progress::{Advance, Claim, Crash, Crashes, DEATHS_THAT_COUNT, LastRecord, Ownership, PartitionId, Progress};
pub use query::Query;
pub use read::{Digest, ReadById, digest};
pub use reader::Reader;
pub use records::{RecordId, RecordPart};
pub use sequences::{AttemptTime, Held, Sequence};
pub use stops::{Decided, Stop, StoppedHandler, Trip};
pub use transaction::Session;
pub use write::{Effect, IdKey, Kind, Write};

use std::sync::Arc;

use bson::{Bson, Document, RawDocumentBuf, doc};
use serde::de::DeserializeOwned;

use collections::Odd;
use owners::Owner;
use wire::Wire;

/// The databases, the group and the owner of a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// The handlers' database (`MONGODB_DATABASE`).
    pub database: String,
    /// Weir's own database (`WEIR_DATABASE`).
    pub own_database: String,
    /// The consumer group for which partitions are claimed.
    pub group: String,
    /// A name that no other process has, and that no earlier process on this machine had.
    pub owner: String,
}

/// MongoDB for one process and group. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    wire: Arc<dyn Wire>,
    data: Arc<str>,
    own: Arc<str>,
    group: Arc<str>,
    /// For what it claims partitions.
    ownership: Ownership,
    owner: Arc<Owner>,
    odd: Odd,
}

impl Store {
    /// Creates the store without sending anything yet.
    #[must_use]
    pub fn new(wire: Arc<dyn Wire>, options: &Options) -> Self {
        let group: Arc<str> = Arc::from(options.group.as_str());
        Self {
            wire,
            data: Arc::from(options.database.as_str()),
            own: Arc::from(options.own_database.as_str()),
            ownership: Ownership { group: group.clone(), line: None },
            group,
            owner: Arc::new(Owner::new(options.owner.clone())),
            odd: Odd::default(),
        }
    }

    /// Returns the same store for the committer that tries again what is parked of a line. It claims partitions for that
    /// line, in a name of its own, so that neither's claims end the other's transactions.
    #[must_use]
    pub fn of_line(&self, line: i32) -> Self {
        let ownership = Ownership { line: Some(line), ..self.ownership.clone() };
        Self { ownership, owner: Arc::new(self.owner.of_line(line)), ..self.clone() }
    }

    /// Checks that MongoDB supports transactions, and refuses a server that does not.
    ///
    /// # Errors
    /// [`Error::Standalone`]. Also fails if MongoDB refuses a command or does not answer.
    pub async fn check(&self) -> Result<(), Error> {
        let hello = self.own(doc! { "hello": 1 }).await?;
        let sharded = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        if hello.get_str("setName").is_err() && !sharded {
            return Err(Error::Standalone);
        }
        Ok(())
    }

    /// Returns a reader for deliveries that run in a batch.
    #[must_use]
    pub fn reader(&self) -> Reader {
        let (wire, database) = (Arc::clone(&self.wire), Arc::clone(&self.data));
        Reader { wire, database, odd: self.odd.clone() }
    }

    /// Returns how often one of MongoDB's servers has gone, come back or changed its role.
    #[must_use]
    pub fn server_changes(&self) -> u64 {
        self.wire.server_changes()
    }

    /// Runs a command on Weir's own database. A write error or a failed write concern in the reply is an error too.
    async fn own(&self, command: Document) -> Result<Document, Error> {
        self.run(&self.own, &command).await
    }

    async fn run(&self, database: &str, command: &Document) -> Result<Document, Error> {
        let command = RawDocumentBuf::try_from(command).map_err(|error| Error::Fault(error.to_string()))?;
        let reply = self.wire.run(database, command).await?;
        match problem::first_write_error(&reply) {
            Some((_, code, message)) => Err(wire::Error { code: Some(code), message, ..wire::Error::default() }.into()),
            None => Ok(reply),
        }
    }

    /// Returns the first document that a filter finds.
    async fn first<T: DeserializeOwned>(
        &self,
        collection: &str,
        filter: Document,
        sort: Option<Document>,
    ) -> Result<Option<T>, Error> {
        let found = self.find(collection, filter, sort, 1).await?.into_iter().next();
        found.map(|document| typed::read(collection, document)).transpose()
    }

    /// Returns the documents that a filter finds. Fails if one reply does not hold them.
    async fn all<T: DeserializeOwned>(
        &self,
        collection: &str,
        filter: Document,
        sort: Option<Document>,
    ) -> Result<Vec<T>, Error> {
        let found = self.find(collection, filter, sort, i64::from(i32::MAX)).await?;
        found.into_iter().map(|document| typed::read(collection, document)).collect()
    }

    async fn find(
        &self,
        collection: &str,
        filter: Document,
        sort: Option<Document>,
        limit: i64,
    ) -> Result<Vec<Document>, Error> {
        let mut command = doc! { "find": collection, "filter": filter, "limit": limit };
        command.insert("batchSize", i32::MAX);
        command.insert("readConcern", doc! { "level": "majority" });
        if let Some(sort) = sort {
            command.insert("sort", sort);
        }
        let reply = self.own(command).await?;
        let cursor = reply.get_document("cursor").and_then(|cursor| cursor.get_i64("id")).unwrap_or_default();
        if cursor != 0 {
            self.own(doc! { "killCursors": collection, "cursors": [cursor] }).await?;
            return Err(Error::Fault(format!("{collection} has more than the 16 MiB of one reply of mongodb")));
        }
        first_batch(&reply)
    }
}

/// Returns the documents in a reply's first batch.
fn first_batch(reply: &Document) -> Result<Vec<Document>, Error> {
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let batch = batch.map_err(|_| Error::odd("a find"))?;
    batch.iter().map(|found| found.as_document().cloned().ok_or_else(|| Error::odd("a find"))).collect()
}

/// Returns MongoDB's clock from a reply: the time of the last operation, in milliseconds since 1970.
fn clock_ms(reply: &Document) -> Option<i64> {
    match reply.get("operationTime") {
        Some(Bson::Timestamp(time)) => Some(i64::from(time.time) * 1000),
        _ => None,
    }
}
