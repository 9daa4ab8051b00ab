//! The form of Weir's own collections: its version, and the steps from one to the next. Pure.
//!
//! A host of an older version may run while a newer one takes a step, so a step only adds; and it can be taken twice,
//! for two hosts may start at once.

use bson::doc;

use super::collections::FORMAT;
use super::{Error, Store};

const ID: &str = "weir";
/// What a database has that was made before there were versions.
const FIRST: i32 = 1;

/// From one version to the next.
struct Step {
    /// What it changes, for the log.
    what: &'static str,
    /// The commands on Weir's own database that do it.
    commands: fn() -> Vec<bson::Document>,
}

/// The first leads from version 1 to version 2.
const STEPS: &[Step] = &[
    // [`Store::begin_floors`] does it. A host of version 1 must not start any more: it would drop markers and leave no floor.
    Step { what: "topics have a floor below which the ledger has forgotten events", commands: Vec::new },
];

impl Store {
    /// Writes the version where there is none, and takes the steps that lead from an older one to this version's.
    ///
    /// # Errors
    /// [`Error::Newer`], and what MongoDB answers.
    pub async fn bring_up_to_date(&self) -> Result<(), Error> {
        self.take(STEPS).await
    }

    /// Refuses a newer version and changes nothing.
    ///
    /// # Errors
    /// [`Error::Newer`], and what MongoDB answers.
    pub async fn check_format(&self) -> Result<(), Error> {
        let found = self.first(FORMAT, doc! { "_id": ID }, None).await?;
        let version = found.map_or(Ok(FIRST), |found| found.get_i32("version")).map_err(|_| odd())?;
        newest(STEPS, version).map(drop)
    }

    async fn take(&self, steps: &[Step]) -> Result<(), Error> {
        loop {
            let version = self.version().await?;
            let Some(step) = newest(steps, version)? else { return Ok(()) };
            for command in (step.commands)() {
                self.own(command).await?;
            }
            self.own(doc! {
                "update": FORMAT,
                "updates": [{ "q": { "_id": ID, "version": version }, "u": { "$set": { "version": version + 1 } } }],
                "writeConcern": { "w": "majority" },
            })
            .await?;
            tracing::info!(from = version, to = version + 1, what = step.what, "format_upgraded");
        }
    }

    async fn version(&self) -> Result<i32, Error> {
        let reply = self
            .own(doc! {
                "findAndModify": FORMAT, "query": { "_id": ID }, "update": { "$setOnInsert": { "version": FIRST } },
                "upsert": true, "new": true, "writeConcern": { "w": "majority" },
            })
            .await?;
        reply.get_document("value").and_then(|value| value.get_i32("version")).map_err(|_| odd())
    }
}

/// The step that a version is to take; none where it is the newest.
fn newest(steps: &[Step], version: i32) -> Result<Option<&Step>, Error> {
    let known = FIRST + i32::try_from(steps.len()).unwrap_or(0);
    if version > known {
        return Err(Error::Newer { found: version, known });
    }
    let taken = usize::try_from(version - FIRST).map_err(|_| odd())?;
    Ok(steps.get(taken))
}

fn odd() -> Error {
    Error::odd("the format's version")
}

#[cfg(test)]
#[path = "format_test.rs"]
mod tests;
