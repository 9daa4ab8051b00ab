//! Reads what is parked: deliveries that did not succeed, and their records. Pure.

use bson::{Bson, DateTime, Document, doc};
use serde::Deserialize;

use super::collections::PARKED;
use super::parked::{HandlerVersion, Parked, Request, State};
use super::records::RecordId;
use super::typed::date;
use super::{Error, Store, first_batch, typed};
use crate::event::RawRecord;

/// The most characters of a text in a summary.
const SUMMARY_CHARS: i32 = 300;

/// Which of the group's parked documents to list. Each field that is set must be equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParkedFilter {
    /// The state.
    pub state: Option<State>,
    /// The reason.
    pub reason: Option<String>,
    /// The handler's name.
    pub handler: Option<String>,
    /// The event's type.
    pub event_type: Option<String>,
    /// The event's id.
    pub event_id: Option<String>,
    /// The event's aggregate id.
    pub aggregate_id: Option<String>,
}

/// A place in a list that begins with what was parked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedPlace {
    /// When the document before it was parked, in milliseconds since 1970.
    pub parked_at_ms: i64,
    /// The key of the document before it.
    pub key: String,
}

/// A parked document without its long texts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ParkedSummary {
    /// The key that names it.
    #[serde(default)]
    pub key: String,
    /// The handler. None if no handler received the record.
    pub handler: Option<HandlerVersion>,
    /// The event's id, as far as it is known.
    pub event_id: Option<String>,
    /// The event's type, as far as it is known.
    pub event_type: Option<String>,
    /// The event's aggregate type, as far as it is known.
    #[serde(default)]
    pub aggregate_type: Option<String>,
    /// The event's aggregate id, as far as it is known.
    pub aggregate_id: Option<String>,
    /// The record.
    pub record: RecordId,
    /// What becomes of it.
    pub state: State,
    /// The reason for its last failure.
    pub reason: String,
    /// The beginning of the reason in words.
    pub message: String,
    /// The beginning of what to do about it.
    #[serde(default)]
    pub hint: Option<String>,
    /// The number of the last attempt.
    pub attempt: i32,
    /// When it was parked, in milliseconds since 1970.
    #[serde(rename = "parked_at", with = "date")]
    pub parked_at_ms: i64,
}

/// How many deliveries are in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ParkedCount {
    /// The state.
    #[serde(rename = "_id")]
    pub state: State,
    /// How many.
    pub count: i64,
    /// When the oldest was parked, in milliseconds since 1970.
    #[serde(rename = "oldest", with = "date")]
    pub oldest_ms: i64,
}

impl Store {
    /// Returns the group's parked documents that the filter matches, at most `limit`, the last parked first. Begins
    /// behind a place if one is given.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn parked(
        &self,
        filter: &ParkedFilter,
        after: Option<&ParkedPlace>,
        limit: i64,
    ) -> Result<Vec<ParkedSummary>, Error> {
        let command = doc! {
            "find": PARKED,
            "filter": self.parked_where(filter, after),
            "sort": { "parked_at": -1, "key": -1 },
            "projection": summary(),
            "limit": limit, "batchSize": i32::MAX, "singleBatch": true,
            "readConcern": { "level": "majority" },
        };
        let found = first_batch(&self.own(command).await?)?;
        found.into_iter().map(|document| typed::read(PARKED, document)).collect()
    }

    /// Returns how many deliveries of a handler the group has in each state, and since when the oldest is parked.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn parked_of(&self, handler: &str) -> Result<Vec<ParkedCount>, Error> {
        let filter = ParkedFilter { handler: Some(handler.to_owned()), ..ParkedFilter::default() };
        let group = doc! { "_id": "$state", "count": { "$sum": 1_i64 }, "oldest": { "$min": "$parked_at" } };
        let command = doc! {
            "aggregate": PARKED,
            "pipeline": [{ "$match": self.parked_where(&filter, None) }, { "$group": group }, { "$sort": { "_id": 1 } }],
            "cursor": {},
            "readConcern": { "level": "majority" },
        };
        let found = first_batch(&self.own(command).await?)?;
        found.into_iter().map(|document| typed::read(PARKED, document)).collect()
    }

    /// Returns the group's parked document with this key.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn parked_by_key(&self, key: &str) -> Result<Option<Parked>, Error> {
        self.first(PARKED, doc! { "group": &*self.group, "key": key }, None).await
    }

    /// Returns a record that was kept. None if it is not there.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn kept_record(&self, id: &RecordId) -> Result<Option<RawRecord>, Error> {
        Ok(self.kept_record_in_parts(id).await?.map(|(record, _)| record))
    }

    /// Asks the owner of its partition to do something with the group's parked document that has this key, which must
    /// be in one of these states. A later request replaces one that is not done yet. Returns whether there is such a
    /// document.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn request(&self, key: &str, states: &[State], request: &Request) -> Result<bool, Error> {
        let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
        let reply = self
            .own(doc! {
                "update": PARKED,
                "updates": [{
                    "q": { "group": &*self.group, "key": key, "state": { "$in": states } },
                    "u": { "$set": { "request": typed::bson(request) } },
                }],
                "writeConcern": { "w": "majority" },
            })
            .await?;
        Ok(reply.get_i32("n").is_ok_and(|n| n == 1))
    }

    fn parked_where(&self, filter: &ParkedFilter, after: Option<&ParkedPlace>) -> Document {
        let mut found = doc! { "group": &*self.group };
        if let Some(state) = filter.state {
            found.insert("state", state.as_str());
        }
        for (name, value) in [
            ("reason", &filter.reason),
            ("handler.name", &filter.handler),
            ("event_type", &filter.event_type),
            ("event_id", &filter.event_id),
            ("aggregate_id", &filter.aggregate_id),
        ] {
            if let Some(value) = value {
                found.insert(name, value);
            }
        }
        if let Some(ParkedPlace { parked_at_ms, key }) = after {
            let at = DateTime::from_millis(*parked_at_ms);
            let behind =
                [doc! { "parked_at": { "$lt": at } }, doc! { "parked_at": at, "key": { "$lt": key } }].map(Bson::from);
            found.insert("$or", behind.to_vec());
        }
        found
    }
}

/// The projection that leaves out or cuts what may be long. A record's id and an event's are short.
fn summary() -> Document {
    let mut fields = doc! {
        "key": 1, "handler": 1, "event_id": 1, "record": 1, "state": 1, "reason": 1, "attempt": 1, "parked_at": 1,
    };
    for name in ["event_type", "aggregate_type", "aggregate_id", "message", "hint"] {
        let field = format!("${name}");
        let is_text = doc! { "$eq": [{ "$type": &field }, "string"] };
        let cut = doc! { "$substrCP": [&field, 0, SUMMARY_CHARS] };
        fields.insert(name, doc! { "$cond": [is_text, cut, Bson::Null] });
    }
    fields
}
