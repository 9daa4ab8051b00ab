//! The format of Weir's own collections: its version, and the steps from one version to the next. Pure.
//!
//! A host of an older version may run while a newer one takes a step, so a step only adds things. It must be safe to
//! run twice, because two hosts may start at once.

use bson::doc;
use serde::Deserialize;

use super::collections::FORMAT;
use super::{Error, Store, typed};

const ID: &str = "weir";
/// The version of a database that was created before there were versions.
const FIRST: i32 = 1;

/// The document of `format` that has the version.
#[derive(Debug, Deserialize)]
struct Format {
    version: i32,
}

/// An upgrade from one version to the next.
struct Step {
    /// The change, for the log.
    what: &'static str,
    /// The commands on Weir's own database that make the change.
    commands: fn() -> Vec<bson::Document>,
}

/// The first step leads from version 1 to version 2.
const STEPS: &[Step] = &[
    // [`Store::begin_floors`] does it. A host of version 1 must not start any more, because it would drop markers and
    // leave no floor.
    Step { what: "topics have a floor below which the ledger has forgotten events", commands: Vec::new },
];

impl Store {
    /// Writes the version if there is none, and takes the steps that lead from an older version to this one.
    ///
    /// # Errors
    /// [`Error::Newer`]. Also fails if MongoDB refuses a command or does not answer.
    pub async fn bring_up_to_date(&self) -> Result<(), Error> {
        self.take(STEPS).await
    }

    /// Refuses a newer version and changes nothing.
    ///
    /// # Errors
    /// [`Error::Newer`]. Also fails if MongoDB refuses a command or does not answer.
    pub async fn check_format(&self) -> Result<(), Error> {
        let found: Option<Format> = self.first(FORMAT, doc! { "_id": ID }, None).await?;
        newest(STEPS, found.map_or(FIRST, |found| found.version)).map(drop)
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
        typed::value(FORMAT, reply)?.map(|found: Format| found.version).ok_or_else(odd)
    }
}

/// Returns the next step for a version, or none if the version is the newest.
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
