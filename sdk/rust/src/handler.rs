//! The trait of a handler, and the event that it is given.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{DateTime, Result};

/// A function from events to writes.
pub trait Handler {
    /// The type of the payload; use [`serde_json::Value`] to accept anything.
    type Payload: DeserializeOwned;
    /// The event types that the handler handles.
    const EVENTS: &[&str];
    /// The collections that the handler may use.
    const GRANTS: &[Grant];
    /// The handler's purpose, in a sentence.
    const DESCRIPTION: &str = "";

    /// Returns whether this handler wants the event; an event that it does not want is skipped.
    fn validate(&self, _event: &Event<Self::Payload>) -> bool {
        true
    }

    /// Handles one event. If this succeeds, all its writes take effect together; if not, none does.
    ///
    /// # Errors
    ///
    /// As the handler decides: see [`Failure`](crate::Failure).
    fn handle(&self, event: Event<Self::Payload>) -> Result;
}

/// One row of the outbox.
#[derive(Debug, Clone)]
pub struct Event<P> {
    /// The same however often the event is delivered.
    pub id: String,
    /// The row's place in the outbox.
    pub sequence: Option<i64>,
    /// Which event it is.
    pub event_type: String,
    /// What kind of thing it happened to.
    pub aggregate_type: String,
    /// Which of these.
    pub aggregate_id: String,
    /// What happened.
    pub payload: P,
    /// When the row was created.
    pub created_at: DateTime,
    /// The record's headers.
    pub headers: Vec<(String, String)>,
    /// Those other columns of the row that the host passes.
    pub columns: BTreeMap<String, Json>,
}

impl<P> Event<P> {
    /// Returns the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A collection that a handler may use, and its rights there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Its exact name.
    pub collection: &'static str,
    /// Whether it may be read.
    pub read: bool,
    /// Whether it may be written.
    pub write: bool,
}

/// Grants reading the collection.
#[must_use]
pub const fn read(collection: &'static str) -> Grant {
    Grant { collection, read: true, write: false }
}

/// Grants writing to the collection.
#[must_use]
pub const fn write(collection: &'static str) -> Grant {
    Grant { collection, read: false, write: true }
}

/// Grants reading and writing the collection.
#[must_use]
pub const fn read_write(collection: &'static str) -> Grant {
    Grant { collection, read: true, write: true }
}
