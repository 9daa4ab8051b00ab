//! Runs a handler natively, against a host that records what it did and carries nothing out.
//!
//! ```
//! # use weir_sdk::prelude::*;
//! use weir_sdk::testing::{self, deliver, insert_one};
//!
//! # struct Greets;
//! # impl Handler for Greets {
//! #     type Payload = Json;
//! #     const EVENTS: &[&str] = &["UserCreated"];
//! #     const GRANTS: &[Grant] = &[write("greetings")];
//! #     fn handle(&self, event: Event<Json>) -> Result {
//! #         collection("greetings").insert_one(doc! { "_id": event.aggregate_id, "at": now() })?;
//! #         Ok(())
//! #     }
//! # }
//! let event = testing::event("UserCreated", r#"{"name": "Ada"}"#);
//! let delivery = deliver(&Greets, &event);
//! assert_eq!(delivery.result, Ok(()));
//! assert_eq!(delivery.writes, [insert_one("greetings", doc! { "_id": event.aggregate_id, "at": testing::NOW })]);
//! ```

use std::collections::BTreeMap;

use crate::guest::{self, RawEvent};
use crate::host::fake;
use crate::{CallError, DateTime, Document, Effect, Grant, Handler, Level, Result, ToValue, Update, Value};

/// The time on the fake's clock: 2026-01-02T00:00:00Z.
pub const NOW: DateTime = DateTime::from_millis(1_767_312_000_000);
/// The time of creation of the row of [`event`]: 2026-01-01T00:00:00Z.
pub const CREATED_AT: DateTime = DateTime::from_millis(1_767_225_600_000);

/// Returns an event with this payload, given as JSON text. The rest is made up; change what matters to the test.
#[must_use]
pub fn event(event_type: &str, payload: &str) -> RawEvent {
    RawEvent {
        id: "0198a5c0-0000-7000-8000-000000000001".to_owned(),
        sequence: Some("1".to_owned()),
        event_type: event_type.to_owned(),
        aggregate_type: "Thing".to_owned(),
        aggregate_id: "0198a5c0-0000-7000-8000-00000000000a".to_owned(),
        payload: payload.to_owned(),
        created_at: CREATED_AT.millis(),
        headers: Vec::new(),
        columns: "{}".to_owned(),
    }
}

/// Delivers an event on an empty [`Stage`].
pub fn deliver<H: Handler>(handler: &H, event: &RawEvent) -> Delivery {
    Stage::new().deliver(handler, event)
}

/// Returns the handler's description of itself, as JSON text.
pub fn describe<H: Handler>(handler: &H) -> String {
    guest::describe(handler)
}

/// The result of a delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The handler's result, or the failure of a call that was refused.
    pub result: Result,
    /// Its writes, which a host would carry out only if the result is a success.
    pub writes: Vec<Write>,
    /// Its lines in the log.
    pub lines: Vec<Line>,
}

