//! The deployed handlers: their internal ids, generations and digests. Pure.

use bson::{Document, doc};
use serde::{Deserialize, Serialize};

use super::codes::DUPLICATE_KEY;
use super::collections::HANDLERS;
use super::stops::Stop;
use super::{Error, Store, typed};

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

/// The team of every handler, until teams can be created.
pub(super) const TEAM: &str = "default";

/// A document of `handlers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlerDocument {
    /// Assigned once, at the first load.
    #[serde(rename = "_id")]
    pub id: i32,
    /// The team that owns it.
    pub team: String,
    /// Its name, unique within its team.
    pub name: String,
    /// Increases when the handler's documents are rebuilt.
    pub generation: i32,
    /// The digest of the component that was loaded last.
    pub digest: String,
    /// The line of it that a host computed last. None if an older version wrote the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<i32>,
    /// The event types that it handles.
    #[serde(default)]
    pub events: Vec<String>,
    /// The handler's description of itself.
    pub description: String,
    /// What keeps it from running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
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
            let document = HandlerDocument {
                id,
                team: TEAM.to_owned(),
                name: deployment.name.to_owned(),
                generation: 1,
                line: None,
                digest: deployment.digest.to_owned(),
                events: deployment.events.to_vec(),
                description: deployment.description.to_owned(),
                stopped: None,
            };
            let command = doc! {
                "insert": HANDLERS, "documents": [typed::bson(&document)], "writeConcern": { "w": "majority" },
            };
            match self.own(command).await {
                Ok(_) => return Ok(DeployedHandler { id, generation: 1, added: deployment.events.to_vec() }),
                Err(Error::Refused { code: DUPLICATE_KEY, .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns every handler that was ever loaded, in the order of their ids.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn handlers(&self) -> Result<Vec<HandlerDocument>, Error> {
        self.all(HANDLERS, doc! {}, Some(doc! { "_id": 1 })).await
    }

    /// Returns the handler with this name, if one was ever loaded.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn handler(&self, name: &str) -> Result<Option<HandlerDocument>, Error> {
        self.first(HANDLERS, doc! { "team": TEAM, "name": name }, None).await
    }

    /// Notes the line of each handler, by its id.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn note_lines(&self, lines: &[(i32, i32)]) -> Result<(), Error> {
        let statement = |(id, line): &(i32, i32)| doc! { "q": { "_id": id }, "u": { "$set": { "line": line } } };
        let statements: Vec<Document> = lines.iter().map(statement).collect();
        if !statements.is_empty() {
            let write_concern = doc! { "w": "majority" };
            self.own(doc! { "update": HANDLERS, "updates": statements, "writeConcern": write_concern }).await?;
        }
        Ok(())
    }

    async fn update_deployed(&self, deployment: &Deployment<'_>) -> Result<Option<DeployedHandler>, Error> {
        let reply = self
            .own(doc! {
                "findAndModify": HANDLERS,
                "query": { "team": TEAM, "name": deployment.name },
                "update": { "$set": {
                    "digest": deployment.digest, "events": deployment.events, "description": deployment.description,
                } },
                "new": false, "writeConcern": { "w": "majority" },
            })
            .await?;
        let Some(known) = typed::value::<HandlerDocument>(HANDLERS, reply)? else { return Ok(None) };
        let added = deployment.events.iter().filter(|event| !known.events.contains(event)).cloned().collect();
        Ok(Some(DeployedHandler { id: known.id, generation: known.generation, added }))
    }

    async fn next_handler_id(&self) -> Result<i32, Error> {
        let last: Option<HandlerDocument> = self.first(HANDLERS, doc! {}, Some(doc! { "_id": -1 })).await?;
        Ok(last.map_or(0, |last| last.id) + 1)
    }
}
