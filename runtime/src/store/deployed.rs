//! The deployed handlers: their internal ids, generations and digests. Pure.

use bson::{Bson, doc};

use super::codes::DUPLICATE_KEY;
use super::collections::HANDLERS;
use super::{Error, Store};

/// The properties of a handler that are known when it is loaded.
#[derive(Debug, Clone)]
pub struct Deployment<'a> {
    /// Its name, unique within its team.
    pub name: &'a str,
    /// The digest of its component.
    pub digest: &'a str,
    /// The event types that it handles.
    pub events: &'a [String],
    /// The handler's description of itself.
    pub description: &'a str,
}

/// A handler as Weir's database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedHandler {
    /// Assigned once, at the first load. The handlers of an event run in the order of their ids.
    pub id: i32,
    /// Increases when the handler's documents are rebuilt.
    pub generation: i32,
    /// The event types that it did not receive before, which are all of them at its first load.
    pub added: Vec<String>,
}

impl Store {
    /// Registers the handler, or notes its new version, and returns its id and generation.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn deploy(&self, deployment: &Deployment<'_>) -> Result<DeployedHandler, Error> {
        loop {
            if let Some(known) = self.update_deployed(deployment).await? {
                return Ok(known);
            }
            let id = self.next_handler_id().await?;
            let document = doc! {
                "_id": id, "team": "default", "name": deployment.name, "generation": 1, "digest": deployment.digest,
                "events": deployment.events, "description": deployment.description,
            };
            let command = doc! {
                "insert": HANDLERS, "documents": [document], "writeConcern": { "w": "majority" },
            };
            match self.own(command).await {
                Ok(_) => return Ok(DeployedHandler { id, generation: 1, added: deployment.events.to_vec() }),
                Err(Error::Refused { code: DUPLICATE_KEY, .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn update_deployed(&self, deployment: &Deployment<'_>) -> Result<Option<DeployedHandler>, Error> {
        let reply = self
            .own(doc! {
                "findAndModify": HANDLERS,
                "query": { "team": "default", "name": deployment.name },
                "update": { "$set": {
                    "digest": deployment.digest, "events": deployment.events, "description": deployment.description,
                } },
                "new": false, "writeConcern": { "w": "majority" },
            })
            .await?;
        let Some(Bson::Document(known)) = reply.get("value") else { return Ok(None) };
        let number = |name| {
            known.get_i32(name).map_err(|_| Error::Fault(format!("the entry of {} has no {name}", deployment.name)))
        };
        let before: Vec<&str> =
            known.get_array("events").map_or_else(|_| Vec::new(), |all| all.iter().filter_map(Bson::as_str).collect());
        let added = deployment.events.iter().filter(|event| !before.contains(&event.as_str())).cloned().collect();
        Ok(Some(DeployedHandler { id: number("_id")?, generation: number("generation")?, added }))
    }

    async fn next_handler_id(&self) -> Result<i32, Error> {
        let last = self.first(HANDLERS, doc! {}, Some(doc! { "_id": -1 })).await?;
        Ok(last.as_ref().and_then(|last| last.get_i32("_id").ok()).unwrap_or(0) + 1)
    }
}
