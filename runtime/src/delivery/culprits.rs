//! Which deliveries of a batch may be behind what MongoDB said to its transaction. Pure.

use std::cmp::Reverse;
use std::sync::Arc;

use super::batch::{Batch, Delivery, DeliveryRef};
use super::outcome::{Failure, State};
use super::routes::Identity;
use super::suspects::Suspect;
use crate::store::Write;

/// The search for the delivery without which an event can be committed, if every commit of the event alone fails: one
/// after the other is left out, the heaviest first.
#[derive(Debug, Default)]
pub(super) struct Search {
    heaviest: Vec<DeliveryRef>,
    tried: usize,
    left_out: Option<(DeliveryRef, Delivery)>,
}

impl Search {
    /// Takes in again what was left out, and leaves out the next one.
    pub(super) fn next(&mut self, batch: &mut Batch, why: &str) {
        if let Some((at, before)) = self.left_out.take() {
            batch.restore(at, before);
        }
        if self.tried == 0 {
            self.heaviest = batch.heaviest();
        }
        if let Some(at) = self.heaviest.get(self.tried) {
            self.tried += 1;
            self.left_out = batch.leave_out(*at, too_large(why)).map(|before| (*at, before));
        } else if let Some(first) = self.heaviest.first() {
            // It is none by itself, so the heaviest stays out while the search begins anew for another one.
            batch.fail(*first, too_large(why));
            *self = Self::default();
        }
    }
}

/// What a delivery is dead with that no transaction takes.
pub(super) fn too_large(why: impl Into<String>) -> Failure {
    Failure::new(State::Dead, "too-large", why)
}

impl Batch {
    /// The deliveries that write, with those first that are the likeliest to be more than a transaction takes: one
    /// statement of theirs may touch any number of documents; then by bytes.
    #[must_use]
    pub fn heaviest(&self) -> Vec<DeliveryRef> {
        let weight = |delivery: &Delivery| {
            let multi = delivery.writes.iter().any(|write| write.multi);
            (multi, delivery.writes.iter().map(Write::bytes).sum::<usize>())
        };
        let writers = self.deliveries().filter(|(_, delivery)| !delivery.writes.is_empty());
        let mut weighed: Vec<_> = writers.map(|(at, delivery)| (weight(delivery), at)).collect();
        weighed.sort_by_key(|(weight, at)| (Reverse(*weight), at.slot, at.place));
        weighed.into_iter().map(|(_, at)| at).collect()
    }

    /// The deliveries that write, with their numbers in the plan's commands.
    #[must_use]
    pub fn writers(&self) -> Vec<(usize, DeliveryRef)> {
        let numbered = self.deliveries().enumerate();
        numbered.filter(|(_, (_, delivery))| !delivery.writes.is_empty()).map(|(n, (at, _))| (n, at)).collect()
    }

    /// The delivery behind a number in the plan's commands.
    #[must_use]
    pub fn owner(&self, number: usize) -> Option<DeliveryRef> {
        self.deliveries().nth(number).map(|(at, _)| at)
    }

    /// Whether the writes of only one delivery are in it: then the strict form costs nothing.
    #[must_use]
    pub fn has_one_writer(&self) -> bool {
        self.deliveries().filter(|(_, delivery)| !delivery.writes.is_empty()).take(2).count() < 2
    }

    /// To whom its first delivery goes.
    pub(super) fn first_handler(&self) -> Option<Arc<Identity>> {
        self.deliveries().next().map(|(_, delivery)| Arc::clone(&delivery.handler))
    }

    /// Who would be suspected of the delivery's faults.
    pub(super) fn suspect(&self, at: DeliveryRef) -> Option<Suspect> {
        let entry = &self.slots().get(at.slot)?.entry;
        let handler = self.handler(at)?.id;
        Some(Suspect { partition: entry.partition.clone(), offset: entry.offset, handler })
    }
}
