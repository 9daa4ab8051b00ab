//! Reports a batch once it is committed: metrics, and a log line for everything that did not go as expected.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::routes::Identity;
use crate::telemetry::metrics::{EventResult, HandlerMetrics, Metrics, Outcome as Counted};

use super::batch::Batch;
use super::entry::{Entry, Item, Origin};
use super::holding::Ending;
use super::outcome::Failure;
use super::slot::{Delivery, DeliveryRef, Fate, Outcome, Slot};
use crate::cut;
use crate::event::Event;
use crate::store::State;

/// The most bytes of one field of a log line.
const FIELD_BYTES: usize = 4 << 10;

#[derive(Debug)]
pub(super) struct Report {
    metrics: Metrics,
    handlers: Mutex<HashMap<i32, HandlerMetrics>>,
}

impl Report {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, handlers: Mutex::default() }
    }

    pub(super) fn committed(&self, batch: &Batch, now_ms: i64) {
        let mut handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, slot) in batch.slots().iter().enumerate() {
            match &slot.fate {
                Fate::Ignored | Fate::Repeated { .. } | Fate::Unsent { .. } => {}
                Fate::Discarded => discarded(&slot.entry),
                Fate::Retry(deliveries) => match &slot.entry.item {
                    Item::Event(event) => self.deliveries(event, batch, number, &mut handlers),
                    // Its record is gone, or is no event any more.
                    _ => deliveries.iter().filter_map(failure).for_each(|failure| undelivered(slot, failure)),
                },
                Fate::Duplicate => self.metrics.event(EventResult::Duplicate),
                Fate::Dead(failure) => {
                    self.metrics.event(EventResult::Dead);
                    undelivered(slot, failure);
                }
                Fate::Event { deliveries, .. } => {
                    let Item::Event(event) = &slot.entry.item else { continue };
                    self.event(event, deliveries);
                    self.deliveries(event, batch, number, &mut handlers);
                    self.metrics.event_latency(event.created_at_ms, now_ms);
                    let processing_time_ms = slot.entry.begun_ms.map(|begun| now_ms - begun);
                    tracing::debug!(
                        event_id = event.id,
                        event_type = field(&event.event_type),
                        processing_time_ms,
                        "event_processed"
                    );
                }
            }
        }
    }

    /// Reports that the batch's first event gets a transaction of its own, because of what a handler did.
    pub(super) fn escalated(&self, batch: &Batch, handler: &Identity, why: &'static str) {
        self.metrics.handler(&handler.name).escalation(why);
        if let Some(Item::Event(event)) = batch.slots().first().map(|slot| &slot.entry.item) {
            let handler = &*handler.name;
            tracing::debug!(
                handler,
                event_id = event.id,
                event_type = field(&event.event_type),
                why,
                "event_runs_alone"
            );
        }
    }

    fn event(&self, event: &Event, deliveries: &[Delivery]) {
        if deliveries.is_empty() {
            self.metrics.event(EventResult::NoHandler);
            tracing::warn!(event_id = event.id, event_type = field(&event.event_type), "no_handler");
            return;
        }
        self.metrics.event(EventResult::Committed);
    }

    fn deliveries(&self, event: &Event, batch: &Batch, number: usize, handlers: &mut HashMap<i32, HandlerMetrics>) {
        let slot = &batch.slots()[number];
        for (place, delivery) in slot.fate.deliveries().iter().enumerate() {
            let ending = batch.ending(DeliveryRef { slot: number, place }, &slot.entry, delivery);
            let handler = &delivery.handler;
            let metrics = handlers.entry(handler.id).or_insert_with(|| self.metrics.handler(&handler.name));
            match &delivery.outcome {
                _ if ending == Ending::Waits && slot.entry.is_of_log() => metrics.delivery(Counted::Waiting),
                // It stays as it was.
                _ if ending == Ending::Waits => {}
                Some(Outcome::Committed) | None => metrics.delivery(Counted::Committed),
                Some(Outcome::Skipped) => {
                    metrics.delivery(Counted::Skipped);
                    let handler = &*delivery.handler.name;
                    let event_type = field(&event.event_type);
                    tracing::warn!(handler, event_id = event.id, event_type, "delivery_skipped");
                }
                Some(Outcome::Failed(failure)) => {
                    metrics.failure(failure.reason);
                    let state = ending.state().unwrap_or(State::Dead);
                    metrics.delivery(if state == State::Parked { Counted::Parked } else { Counted::Dead });
                    failed(event, delivery, state, failure);
                }
            }
        }
    }
}

fn failure(delivery: &Delivery) -> Option<&Failure> {
    match &delivery.outcome {
        Some(Outcome::Failed(failure)) => Some(failure),
        _ => None,
    }
}

fn discarded(entry: &Entry) {
    let Origin::Parked(parked) = &entry.origin else { return };
    let handler = parked.held.handler.as_ref().map(|handler| handler.name.as_str());
    let by = parked.held.request.as_ref().map(|request| field(&request.by));
    tracing::info!(failure = parked.held.key, handler, by, "failure_discarded");
}

fn failed(event: &Event, delivery: &Delivery, state: State, failure: &Failure) {
    tracing::error!(
        handler = &*delivery.handler.name,
        attempt = delivery.attempt,
        event_id = event.id,
        event_type = field(&event.event_type),
        aggregate_id = field(&event.aggregate_id),
        state = state.as_str(),
        reason = failure.reason,
        limit = failure.limit,
        error = field(&failure.message),
        hint = failure.hint.as_deref().map(field),
        error_type = failure.error_type,
        trace = failure.trace.as_deref().map(field),
        "delivery_failed"
    );
}

fn undelivered(slot: &Slot, failure: &Failure) {
    let entry = &slot.entry;
    tracing::error!(
        topic = &*entry.partition().topic,
        partition = entry.partition().partition,
        offset = entry.offset(),
        state = failure.state.as_str(),
        reason = failure.reason,
        error = field(&failure.message),
        hint = failure.hint.as_deref().map(field),
        "record_failed"
    );
}

/// Returns as much of a text as the log shows. `parked` keeps more of it.
fn field(text: &str) -> &str {
    cut::prefix(text, FIELD_BYTES)
}
