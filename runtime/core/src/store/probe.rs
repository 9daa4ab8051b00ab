//! Asks MongoDB for next to nothing, to distinguish a slow or failing MongoDB from a command that cannot succeed. Pure.

use std::time::Duration;

use bson::{doc, oid::ObjectId, rawdoc};

use super::collections::{LEASES, PROGRESS};
use super::{Error, Store};

/// How long MongoDB may take to answer a probe and still count as healthy.
pub(super) const QUICK: Duration = Duration::from_secs(1);

/// The request of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed<'a> {
    /// A find by `_id` in this collection of the handlers' database.
    Read(&'a str),
    /// A majority write in Weir's own database.
    Write,
    /// A find by `_id` in Weir's own database.
    Own,
    /// The right to write to this collection of the handlers' database: an update that matches nothing.
    RightToWrite(&'a str),
}

impl Store {
    /// How long a probe may take.
    pub const PROBE_TIME: Duration = QUICK;

    /// Asks MongoDB for next to nothing. The caller must check whether this took too long.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn probe(&self, what: Probed<'_>) -> Result<(), Error> {
        match what {
            Probed::Read(collection) => self.find_nothing(&self.data, collection).await,
            Probed::Own => self.find_nothing(&self.own, PROGRESS).await,
            Probed::Write => {
                let statement = doc! {
                    "q": { "_id": { "probe": &*self.group } },
                    "u": { "$inc": { "n": 1 } },
                    "upsert": true,
                };
                let write_concern = doc! { "w": "majority" };
                self.own(doc! { "update": LEASES, "updates": [statement], "writeConcern": write_concern }).await?;
                Ok(())
            }
            Probed::RightToWrite(collection) => {
                let statement = doc! { "q": { "_id": ObjectId::new() }, "u": { "$set": { "n": 1 } } };
                self.run(&self.data, &doc! { "update": collection, "updates": [statement] }).await?;
                Ok(())
            }
        }
    }

    async fn find_nothing(&self, database: &str, collection: &str) -> Result<(), Error> {
        let command = rawdoc! {
            "find": collection, "filter": { "_id": ObjectId::from_bytes([0; 12]) }, "projection": { "_id": 1 },
            "limit": 1, "readConcern": { "level": "majority" },
        };
        self.wire.read(database, command, QUICK).await?;
        Ok(())
    }
}
