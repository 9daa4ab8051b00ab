//! The in-flight batch as the speculative one sees it. Pure.
//!
//! It is undecided while its transaction runs. Meanwhile the speculative batch knows its events as duplicates and its
//! writes as pending, so a delivery that reads one of them waits. It is then settled once: committed, after which
//! MongoDB has those writes and reads need not wait, or thrown away. In that case the speculative batch was judged by
//! markers and claims that MongoDB does not have, so it stops at its next delivery and its records are done again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use super::batch::Batch;
use super::bell::Bell;
use super::retries::Busy;
use crate::documents::Pending;
use crate::store::{Claim, MarkerKey, PartitionId, Sequence};

/// The claims as they are once the in-flight batch is committed.
pub(super) type Heads = BTreeMap<PartitionId, Claim>;

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) keys: HashMap<MarkerKey, i64>,
    /// The sequences that it parks something of.
    pub(super) parks: BTreeSet<Sequence>,
    /// The parked deliveries that it tries again.
    pub(super) busy: Busy,
    pending: Arc<Pending>,
    state: AtomicU8,
    /// Rings when its commit can go on.
    pub(super) bell: Arc<Bell>,
}

const UNDECIDED: u8 = 0;
const COMMITTED: u8 = 1;
const THROWN_AWAY: u8 = 2;

impl InFlight {
    pub(super) fn of(batch: &Batch) -> Self {
        Self {
            keys: batch.hashes(),
            parks: batch.parks(),
            busy: Busy::of(batch),
            pending: batch.pending(),
            state: AtomicU8::new(UNDECIDED),
            bell: Arc::default(),
        }
    }

    /// Tells the speculative batch whether the in-flight batch is committed as it was.
    pub(super) fn settle(&self, committed: bool) {
        self.state.store(if committed { COMMITTED } else { THROWN_AWAY }, Ordering::Release);
    }

    pub(super) fn is_undecided(&self) -> bool {
        self.is(UNDECIDED)
    }

    pub(super) fn is_thrown_away(&self) -> bool {
        self.is(THROWN_AWAY)
    }

    /// Returns the writes that reads must wait for as long as it is undecided.
    pub(super) fn pending(&self) -> Arc<Pending> {
        Arc::clone(&self.pending)
    }

    fn is(&self, state: u8) -> bool {
        self.state.load(Ordering::Acquire) == state
    }

    /// Waits until it is settled. Whoever settles it polls this afterwards, so no waker is needed.
    pub(super) async fn settled(&self) {
        poll_fn(|_| if self.is_undecided() { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}