/// What a handler finds when it is called.
#[derive(Debug, Clone)]
pub struct Stage {
    pub(crate) now: DateTime,
    pub(crate) attempt: u32,
    pub(crate) random: u8,
    pub(crate) effect: Effect,
    pub(crate) writes: Vec<Write>,
    pub(crate) lines: Vec<Line>,
    documents: BTreeMap<String, Vec<Document>>,
    grants: &'static [Grant],
    refused: Option<CallError>,
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// Makes a stage with nothing stored, the clock at [`NOW`], and the first attempt.
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: NOW,
            attempt: 1,
            random: 0,
            effect: Effect::default(),
            writes: Vec::new(),
            lines: Vec::new(),
            documents: BTreeMap::new(),
            grants: &[],
            refused: None,
        }
    }

    /// Sets the clock.
    #[must_use]
    pub fn at(mut self, now: DateTime) -> Self {
        self.now = now;
        self
    }

    /// Sets the number of the attempt.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Stores a document. Reads find it by equal fields; a filter with an operator fails the test.
    #[must_use]
    pub fn stored(mut self, collection: &str, document: Document) -> Self {
        self.documents.entry(collection.to_owned()).or_default().push(document);
        self
    }

    /// Sets the effect that every write reports.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Delivers the event.
    pub fn deliver<H: Handler>(mut self, handler: &H, event: &RawEvent) -> Delivery {
        self.grants = H::GRANTS;
        let (result, stage) = fake::on(self, || guest::handle(handler, event.clone()));
        let result = match stage.refused {
            Some(refused) => Err(refused.into()),
            None => result,
        };
        Delivery { result, writes: stage.writes, lines: stage.lines }
    }

    pub(crate) fn granted(&mut self, collection: &str, reads: bool) -> Result<(), CallError> {
        let fits = |grant: &&Grant| grant.collection == collection && if reads { grant.read } else { grant.write };
        if self.grants.iter().any(|grant| fits(&grant)) {
            return Ok(());
        }
        let right = if reads { "read" } else { "write" };
        Err(self.refuse("denied", format!("the handler is not granted to {right} the collection `{collection}`")))
    }

    pub(crate) fn refuse(&mut self, code: &str, message: String) -> CallError {
        let error = CallError { code: code.to_owned(), message };
        self.refused.get_or_insert_with(|| error.clone());
        error
    }

    pub(crate) fn matching(&self, collection: &str, filter: &Document) -> impl Iterator<Item = &Document> {
        let fields: Vec<(String, Value)> = filter.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
        for (key, value) in &fields {
            let operator = value.as_document().is_some_and(|inner| inner.iter().any(|(name, _)| name.starts_with('$')));
            assert!(!operator && !key.starts_with('$'), "this host finds by equal fields only, not by {filter}");
        }
        self.documents
            .get(collection)
            .into_iter()
            .flatten()
            .filter(move |document| fields.iter().all(|(key, value)| document.at(key) == Some(value)))
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its level.
    pub level: Level,
    /// Its text.
    pub message: String,
    /// Its fields.
    pub fields: Document,
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named as in the contract")]
pub enum Verb {
    InsertOne,
    InsertMany,
    UpdateOne,
    UpdateMany,
    ReplaceOne,
    DeleteOne,
    DeleteMany,
}

/// A write as the host received it. Make the expected one with the functions of this module.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// What it does.
    pub verb: Verb,
    /// The collection's name.
    pub collection: String,
    /// The filter; none for inserts.
    pub filter: Option<Document>,
    /// The document, the documents, or the update; null for deletes.
    pub body: Value,
    /// Its options.
    pub options: Document,
}

impl Write {
    fn new(verb: Verb, collection: &str, filter: Option<Document>, body: Value) -> Self {
        Self { verb, collection: collection.to_owned(), filter, body, options: Document::new() }
    }

    /// Adds an option, as MongoDB names it.
    #[must_use]
    pub fn with(mut self, option: &'static str, value: impl ToValue) -> Self {
        self.options.insert(option, value);
        self
    }

    /// Adds `mustMatch`.
    #[must_use]
    pub fn must_match(self) -> Self {
        self.with("mustMatch", true)
    }

    /// Adds `upsert`.
    #[must_use]
    pub fn upsert(self) -> Self {
        self.with("upsert", true)
    }
}

/// Returns the insert of a document.
#[must_use]
pub fn insert_one(collection: &str, document: Document) -> Write {
    Write::new(Verb::InsertOne, collection, None, Value::Document(document))
}

/// Returns the insert of documents.
#[must_use]
pub fn insert_many(collection: &str, documents: &[Document]) -> Write {
    Write::new(Verb::InsertMany, collection, None, documents.to_value())
}

/// Returns the update of one document.
#[must_use]
pub fn update_one(collection: &str, filter: Document, update: impl Into<Update>) -> Write {
    Write::new(Verb::UpdateOne, collection, Some(filter), update_value(update.into()))
}

/// Returns the update of every document that matches.
#[must_use]
pub fn update_many(collection: &str, filter: Document, update: impl Into<Update>) -> Write {
    Write::new(Verb::UpdateMany, collection, Some(filter), update_value(update.into()))
}

/// Returns the replacement of one document.
#[must_use]
pub fn replace_one(collection: &str, filter: Document, document: Document) -> Write {
    Write::new(Verb::ReplaceOne, collection, Some(filter), Value::Document(document))
}

/// Returns the removal of one document.
#[must_use]
pub fn delete_one(collection: &str, filter: Document) -> Write {
    Write::new(Verb::DeleteOne, collection, Some(filter), Value::Null)
}

/// Returns the removal of every document that matches.
#[must_use]
pub fn delete_many(collection: &str, filter: Document) -> Write {
    Write::new(Verb::DeleteMany, collection, Some(filter), Value::Null)
}

fn update_value(update: Update) -> Value {
    match update {
        Update::Operators(operators) => Value::Document(operators),
        Update::Pipeline(stages) => stages.to_value(),
    }
}
