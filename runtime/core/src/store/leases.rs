//! Leases: turns at a collection that many hosts write to. Pure.
//!
//! Leases affect only speed. A host without a lease can still commit, but may lose a write conflict. Expiry goes by
//! MongoDB's clock.

use bson::{Document, doc};
use serde::Deserialize;

use super::collections::LEASES;
use super::{Error, Store, typed};

/// How long a lease lasts, in milliseconds of MongoDB's clock.
const LASTS_MS: i64 = 1_000;

/// A document of `leases`.
#[derive(Debug, Deserialize)]
struct Lease {
    owner: String,
}

impl Store {
    /// Takes the collection's lease if no other host has it or it has expired.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn take_lease(&self, collection: &str) -> Result<bool, Error> {
        let owner = self.owner.name();
        // MongoDB allows no condition on its clock in the query of an upsert.
        let free = doc! { "$or": [{ "$lte": ["$until", "$$NOW"] }, { "$eq": ["$owner", { "$literal": &owner }] }] };
        let reply = self
            .own(doc! {
                "findAndModify": LEASES,
                "query": { "_id": self.lease_id(collection) },
                "update": [{ "$set": {
                    "owner": { "$cond": [&free, { "$literal": &owner }, "$owner"] },
                    "until": { "$cond": [&free, { "$add": ["$$NOW", LASTS_MS] }, "$until"] },
                } }],
                "upsert": true, "new": true, "writeConcern": { "w": 1 },
            })
            .await?;
        let lease: Lease = typed::value(LEASES, reply)?.ok_or_else(|| Error::odd("a lease"))?;
        Ok(lease.owner == owner)
    }

    /// Ends this process's lease.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn end_lease(&self, collection: &str) -> Result<(), Error> {
        self.own(doc! {
            "delete": LEASES,
            "deletes": [{ "q": { "_id": self.lease_id(collection), "owner": self.owner.name() }, "limit": 1 }],
            "writeConcern": { "w": 1 },
        })
        .await?;
        Ok(())
    }

    fn lease_id(&self, collection: &str) -> Document {
        doc! { "database": &*self.data, "collection": collection }
    }
}
