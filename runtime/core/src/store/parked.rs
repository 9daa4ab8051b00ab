//! The documents of `parked`: deliveries that did not succeed, and records that no handler received. Pure data and its
//! BSON.

use bson::{Bson, Document, doc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::records::RecordId;
use super::sequences::Sequence;
use super::typed::{self, date, optional_date};

/// What becomes of a delivery that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Another attempt may succeed.
    Parked,
    /// It has not been tried, because an earlier event of its aggregate is parked.
    Waiting,
    /// No attempt can succeed.
    Dead,
    /// Somebody has decided that it takes no effect.
    Discarded,
}

impl State {
    /// Returns the state as parked documents and the log spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Waiting => "waiting",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
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
    /// The event's aggregate in that line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// The epoch under which it was parked. A topic that is created again has lower offsets, under a higher epoch.
    #[serde(default)]
    pub epoch: i64,
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
    /// The number of the last attempt. 0 if it has only waited.
    pub attempt: i32,
    /// The handler's log lines of the last attempt.
    pub log: Vec<LoggedLine>,
    /// Whether later events of its aggregate wait for it.
    pub holds: bool,
    /// When it was parked, in milliseconds since 1970.
    #[serde(rename = "parked_at", with = "date")]
    pub parked_at_ms: i64,
    /// When its first attempt failed by MongoDB's clock, in milliseconds since 1970. None if it has only waited.
    #[serde(default, rename = "failed_at", with = "optional_date", skip_serializing_if = "Option::is_none")]
    pub failed_at_ms: Option<i64>,
    /// What somebody has asked for and the partition's owner has not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// Who has discarded it and why, if somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discarded: Option<Request>,
}

/// What somebody asks the owner of a partition to do with a parked delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What to do.
    pub action: Action,
    /// When it was asked for, in milliseconds since 1970.
    #[serde(rename = "at", with = "date")]
    pub at_ms: i64,
    /// Who has asked for it.
    pub by: String,
    /// The reason that was given.
    pub why: String,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Try it now, whatever its policy says.
    Retry,
    /// Let it take no effect, and let the later events of its aggregate go on.
    Discard,
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
    /// The shortest delay before the next attempt that the handler has asked for, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
}

/// A change of a parked document in a transaction. The document must still be as it was, or else nothing of the
/// transaction is committed.
#[derive(Debug, Clone, PartialEq)]
pub struct ParkedChange {
    /// The document.
    pub id: ParkedId,
    /// The number of its last attempt, which shows whether it is as it was.
    pub attempt: i32,
    /// What somebody had asked for. What somebody asks for meanwhile must not get lost.
    pub request: Option<Request>,
    /// What becomes of it.
    pub to: Changed,
}

/// What becomes of a parked document.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// The delivery has succeeded, so its document goes, and its record too if no other document needs it.
    Released {
        /// The record.
        record: RecordId,
        /// How many documents the record has.
        parts: i32,
    },
    /// Another attempt has failed.
    FailedAgain(Box<FailedAgain>),
    /// The policy allows no further attempt. Later events of its aggregate wait if it `holds`.
    Exhausted {
        /// Whether they do.
        holds: bool,
    },
    /// Somebody has discarded it.
    Discarded(Request),
}

/// What another attempt came to.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedAgain {
    /// What becomes of the delivery.
    pub state: State,
    /// Whether later events of its aggregate wait for it.
    pub holds: bool,
    /// The version that was run.
    pub version: HandlerVersion,
    /// The number of this attempt. It is that of the last one if the delivery was not run.
    pub number: i32,
    /// When the first attempt failed, in milliseconds since 1970.
    pub failed_at_ms: i64,
    /// This attempt.
    pub attempt: Attempt,
    /// The limit that stopped the handler, if one did.
    pub limit: Option<String>,
    /// What to do about it, if Weir knows.
    pub hint: Option<String>,
    /// The type that failures are grouped by, if the handler gave one.
    pub error_type: Option<String>,
    /// The handler's stack, if there is one.
    pub trace: Option<String>,
    /// The handler's log lines of this attempt.
    pub log: Vec<LoggedLine>,
}

/// How many of the last attempts a document keeps.
const ATTEMPTS: i32 = 20;

impl ParkedChange {
    /// Returns the statement of an `update` command that makes the change, or none if the document is deleted.
    #[must_use]
    pub(super) fn update(&self) -> Option<Document> {
        let update = match &self.to {
            Changed::Released { .. } => return None,
            Changed::FailedAgain(failed) => doc! {
                "$set": {
                    "state": typed::bson(&failed.state), "holds": failed.holds, "handler": typed::bson(&failed.version),
                    "reason": &failed.attempt.reason, "message": &failed.attempt.message, "limit": &failed.limit,
                    "hint": &failed.hint, "error_type": &failed.error_type, "trace": &failed.trace, "attempt": failed.number,
                    "failed_at": bson::DateTime::from_millis(failed.failed_at_ms),
                    "log": typed::bson(&failed.log),
                },
                "$push": { "attempts": { "$each": [typed::bson(&failed.attempt)], "$slice": -ATTEMPTS } },
                "$unset": { "request": "" },
            },
            Changed::Exhausted { holds } => doc! {
                "$set": { "state": typed::bson(&State::Dead), "holds": holds }, "$unset": { "request": "" },
            },
            Changed::Discarded(request) => doc! {
                "$set": { "state": typed::bson(&State::Discarded), "holds": false, "discarded": typed::bson(request) },
                "$unset": { "request": "" },
            },
        };
        Some(doc! { "q": self.filter(), "u": update })
    }

    /// Returns the `_id`s of the record's documents, if the change leaves the record with one user less.
    pub(super) fn record_parts(&self) -> impl Iterator<Item = Bson> {
        let (record, parts) = match &self.to {
            Changed::Released { record, parts } => (Some(record.clone()), *parts),
            Changed::FailedAgain(_) | Changed::Exhausted { .. } | Changed::Discarded(_) => (None, 0),
        };
        let part =
            |number: i32| Some(typed::bson(&RecordId { part: (number > 1).then_some(number), ..record.clone()? }));
        (1..=parts).filter_map(part).collect::<Vec<_>>().into_iter()
    }

    /// Returns the filter that finds the document as it was.
    #[must_use]
    pub(super) fn filter(&self) -> Document {
        // A document without a request matches null.
        doc! { "_id": typed::bson(&self.id), "attempt": self.attempt, "request": typed::bson(&self.request) }
    }
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
    use bson::DateTime;

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
            sequence: None,
            epoch: 0,
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
            attempts: vec![Attempt { at_ms: 9, reason: "undecodable".into(), message: "why".into(), after_ms: None }],
            attempt: 1,
            log: vec![LoggedLine { level: "info".into(), text: "x".into(), fields: None }],
            holds: false,
            parked_at_ms: 9,
            failed_at_ms: None,
            request: None,
            discarded: None,
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
    fn what_somebody_asks_for_meanwhile_keeps_a_change_from_being_made() {
        let request = Request { action: Action::Discard, at_ms: 5, by: "p".into(), why: "w".into() };
        let change = |request| {
            let record = record();
            let to = Changed::Released { record: record.clone(), parts: 1 };
            ParkedChange { id: ParkedId::Record(record), attempt: 2, request, to }.filter()
        };
        assert_eq!(change(None).get("request"), Some(&Bson::Null), "null matches a document without a request");
        let filter = change(Some(request));
        assert_eq!(filter.get_document("request").and_then(|request| request.get_str("action")).ok(), Some("discard"));
        assert_eq!(filter.get_i32("attempt").ok(), Some(2));
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
