//! Documents of deliveries that did not succeed, and of their records. Pure.

use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};

use super::batch::{Delivery, Fate, Outcome, Slot};
use super::entry::{Entry, Item, Ledger};
use super::outcome::Failure;
use super::parts::parts;
use crate::call::LogLine;
use crate::event::Undecodable;
use crate::store::Plan;

/// The most bytes of a message or another text for people.
const TEXT_BYTES: usize = 64 << 10;
/// The most bytes of log lines.
const LOG_BYTES: usize = 4 << 20;

/// Adds to the plan one document for each delivery of a record that did not succeed, and the record once.
pub(super) fn add(plan: &mut Plan, slot: &Slot, ledger: &Ledger, now_ms: i64) {
    let before = plan.parked.len();
    match &slot.fate {
        Fate::Ignored | Fate::Duplicate | Fate::Repeated { .. } | Fate::Unsent { .. } => {}
        Fate::Dead(failure) => {
            plan.parked.extend(raw(&without_delivery(&slot.entry, failure, ledger, now_ms)));
        }
        Fate::Event { deliveries, .. } => {
            for delivery in deliveries {
                if let Some(Outcome::Failed(failure)) = &delivery.outcome {
                    plan.parked.extend(raw(&of_delivery(&slot.entry, delivery, failure, ledger, now_ms)));
                }
            }
        }
    }
    if plan.parked.len() > before {
        plan.records.extend(records(&slot.entry, ledger).iter().filter_map(raw));
    }
}

/// Serializes a document that this module has made itself.
fn raw(document: &Document) -> Option<RawDocumentBuf> {
    let made = RawDocumentBuf::try_from(document);
    debug_assert!(made.is_ok(), "keys and texts without NUL were put in");
    made.ok()
}

fn of_delivery(entry: &Entry, delivery: &Delivery, failure: &Failure, ledger: &Ledger, now_ms: i64) -> Document {
    let Item::Event(event) = &entry.item else { return Document::new() };
    let handler = &delivery.handler;
    let mut document = doc! {
        "_id": {
            "group": &*ledger.group, "source": &*ledger.source, "event_id": &event.id,
            "handler": handler.id, "generation": handler.generation,
        },
        "handler": {
            "id": handler.id, "generation": handler.generation, "name": &*handler.name, "version": &*handler.version,
        },
        "line": handler.line,
        "aggregate_type": cut(&event.aggregate_type),
        "aggregate_id": cut(&event.aggregate_id),
        "event_id": &event.id,
        "event_type": cut(&event.event_type),
        "event_created_at": DateTime::from_millis(event.created_at_ms),
    };
    document.extend(rest(entry, failure, ledger, entry.begun_ms.unwrap_or(now_ms)));
    document
}

fn without_delivery(entry: &Entry, failure: &Failure, ledger: &Ledger, now_ms: i64) -> Document {
    let known = |text: Option<&str>| text.map(cut).map_or(Bson::Null, Bson::from);
    let (event_id, event_type, aggregate_id) = match &entry.item {
        Item::Event(event) => {
            (Some(event.id.as_str()), Some(event.event_type.as_str()), Some(event.aggregate_id.as_str()))
        }
        Item::Unsent(unsent) => undelivered(&unsent.why),
        Item::Undecodable(what) => undelivered(what),
        Item::Ignored(_) => (None, None, None),
    };
    let mut document = doc! {
        "_id": record_id(entry, ledger),
        "handler": Bson::Null,
        "aggregate_id": known(aggregate_id),
        "event_id": known(event_id),
        "event_type": known(event_type),
    };
    document.extend(rest(entry, failure, ledger, now_ms));
    document
}

fn undelivered(what: &Undecodable) -> (Option<&str>, Option<&str>, Option<&str>) {
    (what.event_id.as_deref(), what.event_type.as_deref(), what.aggregate_id.as_deref())
}

fn rest(entry: &Entry, failure: &Failure, ledger: &Ledger, at_ms: i64) -> Document {
    let optional = |text: Option<&str>| text.map(cut).map_or(Bson::Null, Bson::from);
    let message = cut(&failure.message);
    let mut left = LOG_BYTES;
    let fits = |line: &&LogLine| {
        let bytes = line.text.len() + line.fields.as_ref().map_or(0, |fields| fields.get().len());
        left = left.saturating_sub(bytes);
        left > 0
    };
    let log: Vec<Bson> = failure
        .log
        .iter()
        .take_while(fits)
        .map(|line| {
            let fields = line.fields.as_ref().map_or(Bson::Null, |fields| Bson::from(fields.get()));
            Bson::Document(doc! { "level": line.level.as_str(), "text": &line.text, "fields": fields })
        })
        .collect();
    doc! {
        "group": &*ledger.group,
        "source": &*ledger.source,
        "record": record_id(entry, ledger),
        "state": failure.state.as_str(),
        "reason": failure.reason,
        "limit": optional(failure.limit),
        "message": message,
        "error_type": optional(failure.error_type.as_deref()),
        "trace": optional(failure.trace.as_deref()),
        "attempts": [{ "at": DateTime::from_millis(at_ms), "reason": failure.reason, "message": message }],
        "attempt": 1,
        "log": log,
        "holds": false,
        "parked_at": DateTime::from_millis(at_ms),
    }
}

/// Returns the record's place and timestamp. A topic that was created again has other records at the same offsets.
fn record_id(entry: &Entry, ledger: &Ledger) -> Document {
    doc! {
        "group": &*ledger.group, "topic": &*entry.partition.topic, "partition": entry.partition.partition,
        "offset": entry.offset, "timestamp": timestamp(entry),
    }
}

fn timestamp(entry: &Entry) -> Bson {
    entry.raw.timestamp_ms.map_or(Bson::Null, |ms| Bson::DateTime(DateTime::from_millis(ms)))
}

/// Returns the record's documents. If it does not fit into one, the others have the number of their `part` in their
/// `_id`.
fn records(entry: &Entry, ledger: &Ledger) -> Vec<Document> {
    let mut documents = parts(&entry.raw);
    let count = documents.len();
    for (part, document) in (1..).zip(&mut documents) {
        let mut id = record_id(entry, ledger);
        let mut whole = Document::new();
        if part > 1 {
            id.insert("part", part);
        }
        whole.insert("_id", id);
        if part == 1 {
            whole.insert("timestamp", timestamp(entry));
        }
        whole.extend(std::mem::take(document));
        if part == 1 && count > 1 {
            whole.insert("parts", i32::try_from(count).unwrap_or(i32::MAX));
        }
        *document = whole;
    }
    documents
}

/// Returns the text, cut to a length that a document can hold.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES)]
}
