//! Leases: a turn at a collection that many hosts write to. Pure.
//!
//! Nothing rests on them but speed: who holds none commits all the same, or conflicts. Their time is MongoDB's.

use bson::doc;

use super::collections::LEASES;
use super::{Error, Store};

/// How long a lease lasts, in milliseconds of MongoDB's clock.
const LASTS_MS: i64 = 1_000;
const DUPLICATE_KEY: i32 = 11_000;

impl Store {
    /// Takes the collection's lease, where nobody has it or its time is over.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn take_lease(&self, collection: &str) -> Result<bool, Error> {
        let taken = self
            .own(doc! {
                "findAndModify": LEASES,
                "query": {
                    "_id": { "database": &*self.data, "collection": collection },
                    "$expr": { "$lte": ["$until", "$$NOW"] },
                },
                "update": [{ "$set": { "owner": self.owner(), "until": { "$add": ["$$NOW", LASTS_MS] } } }],
                "upsert": true,
            })
            .await;
        match taken {
            Ok(_) => Ok(true),
            Err(Error::Refused { code: DUPLICATE_KEY, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends this process's lease.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn end_lease(&self, collection: &str) -> Result<(), Error> {
        let id = doc! { "database": &*self.data, "collection": collection };
        self.own(doc! {
            "delete": LEASES, "deletes": [{ "q": { "_id": id, "owner": self.owner() }, "limit": 1 }],
        })
        .await?;
        Ok(())
    }
}
