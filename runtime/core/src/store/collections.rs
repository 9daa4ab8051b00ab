//! The names of Weir's own collections, and the creation of those and of the handlers' collections. Pure.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use bson::doc;

use super::codes::NAMESPACE_EXISTS;
use super::{Error, Store, first_batch};

pub(super) const PROGRESS: &str = "progress";
/// Who works off what is parked of a line.
pub(super) const LANES: &str = "lanes";
pub(super) const GROUPS: &str = "groups";
/// The `_id` of the ledger's own document in [`GROUPS`].
pub(super) const OWN_LEDGER: &str = "ledger";
pub(super) const OWNERS: &str = "owners";
/// The prefix of a bucket's number.
pub(super) const LEDGER: &str = "ledger_";
pub(super) const LEASES: &str = "leases";
/// Holds the installation's format version and its secret.
pub(super) const FORMAT: &str = "format";
pub(super) const HANDLERS: &str = "handlers";
pub(super) const PARKED: &str = "parked";
pub(super) const RECORDS: &str = "records";

/// How long the record of a silent host is kept: 7 days.
const OWNERS_KEPT_SECONDS: i32 = 604_800;

/// The handlers' collections in which a read or an `_id` has an unusual meaning.
#[derive(Debug, Clone, Default)]
pub(super) struct Odd(Arc<RwLock<Names>>);

#[derive(Debug, Default)]
struct Names {
    /// Created with a default collation. Such a collection may treat different texts as the same `_id`, so there an
    /// `_id` does not show which document is meant.
    collated: BTreeSet<Arc<str>>,
    /// Views. A read of one sees the documents of other collections.
    views: BTreeSet<Arc<str>>,
}

impl Odd {
    fn set(&self, names: Names) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    pub(super) fn is_collated(&self, collection: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).collated.contains(collection)
    }

    pub(super) fn is_view(&self, collection: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).views.contains(collection)
    }
}

impl Store {
    /// Creates Weir's own collections and their indexes, if they do not exist yet.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn create_own_collections(&self) -> Result<(), Error> {
        for name in [PROGRESS, LANES, GROUPS, OWNERS, LEASES, HANDLERS, PARKED, RECORDS] {
            self.create(&self.own, name).await?;
        }
        self.own(doc! {
            "createIndexes": HANDLERS,
            "indexes": [{ "key": { "team": 1, "name": 1 }, "name": "team_name", "unique": true }],
        })
        .await?;
        let built = self
            .own(doc! {
                "createIndexes": PARKED,
                "indexes": [
                    { "key": { "group": 1, "state": 1, "parked_at": 1 }, "name": "group_state_time" },
                    { "key": { "group": 1, "key": 1 }, "name": "group_key" },
                    { "key": { "group": 1, "parked_at": -1, "key": -1 }, "name": "group_time_key" },
                    { "key": { "group": 1, "line": 1, "aggregate_id": 1 }, "name": "group_line_aggregate" },
                    {
                        "key": {
                            "group": 1, "record.topic": 1, "record.partition": 1, "sequence": 1, "epoch": 1,
                            "record.offset": 1, "handler.id": 1,
                        },
                        "name": "group_partition_held", "partialFilterExpression": { "holds": true },
                    },
                    {
                        "key": { "group": 1, "sequence": 1, "epoch": 1, "record.offset": 1, "handler.id": 1 },
                        "name": "group_sequence", "partialFilterExpression": { "holds": true },
                    },
                    {
                        "key": { "group": 1, "request.at": 1 },
                        "name": "group_request", "partialFilterExpression": { "request": { "$exists": true } },
                    },
                ],
            })
            .await;
        match built {
            // The collection only grows, and an old one may be large. Without an index its listings are slow.
            Err(Error::Slow(why)) => {
                let hint = "create the indexes of parked by hand; docs/operating.md lists them";
                tracing::warn!(error = why, hint, "parked_not_indexed");
            }
            built => drop(built?),
        }
        // Expires the record of a host that did not shut down cleanly. By then nothing of it is open or counts.
        self.own(doc! {
            "createIndexes": OWNERS,
            "indexes": [{ "key": { "seen_at": 1 }, "name": "seen_at", "expireAfterSeconds": OWNERS_KEPT_SECONDS }],
        })
        .await?;
        Ok(())
    }

    /// Creates collections of the handlers' database, if they do not exist yet, because a transaction that creates one
    /// conflicts with every other one that does. Then looks at all of them.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn create_collections<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
        for name in names {
            self.create(&self.data, name).await?;
        }
        self.look_at_collections().await
    }

    /// Looks up which of the handlers' collections have a collation of their own or are views. Somebody may replace a
    /// collection while a host runs.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn look_at_collections(&self) -> Result<(), Error> {
        let filter = doc! { "$or": [{ "options.collation": { "$exists": true } }, { "type": "view" }] };
        let command = doc! { "listCollections": 1, "filter": filter, "cursor": { "batchSize": i32::MAX } };
        let mut odd = Names::default();
        for found in first_batch(&self.run(&self.data, &command).await?)? {
            let Some(name) = found.get_str("name").ok().map(Arc::<str>::from) else { continue };
            if found.get_document("options").is_ok_and(|options| options.contains_key("collation")) {
                odd.collated.insert(Arc::clone(&name));
            }
            if found.get_str("type").is_ok_and(|kind| kind == "view") {
                odd.views.insert(name);
            }
        }
        self.odd.set(odd);
        Ok(())
    }

    /// Drops both databases with everything in them. Use this only for databases that a trial creates for itself.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn drop_databases(&self) -> Result<(), Error> {
        for database in [&self.data, &self.own] {
            self.run(database, &doc! { "dropDatabase": 1, "writeConcern": { "w": "majority" } }).await?;
        }
        Ok(())
    }

    pub(super) async fn create(&self, database: &str, name: &str) -> Result<(), Error> {
        match self.run(database, &doc! { "create": name }).await {
            Ok(_) | Err(Error::Refused { code: NAMESPACE_EXISTS, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
#[path = "collections_test.rs"]
mod tests;
