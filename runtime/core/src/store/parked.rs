//! The documents of `parked`: deliveries that did not succeed, and records that no handler received. Pure data and its
//! BSON.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::records::RecordId;
use super::typed::{date, optional_date};

/// What becomes of a delivery that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Another attempt may succeed.
    Parked,
    /// No attempt can.
    Dead,
}

impl State {
    /// Returns the state as parked documents and the log spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Dead => "dead",
        }
    }
}

/// The `_id` of a parked document. The same delivery or record always has the same, so it is parked once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParkedId {
    /// An event's delivery to a handler.
    Delivery {
        /// The consumer group.
        group: String,
        /// The outbox's name (`OUTBOX_SOURCE`).
        source: String,
        /// The event's id.
        event_id: String,
        /// The handler's internal id.
        handler: i32,
        /// The handler's generation.
        generation: i32,
    },
    /// A record that no handler received.
    Record(RecordId),
}

impl ParkedId {
    /// Returns the key that people and programs name it by: 16 hexadecimal digits of a digest of the `_id`.
    #[must_use]
    pub fn key(&self) -> String {
        let written = bson::serialize_to_vec(self).unwrap_or_default();
        hex::encode(&Sha256::digest(&written)[..8])
    }
}

/// A parked delivery or a dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// Its identity.
    #[serde(rename = "_id")]
    pub id: ParkedId,
    /// [`ParkedId::key`]. Empty if an older version wrote the document.
    #[serde(default)]
    pub key: String,
    /// The handler. None if no handler received the record.
    pub handler: Option<HandlerVersion>,
    /// The handler's line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<i32>,
    /// The event's aggregate type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate_type: Option<String>,
    /// The event's aggregate id, as far as it is known.
    pub aggregate_id: Option<String>,
    /// The event's id, as far as it is known.
    pub event_id: Option<String>,
    /// The event's type, as far as it is known.
    pub event_type: Option<String>,
    /// When the event was created, in milliseconds since 1970.
    #[serde(default, rename = "event_created_at", with = "optional_date", skip_serializing_if = "Option::is_none")]
    pub event_created_at_ms: Option<i64>,
    /// The consumer group.
    pub group: String,
    /// The outbox's name (`OUTBOX_SOURCE`).
    pub source: String,
    /// The record, which `records` has.
    pub record: RecordId,
    /// What becomes of it.
    pub state: State,
    /// The reason for its last failure, as metrics spell it.
    pub reason: String,
    /// The limit that stopped the handler, if one did.
    pub limit: Option<String>,
    /// The reason in words, for people.
    pub message: String,
    /// What to do about it, if Weir knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The type that failures are grouped by, if the handler gave one.
    pub error_type: Option<String>,
    /// The handler's stack, if there is one.
    pub trace: Option<String>,
    /// Each attempt, in order.
    pub attempts: Vec<Attempt>,
    /// The number of the last attempt.
    pub attempt: i32,
    /// The handler's log lines of the last attempt.
    pub log: Vec<LoggedLine>,
    /// Whether later events of its aggregate wait for it.
    pub holds: bool,
    /// When it was parked, in milliseconds since 1970.
    #[serde(rename = "parked_at", with = "date")]
    pub parked_at_ms: i64,
}

/// A version of a handler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlerVersion {
    /// The internal id.
    pub id: i32,
    /// Increases when the handler's documents are rebuilt.
    pub generation: i32,
    /// The name.
    pub name: String,
    /// The digest of the component.
    pub version: String,
}

/// One attempt at a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was made, in milliseconds since 1970.
    #[serde(rename = "at", with = "date")]
    pub at_ms: i64,
    /// The reason for its failure.
    pub reason: String,
    /// The reason in words, for people.
    pub message: String,
}

/// A line that a handler logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedLine {
    /// Its level, in lower case.
    pub level: String,
    /// Its text.
    pub text: String,
    /// A JSON object with additional fields.
    pub fields: Option<String>,
}

#[cfg(test)]
mod tests {
    use bson::{Bson, DateTime, Document, doc};

    use super::*;

    fn record() -> RecordId {
        RecordId { group: "g".into(), topic: "t".into(), partition: 1, offset: 7, timestamp_ms: Some(5), part: None }
    }

    fn parked(id: ParkedId) -> Parked {
        Parked {
            key: id.key(),
            id,
            handler: None,
            line: None,
            aggregate_type: None,
            aggregate_id: Some("a".into()),
            event_id: None,
            event_type: None,
            event_created_at_ms: None,
            group: "g".into(),
            source: "s".into(),
            record: record(),
            state: State::Dead,
            reason: "undecodable".into(),
            limit: None,
            message: "why".into(),
            hint: None,
            error_type: None,
            trace: None,
            attempts: vec![Attempt { at_ms: 9, reason: "undecodable".into(), message: "why".into() }],
            attempt: 1,
            log: vec![LoggedLine { level: "info".into(), text: "x".into(), fields: None }],
            holds: false,
            parked_at_ms: 9,
        }
    }

    fn written(parked: &Parked) -> Document {
        let raw = bson::serialize_to_raw_document_buf(parked).expect("BSON");
        assert_eq!(bson::deserialize_from_slice::<Parked>(raw.as_bytes()).expect("the same"), *parked);
        let document = Document::try_from(&raw).expect("BSON");
        assert_eq!(bson::deserialize_from_document::<Parked>(document.clone()).expect("the same"), *parked);
        document
    }

    #[test]
    fn a_record_that_no_handler_received_is_read_as_it_is_written() {
        let id = doc! {
            "group": "g", "topic": "t", "partition": 1, "offset": 7_i64, "timestamp": DateTime::from_millis(5),
        };
        let document = written(&parked(ParkedId::Record(record())));
        assert_eq!(document.get_document("_id").expect("an id"), &id);
        assert_eq!(document.get_document("record").expect("an id"), &id);
        assert_eq!(document.get("handler"), Some(&Bson::Null), "the field is there");
        assert_eq!(document.get_str("key").map(str::len).ok(), Some(16));
        assert_eq!(document.get("line"), None);
        assert_eq!(document.get_str("state").ok(), Some("dead"));
        assert_eq!(document.get_datetime("parked_at").ok(), Some(&DateTime::from_millis(9)));
    }

    #[test]
    fn a_delivery_is_read_as_it_is_written() {
        let id = ParkedId::Delivery {
            group: "g".into(),
            source: "s".into(),
            event_id: "e".into(),
            handler: 3,
            generation: 1,
        };
        let handler = HandlerVersion { id: 3, generation: 1, name: "h".into(), version: "v".into() };
        let delivery = Parked { handler: Some(handler), line: Some(3), event_created_at_ms: Some(-1), ..parked(id) };
        let document = written(&delivery);
        let id = doc! { "group": "g", "source": "s", "event_id": "e", "handler": 3, "generation": 1 };
        assert_eq!(document.get_document("_id").expect("an id"), &id);
        assert_eq!(document.get_datetime("event_created_at").ok(), Some(&DateTime::from_millis(-1)));
    }
}
