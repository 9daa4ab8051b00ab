//! What is kept of deliveries that did not succeed, and of their records. Pure.

use super::batch::Batch;
use super::entry::{self, Entry, Item, Ledger, Origin};
use super::holding::{self, Ending};
use super::outcome::Failure;
use super::slot::{Delivery, DeliveryRef, Fate, Outcome, Slot};
use crate::call::LogLine;
use crate::cut;
use crate::event::{Event, Undecodable};
use crate::store::{
    Attempt, Changed, FailedAgain, HandlerVersion, LoggedLine, Parked, ParkedChange, ParkedId, Plan, RecordId,
    RecordPart, State,
};

/// The most bytes of a message or another text for people.
const TEXT_BYTES: usize = 64 << 10;

/// The reason of a delivery that waits for an earlier one.
const WAITS: &str = "waits";

/// Adds to the plan one document for each delivery of a record that did not succeed or that waits, and the record once.
/// For a delivery that was parked before, adds what becomes of its document.
pub(super) fn add(plan: &mut Plan, batch: &Batch, (number, slot): (usize, &Slot), ledger: &Ledger, now_ms: i64) {
    let before = plan.parked.len();
    let entry = &slot.entry;
    match (&slot.fate, &entry.origin) {
        (Fate::Dead(failure), _) => plan.parked.push(without_delivery(entry, failure, ledger, now_ms)),
        (Fate::Event { deliveries, .. }, _) => {
            let Item::Event(event) = &entry.item else { return };
            for (place, delivery) in deliveries.iter().enumerate() {
                let ending = batch.ending(DeliveryRef { slot: number, place }, entry, delivery);
                if ending != Ending::Done {
                    let advance = plan.advances().find(|it| it.partition == *entry.partition());
                    let epoch = advance.map_or(0, |advance| advance.claim.epoch);
                    let failed = Failed { ending, at_ms: batch.judged_at_ms(), epoch, ledger };
                    plan.parked.push(of_delivery(entry, event, delivery, &failed, now_ms));
                }
            }
        }
        (Fate::Retry(deliveries), Origin::Parked(parked)) => {
            for delivery in deliveries {
                let ending = batch.ending(DeliveryRef { slot: number, place: 0 }, entry, delivery);
                plan.changes.extend(changed(parked, delivery, ending, batch.judged_at_ms()));
            }
        }
        (Fate::Discarded, Origin::Parked(parked)) => {
            if let Some(request) = &parked.held.request {
                plan.changes.push(change(parked, Changed::Discarded(request.clone())));
            }
        }
        _ => {}
    }
    let users = plan.parked.len() - before;
    if users > 0 {
        let users = i32::try_from(users).unwrap_or(i32::MAX);
        plan.records.extend(RecordPart::all_of(&record_id(entry, ledger), &entry.raw, users));
    }
}

fn change(parked: &entry::Parked, to: Changed) -> ParkedChange {
    let held = &parked.held;
    ParkedChange { id: held.id.clone(), attempt: held.attempt, request: held.request.clone(), to }
}

/// Returns what becomes of a document that was parked before. None if it stays as it is.
fn changed(parked: &entry::Parked, delivery: &Delivery, ending: Ending, at_ms: i64) -> Option<ParkedChange> {
    if ending == Ending::Waits {
        return None;
    }
    let (Some(Outcome::Failed(failure)), Some(state)) = (&delivery.outcome, ending.state()) else {
        let record = parked.held.record.clone();
        return Some(change(parked, Changed::Released { record, parts: parked.record_parts }));
    };
    if parked.exhausted {
        return Some(change(parked, Changed::Exhausted { holds: ending.holds() }));
    }
    let failed = FailedAgain {
        state,
        holds: ending.holds(),
        version: version(delivery),
        number: if delivery.decided {
            parked.held.attempt
        } else {
            i32::try_from(delivery.attempt).unwrap_or(i32::MAX)
        },
        failed_at_ms: parked.held.failed_at_ms.unwrap_or(at_ms),
        attempt: attempt(failure, at_ms),
        limit: failure.limit.map(str::to_owned),
        hint: failure.hint.as_deref().map(kept),
        error_type: failure.error_type.as_deref().map(kept),
        trace: failure.trace.as_deref().map(kept),
        log: failure.log.iter().map(logged).collect(),
    };
    Some(change(parked, Changed::FailedAgain(Box::new(failed))))
}

fn attempt(failure: &Failure, at_ms: i64) -> Attempt {
    let after_ms = failure.after_ms.map(i64::from);
    Attempt { at_ms, reason: failure.reason.to_owned(), message: kept(&failure.message), after_ms }
}

fn version(delivery: &Delivery) -> HandlerVersion {
    let handler = &delivery.handler;
    HandlerVersion {
        id: handler.id,
        generation: handler.generation,
        name: handler.name.to_string(),
        version: handler.version.to_string(),
    }
}

/// How a delivery that is parked ends.
struct Failed<'a> {
    ending: Ending,
    at_ms: i64,
    epoch: i64,
    ledger: &'a Ledger,
}

fn of_delivery(entry: &Entry, event: &Event, delivery: &Delivery, failed: &Failed<'_>, now_ms: i64) -> Parked {
    let Failed { ending, at_ms, epoch, ledger } = failed;
    let waits = Failure::new(
        State::Waiting,
        WAITS,
        "an earlier event of its aggregate is parked, or its line is away or stopped",
    );
    let failure = match &delivery.outcome {
        Some(Outcome::Failed(failure)) if *ending != Ending::Waits => failure,
        _ => &waits,
    };
    let handler = &delivery.handler;
    let id = ParkedId::Delivery {
        group: ledger.group.to_string(),
        source: ledger.source.to_string(),
        event_id: event.id.clone(),
        handler: handler.id,
        generation: handler.generation,
    };
    Parked {
        handler: Some(version(delivery)),
        line: Some(handler.line),
        sequence: holding::sequence(entry, delivery),
        epoch: *epoch,
        state: ending.state().unwrap_or(State::Dead),
        holds: ending.holds(),
        attempts: if *ending == Ending::Waits { Vec::new() } else { vec![attempt(failure, *at_ms)] },
        attempt: i32::from(*ending != Ending::Waits),
        failed_at_ms: (*ending != Ending::Waits).then_some(*at_ms),
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
    Parked {
        key: id.key(),
        id,
        handler: None,
        line: None,
        sequence: None,
        epoch: 0,
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
        message: kept(&failure.message),
        hint: failure.hint.as_deref().map(kept),
        error_type: failure.error_type.as_deref().map(kept),
        trace: failure.trace.as_deref().map(kept),
        attempts: vec![attempt(failure, at_ms)],
        attempt: 1,
        log: failure.log.iter().map(logged).collect(),
        holds: false,
        parked_at_ms: at_ms,
        failed_at_ms: None,
        request: None,
        discarded: None,
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
