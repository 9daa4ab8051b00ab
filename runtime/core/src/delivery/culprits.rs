//! Which deliveries of a batch may be behind MongoDB's answer to its transaction. Pure.

use std::cmp::Reverse;
use std::sync::Arc;

use super::batch::Batch;
use super::entry::Item;
use super::outcome::Failure;
use super::routes::Identity;
use super::slot::{Delivery, DeliveryRef};
use super::suspects::Suspect;
use crate::store::Write;

/// The search for the delivery without which an event can be committed, if every commit of the event alone fails. It
/// leaves out one delivery after the other. Those of later handlers come first, because without an earlier one of their
/// line they would wait, so that one would be blamed for them.
#[derive(Debug, Default)]
pub(super) struct Search {
    heaviest: Vec<DeliveryRef>,
    order: Vec<DeliveryRef>,
    tried: usize,
    left_out: Option<(DeliveryRef, Delivery)>,
}

impl Search {
    /// Puts back the delivery that was left out, and leaves out the next one.
    pub(super) fn next(&mut self, batch: &mut Batch, why: &str) {
        if let Some((at, before)) = self.left_out.take() {
            batch.restore(at, before);
        }
        if self.tried == 0 {
            self.heaviest = batch.heaviest();
            self.order = self.heaviest.clone();
            self.order.sort_by_key(|at| Reverse(at.place));
        }
        if let Some(at) = self.order.get(self.tried) {
            self.tried += 1;
            self.left_out = batch.leave_out(*at, Failure::too_large(why)).map(|before| (*at, before));
        } else if let Some(first) = self.heaviest.first() {
            // No single delivery is the culprit, so the heaviest stays out while the search starts again for another
            // one.
            batch.fail(*first, Failure::too_large(why));
            *self = Self::default();
        }
    }
}

impl Batch {
    /// Returns the deliveries that write, with those first that are most likely to be more than a transaction takes. A
    /// statement that may touch any number of documents comes first, and then the number of bytes decides.
    #[must_use]
    pub fn heaviest(&self) -> Vec<DeliveryRef> {
        let weight = |delivery: &Delivery| {
            let multi = delivery.writes.iter().any(|write| write.multi);
            (multi, delivery.writes.iter().map(Write::bytes).sum::<usize>())
        };
        let writers = self.deliveries().filter(|(at, delivery)| self.writes(*at, delivery));
        let mut weighed: Vec<_> = writers.map(|(at, delivery)| (weight(delivery), at)).collect();
        weighed.sort_by_key(|(weight, at)| (Reverse(*weight), at.slot, at.place));
        weighed.into_iter().map(|(_, at)| at).collect()
    }

    /// Returns the deliveries that write, with their numbers in the plan's commands.
    #[must_use]
    pub fn writers(&self) -> Vec<(usize, DeliveryRef)> {
        let numbered = self.deliveries().enumerate();
        numbered.filter(|(_, (at, delivery))| self.writes(*at, delivery)).map(|(n, (at, _))| (n, at)).collect()
    }

    /// Returns the delivery with this number in the plan's commands.
    #[must_use]
    pub fn owner(&self, number: usize) -> Option<DeliveryRef> {
        self.deliveries().nth(number).map(|(at, _)| at)
    }

    /// Whether at most one delivery writes, in which case the strict form costs nothing.
    #[must_use]
    pub fn has_one_writer(&self) -> bool {
        self.deliveries().filter(|(at, delivery)| self.writes(*at, delivery)).take(2).count() < 2
    }

    fn writes(&self, at: DeliveryRef, delivery: &Delivery) -> bool {
        !delivery.writes.is_empty() && self.counts(at, delivery)
    }

    pub(super) fn first_handler(&self) -> Option<Arc<Identity>> {
        self.deliveries().next().map(|(_, delivery)| Arc::clone(&delivery.handler))
    }

    pub(super) fn suspect(&self, at: DeliveryRef) -> Option<Suspect> {
        let entry = &self.slots().get(at.slot)?.entry;
        let Item::Event(event) = &entry.item else { return None };
        let handler = self.handler(at)?.id;
        let (partition, event_id) = (entry.partition().clone(), event.id.clone());
        Some(Suspect { partition, offset: entry.offset(), event_id, handler, retried: !entry.is_of_log() })
    }
}
