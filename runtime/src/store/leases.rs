//! Leases: a turn at a collection that many hosts write to. Pure.
//!
//! Nothing rests on them but speed: who holds none commits all the same, or conflicts. Their time is MongoDB's.

use bson::{Document, doc};

use super::collections::LEASES;
use super::{Error, Store};

/// How long a lease lasts, in milliseconds of MongoDB's clock.
const LASTS_MS: i64 = 1_000;

impl Store {
    /// Takes the collection's lease, where nobody else has it or its time is over.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn take_lease(&self, collection: &str) -> Result<bool, Error> {
        let owner = self.owner.name();
        // MongoDB takes no condition on its clock in the query of an upsert.
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
        let lease = reply.get_document("value").map_err(|_| Error::odd("a lease"))?;
        Ok(lease.get_str("owner").is_ok_and(|holder| holder == owner))
    }

    /// Ends this process's lease.
    ///
    /// # Errors
    /// What MongoDB answers.
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
