//! What is kept of deliveries that did not succeed, and of their records. Pure.

use super::entry::{Entry, Item, Ledger};
use super::outcome::Failure;
use super::slot::{Delivery, Fate, Outcome, Slot};
use crate::call::LogLine;
use crate::cut;
use crate::event::{Event, Undecodable};
use crate::store::{Attempt, HandlerVersion, LoggedLine, Parked, ParkedId, Plan, RecordId, RecordPart};

/// The most bytes of a message or another text for people.
const TEXT_BYTES: usize = 64 << 10;

/// Adds to the plan one document for each delivery of a record that did not succeed, and the record once.
pub(super) fn add(plan: &mut Plan, slot: &Slot, ledger: &Ledger, now_ms: i64) {
    let before = plan.parked.len();
    match &slot.fate {
        Fate::Ignored | Fate::Duplicate | Fate::Repeated { .. } | Fate::Unsent { .. } => {}
        Fate::Dead(failure) => plan.parked.push(without_delivery(&slot.entry, failure, ledger, now_ms)),
        Fate::Event { deliveries, .. } => {
            let Item::Event(event) = &slot.entry.item else { return };
            for delivery in deliveries {
                if let Some(Outcome::Failed(failure)) = &delivery.outcome {
                    plan.parked.push(of_delivery(&slot.entry, event, delivery, failure, ledger, now_ms));
                }
            }
        }
    }
    if plan.parked.len() > before {
        plan.records.extend(RecordPart::all_of(&record_id(&slot.entry, ledger), &slot.entry.raw));
    }
}

fn of_delivery(
    entry: &Entry,
    event: &Event,
    delivery: &Delivery,
    failure: &Failure,
    ledger: &Ledger,
    now_ms: i64,
) -> Parked {
    let handler = &delivery.handler;
    let id = ParkedId::Delivery {
        group: ledger.group.to_string(),
        source: ledger.source.to_string(),
        event_id: event.id.clone(),
        handler: handler.id,
        generation: handler.generation,
    };
    Parked {
        handler: Some(HandlerVersion {
            id: handler.id,
            generation: handler.generation,
            name: handler.name.to_string(),
            version: handler.version.to_string(),
        }),
        line: Some(handler.line),
        aggregate_type: Some(kept(&event.aggregate_type)),
        aggregate_id: Some(kept(&event.aggregate_id)),
        event_id: Some(event.id.clone()),
        event_type: Some(kept(&event.event_type)),
        event_created_at_ms: Some(event.created_at_ms),
        ..parked(id, entry, failure, ledger, entry.begun_ms.unwrap_or(now_ms))
    }
}

fn without_delivery(entry: &Entry, failure: &Failure, ledger: &Ledger, now_ms: i64) -> Parked {
    let (event_id, event_type, aggregate_id) = match &entry.item {
        Item::Event(event) => {
            (Some(event.id.as_str()), Some(event.event_type.as_str()), Some(event.aggregate_id.as_str()))
        }
        Item::Unsent(unsent) => undelivered(&unsent.why),
        Item::Undecodable(what) => undelivered(what),
        Item::Ignored(_) => (None, None, None),
    };
    Parked {
        aggregate_id: aggregate_id.map(kept),
        event_id: event_id.map(kept),
        event_type: event_type.map(kept),
        ..parked(ParkedId::Record(record_id(entry, ledger)), entry, failure, ledger, now_ms)
    }
}

fn undelivered(what: &Undecodable) -> (Option<&str>, Option<&str>, Option<&str>) {
    (what.event_id.as_deref(), what.event_type.as_deref(), what.aggregate_id.as_deref())
}

/// Returns a parked document without its handler and event.
fn parked(id: ParkedId, entry: &Entry, failure: &Failure, ledger: &Ledger, at_ms: i64) -> Parked {
    let message = kept(&failure.message);
    Parked {
        key: id.key(),
        id,
        handler: None,
        line: None,
        aggregate_type: None,
        aggregate_id: None,
        event_id: None,
        event_type: None,
        event_created_at_ms: None,
        group: ledger.group.to_string(),
        source: ledger.source.to_string(),
        record: record_id(entry, ledger),
        state: failure.state,
        reason: failure.reason.to_owned(),
        limit: failure.limit.map(str::to_owned),
        message: message.clone(),
        hint: failure.hint.as_deref().map(kept),
        error_type: failure.error_type.as_deref().map(kept),
        trace: failure.trace.as_deref().map(kept),
        attempts: vec![Attempt { at_ms, reason: failure.reason.to_owned(), message }],
        // Nothing retries a delivery yet, so the first attempt is the last.
        attempt: 1,
        log: failure.log.iter().map(logged).collect(),
        holds: false,
        parked_at_ms: at_ms,
    }
}

fn logged(line: &LogLine) -> LoggedLine {
    LoggedLine {
        level: line.level.as_str().to_owned(),
        text: line.text.clone(),
        fields: line.fields.as_ref().map(|fields| fields.get().to_owned()),
    }
}

fn record_id(entry: &Entry, ledger: &Ledger) -> RecordId {
    RecordId {
        group: ledger.group.to_string(),
        topic: entry.partition().topic.to_string(),
        partition: entry.partition().partition,
        offset: entry.offset(),
        timestamp_ms: entry.raw.timestamp_ms,
        part: None,
    }
}

/// Returns as much of a text as a document can hold.
fn kept(text: &str) -> String {
    cut::prefix(text, TEXT_BYTES).to_owned()
}
