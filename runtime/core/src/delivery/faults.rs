//! Finds out whose fault it is that MongoDB did not do what a delivery asked. Pure.
//!
//! Right after the fault, a probe asks MongoDB for next to nothing. For a read it is a find by `_id` in the same
//! collection, and for a write a write that a majority acknowledges. If the probe takes a second or fails, the fault is
//! MongoDB's and the delivery waits with all others. Otherwise it is the delivery's, and `suspects` says how many it
//! may have.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{Either, select};

use super::batch::Batch;
use super::context::{Context, GivenUp, PAUSE};
use super::outcome::Failure;
use super::slot::DeliveryRef;
use super::suspects::{self, Suspect, Suspects};
use crate::call::Fault;
use crate::hint;
use crate::store::{Advance, FaultKind, Probed, Store};

#[derive(Debug)]
pub(super) struct Faults {
    context: Arc<Context>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    suspects: Suspects,
    /// Deliveries that have had all their tries. The last try may have cost the claim, so they are still to be parked
    /// under the next one.
    condemned: BTreeMap<Suspect, Failure>,
    /// The rights that Weir's user lacks.
    rights: BTreeSet<Right>,
}

/// The right to read or write a collection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    collection: Arc<str>,
    writes: bool,
}

impl Right {
    /// Returns the right as readiness names it.
    fn name(&self) -> String {
        format!("the right to {} {}", if self.writes { "write to" } else { "read" }, self.collection)
    }

    fn probe(&self) -> Probed<'_> {
        if self.writes { Probed::RightToWrite(&self.collection) } else { Probed::Read(&self.collection) }
    }
}

/// What a fault is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// A read in the same collection.
    Read,
    /// A write of Weir's own.
    Write,
}

impl Faults {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, known: Mutex::default() }
    }

    /// Finds out whether a delivery is behind a fault, after a pause in which the fault may pass. Returns the failure
    /// to park the delivery with if it has had all its tries.
    pub(super) async fn judge(
        &self,
        batch: &Batch,
        at: DeliveryRef,
        fault: &Fault,
        beside: Beside,
    ) -> Result<Option<Failure>, GivenUp> {
        let (Some(suspect), Some(collection)) = (batch.suspect(at), &fault.collection) else {
            self.context.wait(PAUSE, &fault.message).await?;
            return Ok(None);
        };
        let what = match (fault.kind, beside) {
            // In the same collection, the probe would be refused too.
            (FaultKind::Unauthorized, _) => Probed::Own,
            (_, Beside::Read) => Probed::Read(collection),
            (_, Beside::Write) => Probed::Write,
        };
        if let Some(why) = self.slow_or_away(what).await {
            self.known().suspects.clear(&suspect);
            self.context.wait(PAUSE, &hint::and(&fault.message, &why)).await?;
            return Ok(None);
        }
        let guilty = self.known().suspects.count(&suspect, fault.kind);
        let handler = batch.handler(at);
        let handler = handler.as_deref().map_or("", |handler| &*handler.name);
        let offset = suspect.offset;
        tracing::warn!(handler, partition = %suspect.partition, offset, error = %fault.message, "delivery_suspected");
        if !guilty {
            self.context.pause().await?;
            return Ok(None);
        }
        if fault.kind == FaultKind::Unauthorized {
            let right = Right { collection: Arc::clone(collection), writes: fault.writes };
            self.context.health.waiting_for(&right.name(), &*fault.message);
            self.known().rights.insert(right);
        }
        let failure = suspects::failure(fault.kind, &fault.message);
        self.known().condemned.insert(suspect, failure.clone());
        Ok(Some(failure))
    }

    /// Fails the deliveries of a batch that have had all their tries under an earlier claim. Returns whether there are
    /// any.
    pub(super) fn condemn(&self, batch: &mut Batch) -> bool {
        let known = self.known();
        if known.condemned.is_empty() {
            return false;
        }
        let condemned = |at| Some((at, known.condemned.get(&batch.suspect(at)?)?.clone()));
        let condemned: Vec<_> = batch.deliveries().filter_map(|(at, _)| condemned(at)).collect();
        for (at, failure) in &condemned {
            batch.fail(*at, failure.clone());
        }
        !condemned.is_empty()
    }

    /// Returns why MongoDB is slow or away, if it is.
    pub(super) async fn slow_or_away(&self, what: Probed<'_>) -> Option<String> {
        let probe = pin!(self.context.store.probe(what));
        match select(probe, self.context.clock.sleep(Store::PROBE_TIME)).await {
            Either::Left((Ok(()), _)) => None,
            Either::Left((Err(error), _)) => Some(format!("a probe failed: {error}")),
            Either::Right(_) => Some("a probe was not answered within a second".to_owned()),
        }
    }

    /// Checks whether the rights that were missing have been granted.
    pub(super) async fn look_at_rights(&self) {
        let missing = self.known().rights.clone();
        for right in missing {
            if self.context.store.probe(right.probe()).await.is_ok() {
                self.context.health.found(&right.name());
                self.known().rights.remove(&right);
            }
        }
    }

    /// Forgets the deliveries that have committed or are parked for good.
    pub(super) fn accounted_for<'a>(&self, advances: impl Iterator<Item = &'a Advance>, batch: &Batch) {
        let mut known = self.known();
        if known.suspects.is_empty() && known.condemned.is_empty() {
            return;
        }
        for suspect in batch.deliveries().filter_map(|(at, _)| batch.suspect(at)).filter(|suspect| suspect.retried) {
            known.suspects.clear(&suspect);
            known.condemned.remove(&suspect);
        }
        for Advance { partition, to, .. } in advances {
            known.suspects.committed(partition, *to);
            known.condemned.retain(|suspect, _| !suspect.is_before(partition, *to));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
