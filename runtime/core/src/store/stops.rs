//! Handlers that are stopped: somebody has paused them, or they failed too often in a row and tripped. Pure.

use bson::{Document, doc};
use serde::{Deserialize, Serialize};

use super::collections::HANDLERS;
use super::deployed::TEAM;
use super::typed::{self, date};
use super::{Error, Store};

/// Who has decided something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When, in milliseconds since 1970.
    #[serde(rename = "at", with = "date")]
    pub at_ms: i64,
    /// Who.
    pub by: String,
    /// The reason that was given.
    pub why: String,
}

/// Why a version of a handler has tripped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// When, in milliseconds since 1970.
    #[serde(rename = "at", with = "date")]
    pub at_ms: i64,
    /// The digest of the version, because another one may do better.
    pub version: String,
    /// The reason for its last failure.
    pub reason: String,
    /// The same in words, for people.
    pub message: String,
}

/// What keeps a handler from running, and what last made it go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Somebody has paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Decided>,
    /// It has tripped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tripped: Option<Trip>,
    /// Who last ended a pause or a trip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Decided>,
}

/// A handler that is or was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoppedHandler {
    /// The internal id.
    #[serde(rename = "_id")]
    pub id: i32,
    /// What stops it.
    pub stopped: Stop,
}

impl Store {
    /// Returns the handlers that are or were stopped.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn stops(&self) -> Result<Vec<StoppedHandler>, Error> {
        self.all(HANDLERS, doc! { "stopped": { "$exists": true } }, Some(doc! { "_id": 1 })).await
    }

    /// Pauses a handler. Returns false if there is none with this name that is not paused.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn pause(&self, name: &str, decided: &Decided) -> Result<bool, Error> {
        let which = doc! { "team": TEAM, "name": name, "stopped.paused": null };
        self.stop(which, doc! { "$set": { "stopped.paused": typed::bson(decided) } }).await
    }

    /// Ends the pause of a handler. Returns false if there is none with this name that is paused.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn resume(&self, name: &str, decided: &Decided) -> Result<bool, Error> {
        let which = doc! { "team": TEAM, "name": name, "stopped.paused": { "$exists": true } };
        self.stop(which, go_on("stopped.paused", decided)).await
    }

    /// Ends the trip of a handler, whichever version has tripped. Returns false if there is none with this name that has tripped.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn reset(&self, name: &str, decided: &Decided) -> Result<bool, Error> {
        let which = doc! { "team": TEAM, "name": name, "stopped.tripped": { "$exists": true } };
        self.stop(which, go_on("stopped.tripped", decided)).await
    }

    /// Notes that a handler has tripped.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn trip(&self, id: i32, trip: &Trip) -> Result<(), Error> {
        self.stop(doc! { "_id": id }, doc! { "$set": { "stopped.tripped": typed::bson(trip) } }).await?;
        Ok(())
    }

    /// Notes that a version of a handler that had tripped has succeeded again.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn recovered(&self, id: i32, version: &str) -> Result<(), Error> {
        let which = doc! { "_id": id, "stopped.tripped.version": version };
        self.stop(which, doc! { "$unset": { "stopped.tripped": "" } }).await?;
        Ok(())
    }

    async fn stop(&self, which: Document, change: Document) -> Result<bool, Error> {
        let statement = doc! { "q": which, "u": change };
        let write_concern = doc! { "w": "majority" };
        let reply =
            self.own(doc! { "update": HANDLERS, "updates": [statement], "writeConcern": write_concern }).await?;
        Ok(reply.get_i32("n").is_ok_and(|n| n == 1))
    }
}

/// Returns the change that ends what a field says.
fn go_on(field: &str, decided: &Decided) -> Document {
    doc! { "$unset": { field: "" }, "$set": { "stopped.ended": typed::bson(decided) } }
}
