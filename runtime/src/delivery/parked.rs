//! Documents of deliveries that did not succeed, and of their records. Pure.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, RawDocumentBuf, doc};

use super::batch::{Delivery, Fate, Outcome, Slot};
use super::entry::{Entry, Item, Ledger};
use super::outcome::Failure;
use crate::event::Undecodable;
use crate::store::Plan;

/// Adds what did not succeed of a record to the plan: a document each, and the record once.
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
        plan.records.extend(raw(&record(&slot.entry, ledger)));
    }
}

/// A document that this module has made itself.
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
        "aggregate_type": &event.aggregate_type,
        "aggregate_id": &event.aggregate_id,
        "event_id": &event.id,
        "event_type": &event.event_type,
        "event_created_at": DateTime::from_millis(event.created_at_ms),
    };
    document.extend(rest(entry, failure, ledger, entry.begun_ms.unwrap_or(now_ms)));
    document
}

fn without_delivery(entry: &Entry, failure: &Failure, ledger: &Ledger, now_ms: i64) -> Document {
    let known = |text: Option<&str>| text.map_or(Bson::Null, Bson::from);
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
    let optional = |text: Option<&str>| text.map_or(Bson::Null, Bson::from);
    let log: Vec<Bson> = failure
        .log
        .iter()
        .map(|line| {
            let fields = optional(line.fields.as_ref().map(|fields| fields.get()));
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
        "message": &failure.message,
        "error_type": optional(failure.error_type.as_deref()),
        "trace": optional(failure.trace.as_deref()),
        "attempts": [{ "at": DateTime::from_millis(at_ms), "reason": failure.reason, "message": &failure.message }],
        "attempt": 1,
        "log": log,
        "holds": false,
        "parked_at": DateTime::from_millis(at_ms),
    }
}

fn record_id(entry: &Entry, ledger: &Ledger) -> Document {
    doc! {
        "group": &*ledger.group, "topic": &*entry.partition.topic, "partition": entry.partition.partition,
        "offset": entry.offset,
    }
}

fn record(entry: &Entry, ledger: &Ledger) -> Document {
    let bytes = |value: &Option<Vec<u8>>| {
        value
            .as_ref()
            .map_or(Bson::Null, |value| Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: value.clone() }))
    };
    let headers: Vec<Bson> = entry
        .raw
        .headers
        .iter()
        .map(|(name, value)| Bson::Document(doc! { "name": name, "value": bytes(value) }))
        .collect();
    doc! {
        "_id": record_id(entry, ledger),
        "timestamp": entry.raw.timestamp_ms.map_or(Bson::Null, |ms| Bson::DateTime(DateTime::from_millis(ms))),
        "key": bytes(&entry.raw.key),
        "value": bytes(&entry.raw.value),
        "headers": headers,
    }
}
