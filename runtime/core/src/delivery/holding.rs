//! Which deliveries wait because an earlier one of their aggregate is parked, and how each delivery of a batch ends.
//! Pure.
//!
//! A delivery waits if its sequence was held before the batch, or if an earlier delivery of the batch failed and holds
//! it. Which ones these are is derived again whenever a delivery fails or is restored, because a failure may show only at
//! the commit, after later deliveries have run. What those wrote is then left out.

use std::collections::{BTreeSet, HashMap};

use super::batch::Batch;
use super::entry::{Entry, Item, Origin};
use super::outcome::Failure;
use super::policy::{self, OnDead, Retry};
use super::slot::{Delivery, DeliveryRef, Fate, Outcome};
use crate::store::{PartitionId, Sequence, State};

/// How a delivery ends once its batch is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its writes are committed, or it was skipped.
    Done,
    /// It waits for an earlier one.
    Waits,
    /// It is parked, and tried again at this time.
    Parked(i64),
    /// It is dead. Later events of its aggregate wait if it `holds`.
    Dead { holds: bool },
}

impl Ending {
    /// Whether later events of its aggregate must wait.
    pub(super) fn holds(self) -> bool {
        matches!(self, Self::Waits | Self::Parked(_) | Self::Dead { holds: true })
    }

    /// Returns what becomes of its document, if it has one.
    pub(super) fn state(self) -> Option<State> {
        match self {
            Self::Done => None,
            Self::Waits => Some(State::Waiting),
            Self::Parked(_) => Some(State::Parked),
            Self::Dead { .. } => Some(State::Dead),
        }
    }
}

/// When a held sequence goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    /// Its first delivery is tried at this time, in milliseconds since 1970.
    At(i64),
    /// It must be looked up which delivery is its first now.
    LookUp,
    /// Only once somebody retries or discards its first delivery.
    Never,
    /// When the delivery does that it waits for.
    Behind,
}

/// Returns the line and the sequence of a delivery.
pub(super) fn in_line(entry: &Entry, delivery: &Delivery) -> Option<(i32, Sequence)> {
    if let Origin::Parked(parked) = &entry.origin {
        return parked.held.in_line();
    }
    let Item::Event(event) = &entry.item else { return None };
    let line = delivery.handler.line;
    Some((line, Sequence::of(entry.partition(), line, &event.aggregate_type, &event.aggregate_id)))
}

/// Returns the sequence of a delivery.
pub(super) fn sequence(entry: &Entry, delivery: &Delivery) -> Option<Sequence> {
    in_line(entry, delivery).map(|(_, sequence)| sequence)
}

impl Batch {
    /// Returns how a delivery that has failed ends.
    pub(super) fn ends(&self, entry: &Entry, delivery: &Delivery, failure: &Failure) -> Ending {
        let policy = &delivery.handler.policy;
        let dead = Ending::Dead { holds: policy.on_dead == OnDead::Hold };
        if failure.state == State::Dead {
            return dead;
        }
        let at_ms = self.judged_at_ms();
        let (first_at_ms, salt) = match &entry.origin {
            Origin::Log { offset, .. } => (at_ms, offset.unsigned_abs()),
            Origin::Parked(parked) => {
                (parked.held.failed_at_ms.unwrap_or(at_ms), parked.held.record.offset.unsigned_abs())
            }
        };
        let failed = policy::Failed {
            reason: failure.reason,
            attempt: delivery.attempt,
            at_ms,
            first_at_ms,
            after_ms: failure.after_ms.map(i64::from),
            salt,
        };
        match policy.decide(&failed) {
            Retry::At(due_ms) => Ending::Parked(due_ms),
            Retry::Never => dead,
        }
    }

    /// Returns how a delivery ends.
    pub(super) fn ending(&self, at: DeliveryRef, entry: &Entry, delivery: &Delivery) -> Ending {
        if self.waits(at, entry, delivery) {
            return Ending::Waits;
        }
        match &delivery.outcome {
            Some(Outcome::Failed(failure)) => self.ends(entry, delivery, failure),
            Some(Outcome::Committed | Outcome::Skipped) | None => Ending::Done,
        }
    }

    /// Whether the delivery waits for an earlier one.
    pub(super) fn waits(&self, at: DeliveryRef, entry: &Entry, delivery: &Delivery) -> bool {
        delivery.waits
            || (!self.blocked.is_empty()
                && sequence(entry, delivery).is_some_and(|of| self.blocked.get(&of).is_some_and(|by| *by < at)))
    }

    /// Notes that a delivery has failed, so that later ones of its sequence wait.
    pub(super) fn block(&mut self, at: DeliveryRef) {
        let slot = &self.slots()[at.slot];
        let Some(delivery) = slot.fate.deliveries().get(at.place) else { return };
        let Some(Outcome::Failed(failure)) = &delivery.outcome else { return };
        if !self.waits(at, &slot.entry, delivery)
            && self.ends(&slot.entry, delivery, failure).holds()
            && let Some(of) = sequence(&slot.entry, delivery)
        {
            self.blocked.entry(of).or_insert(at);
        }
    }

    /// Derives again which deliveries wait.
    pub(super) fn block_anew(&mut self) {
        self.blocked = HashMap::new();
        let failed = |(at, delivery): (DeliveryRef, &Delivery)| {
            matches!(delivery.outcome, Some(Outcome::Failed(_))).then_some(at)
        };
        let failed: Vec<DeliveryRef> = self.deliveries().filter_map(failed).collect();
        for at in failed {
            self.block(at);
        }
    }

    /// Returns the sequences that hold events once the batch is committed because of what it parks.
    pub(super) fn parks(&self) -> BTreeSet<Sequence> {
        if self.blocked.is_empty() && !self.deliveries().any(|(_, delivery)| delivery.waits) {
            return BTreeSet::new();
        }
        self.ended()
            .filter(|(.., ending)| ending.holds())
            .filter_map(|(entry, delivery, _)| sequence(entry, delivery))
            .collect()
    }

    /// Returns when each sequence goes on that the batch has held or changed, in the order of its deliveries, with its
    /// line.
    pub(super) fn goes_on(&self) -> Vec<(i32, PartitionId, Sequence, Goes)> {
        let mut all = Vec::new();
        for slot in self.slots() {
            if let (Origin::Parked(parked), Fate::Discarded) = (&slot.entry.origin, &slot.fate) {
                let of = parked.held.in_line().filter(|_| parked.held.holds);
                all.extend(of.map(|(line, of)| (line, parked.partition.clone(), of, Goes::LookUp)));
            }
        }
        for (entry, delivery, ending) in self.ended() {
            let held_before = match &entry.origin {
                Origin::Log { .. } => false,
                Origin::Parked(parked) => parked.held.holds,
            };
            let goes = match ending {
                Ending::Done | Ending::Dead { holds: false } if held_before => Goes::LookUp,
                Ending::Done | Ending::Dead { holds: false } => continue,
                Ending::Waits => Goes::Behind,
                Ending::Parked(due_ms) => Goes::At(due_ms),
                Ending::Dead { holds: true } => Goes::Never,
            };
            all.extend(in_line(entry, delivery).map(|(line, of)| (line, entry.partition().clone(), of, goes)));
        }
        all
    }

    fn ended(&self) -> impl Iterator<Item = (&Entry, &Delivery, Ending)> {
        self.deliveries().map(|(at, delivery)| {
            let entry = &self.slots()[at.slot].entry;
            (entry, delivery, self.ending(at, entry, delivery))
        })
    }
}
