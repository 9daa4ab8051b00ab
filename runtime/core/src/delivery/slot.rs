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
    pub(super) writes: Vec<Write>,
    pub(super) reads: Vec<ReadById>,
}

impl Delivery {
    pub(super) fn new(handler: &Arc<Identity>, fatal: bool) -> Self {
        let what = "the host died twice while this handler ran this event by itself";
        let outcome = fatal.then(|| Outcome::Failed(Box::new(Failure::new(State::Dead, HOST_CRASH, what))));
        Self { handler: Arc::clone(handler), outcome, writes: Vec::new(), reads: Vec::new() }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryRef {
    /// The record's place.
    pub slot: usize,
    /// The delivery's place.
    pub place: usize,
}
