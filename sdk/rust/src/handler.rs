//! What a handler says of itself, and the event that it is given.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{DateTime, Result};

/// A function from events to writes.
pub trait Handler {
    /// What the payload is read into; use [`serde_json::Value`] to take anything.
    type Payload: DeserializeOwned;
    /// The event types that it handles.
    const EVENTS: &[&str];
    /// The collections that it may use.
    const GRANTS: &[Grant];
    /// What it is for, in a sentence.
    const DESCRIPTION: &str = "";

    /// Whether this handler wants the event; one that it does not want is skipped.
    fn validate(&self, _event: &Event<Self::Payload>) -> bool {
        true
    }

    /// Handles one event. Its writes take effect all together if this succeeds, else none.
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
    /// When the row was made.
    pub created_at: DateTime,
    /// The record's headers.
    pub headers: Vec<(String, String)>,
    /// The row's other columns, as far as the host passes them.
    pub columns: BTreeMap<String, Json>,
}

impl<P> Event<P> {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A collection that a handler may use, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Its exact name.
    pub collection: &'static str,
    /// Whether it may be read.
    pub read: bool,
    /// Whether it may be written.
    pub write: bool,
}

/// The collection may be read.
#[must_use]
pub const fn read(collection: &'static str) -> Grant {
    Grant { collection, read: true, write: false }
}

/// The collection may be written.
#[must_use]
pub const fn write(collection: &'static str) -> Grant {
    Grant { collection, read: false, write: true }
}

/// The collection may be read and written.
#[must_use]
pub const fn read_write(collection: &'static str) -> Grant {
    Grant { collection, read: true, write: true }
}
