//! A record in a batch, its fate, and the deliveries that it leads to. Pure data.

use std::sync::Arc;

use super::entry::Entry;
use super::outcome::Failure;
use super::routes::Identity;
use crate::store::{Marker, MarkerKey, ReadById, State, Write};

/// The reason of a delivery of which hosts died.
pub(super) const HOST_CRASH: &str = "host-crash";

/// How one delivery ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Its writes are in the transaction.
    Committed,
    /// The handler did not want the event.
    Skipped,
    /// Parked or dead.
    Failed(Box<Failure>),
}

/// One event for one handler.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The handler that it goes to.
    pub handler: Arc<Identity>,
    /// How it ended, or none while it has not.
    pub outcome: Option<Outcome>,
    /// The number of this attempt. The first is 1.
    pub attempt: u32,
    /// Its outcome was decided without a run.
    pub(super) decided: bool,
    /// It is parked without being run, because an earlier event of its aggregate is parked.
    pub(super) waits: bool,
    pub(super) writes: Vec<Write>,
    pub(super) reads: Vec<ReadById>,
}

impl Delivery {
    pub(super) fn new(handler: &Arc<Identity>, fatal: bool) -> Self {
        let what = "the host died twice while this handler ran this event by itself";
        let outcome = fatal.then(|| Outcome::Failed(Box::new(Failure::new(State::Dead, HOST_CRASH, what))));
        let (writes, reads) = (Vec::new(), Vec::new());
        Self { handler: Arc::clone(handler), outcome, attempt: 1, decided: fatal, waits: false, writes, reads }
    }
}

/// What became of a record.
#[derive(Debug, Clone)]
pub enum Fate {
    /// No event.
    Ignored,
    /// An event that is already accounted for.
    Duplicate,
    /// An event whose id came before, in this batch or in the one that is being committed. The ledger decides which
    /// hash is right.
    Repeated {
        /// Its own mark.
        marker: Marker,
        /// The hash of the first.
        first: i64,
    },
    /// An event that was not sent whole. It is a duplicate if its id is known, and dead otherwise.
    Unsent {
        /// Its key in the ledger.
        key: MarkerKey,
        /// The hash of the event with the same id that came before, in this batch or in the one that is being
        /// committed.
        first: Option<i64>,
    },
    /// An event for these handlers, or for none if no handler wants it.
    Event {
        /// Its mark in the ledger.
        marker: Marker,
        /// Its deliveries, in the order in which they run.
        deliveries: Vec<Delivery>,
    },
    /// Parked without any delivery, because it cannot be read or because its id belongs to another event.
    Dead(Box<Failure>),
    /// Another attempt at a parked delivery. The list has that delivery, or nothing until it is routed.
    Retry(Vec<Delivery>),
    /// A parked delivery or a dead letter that somebody has discarded.
    Discarded,
}

impl Fate {
    /// Returns the deliveries, in the order in which they run.
    #[must_use]
    pub fn deliveries(&self) -> &[Delivery] {
        match self {
            Self::Event { deliveries, .. } | Self::Retry(deliveries) => deliveries,
            _ => &[],
        }
    }

    pub(super) fn deliveries_mut(&mut self) -> &mut [Delivery] {
        match self {
            Self::Event { deliveries, .. } | Self::Retry(deliveries) => deliveries,
            _ => &mut [],
        }
    }
}

/// A record and its fate.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The record.
    pub entry: Entry,
    /// What became of it.
    pub fate: Fate,
}

/// Identifies a delivery by the place of its record in the batch and its own place among the record's deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryRef {
    /// The record's place.
    pub slot: usize,
    /// The delivery's place.
    pub place: usize,
}
