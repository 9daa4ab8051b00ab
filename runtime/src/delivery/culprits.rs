//! Which deliveries of a batch may be behind what MongoDB said to its transaction. Pure.

use std::cmp::Reverse;
use std::sync::Arc;

use super::batch::{Batch, Delivery, DeliveryRef};
use super::suspects::Suspect;
use crate::registry::Identity;
use crate::store::Write;

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
