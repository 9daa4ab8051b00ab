//! MongoDB: the only module that sees the driver.
//!
//! It runs what others have decided and reports what MongoDB answered; it decides nothing about events.

mod checks;
mod claims;
mod collections;
mod deployed;
mod error;
mod ledger;
pub mod plan;
pub mod progress;
pub mod query;
pub mod read;
mod reader;
mod transaction;
pub mod write;

pub use claims::StartDecision;
pub use deployed::{DeployedHandler, Deployment};
pub use error::Error;
pub use plan::{Command, FailedWrite, Marker, MarkerKey, Plan, Reply, WriteError};
pub use progress::{Advance, Claim, LastRecord, PartitionId};
pub use query::Query;
pub use read::{Digest, ReadById, digest};
pub use reader::Reader;
pub use transaction::{Live, Session};
pub use write::{Effect, IdKey, Kind, Write};

use std::sync::Arc;
use std::time::Duration;

use bson::{Document, doc};
use mongodb::options::{ClientOptions, ReadConcern, SelectionCriteria, WriteConcern};
use mongodb::{Client, Database};
use uuid::Uuid;

/// How MongoDB is reached, and which databases are whose.
#[derive(Debug, Clone)]
pub struct Options {
    /// The connection string, with its secrets.
    pub uri: String,
    /// The handlers' database (`MONGODB_DATABASE`).
    pub database: String,
    /// Weir's own database (`WEIR_DATABASE`).
    pub own_database: String,
    /// The consumer group for which partitions are claimed.
    pub group: String,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long to look for a server before an operation fails.
    pub server_selection_timeout: Duration,
}

/// A connection to MongoDB for one process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    data: Database,
    own: Database,
    group: Arc<str>,
    owner: Arc<str>,
}

impl Store {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// The connection string is not valid.
    pub async fn new(options: &Options) -> Result<Self, Error> {
        let mut client_options = ClientOptions::parse(&options.uri).await.map_err(|error| Error::uri(&error))?;
        client_options.app_name.get_or_insert_with(|| "weir".to_owned());
        client_options.connect_timeout = Some(options.connect_timeout);
        client_options.server_selection_timeout = Some(options.server_selection_timeout);
        client_options.read_concern = Some(ReadConcern::majority());
        client_options.write_concern = Some(WriteConcern::majority());
        client_options.selection_criteria =
            Some(SelectionCriteria::ReadPreference(mongodb::options::ReadPreference::Primary));
        let client = Client::with_options(client_options).map_err(|error| Error::uri(&error))?;
        Ok(Self {
            data: client.database(&options.database),
            own: client.database(&options.own_database),
            client,
            group: Arc::from(options.group.as_str()),
            owner: Arc::from(Uuid::now_v7().to_string()),
        })
    }

    /// Asks MongoDB what it is, and refuses one that has no transactions.
    ///
    /// # Errors
    /// [`Error::Standalone`], or MongoDB is not to be reached.
    pub async fn check(&self) -> Result<(), Error> {
        let hello = self.own.run_command(doc! { "hello": 1 }).await?;
        let sharded = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        if hello.get_str("setName").is_err() && !sharded {
            return Err(Error::Standalone);
        }
        Ok(())
    }

    /// Reads for deliveries that run in a batch.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.data.clone())
    }

    async fn admin(&self, command: Document) -> Result<Document, Error> {
        Ok(self.client.database("admin").run_command(command).await?)
    }
}
