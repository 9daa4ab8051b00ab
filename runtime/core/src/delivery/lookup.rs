//! Asks the ledger about the events of a batch before they are judged. Pure.
//!
//! The order of the questions is part of the ledger's protocol: first which events it has, and only then from when on
//! it has forgotten any. The other way round, a sweep between the two could drop a marker unnoticed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batch::Batch;
use super::context::{Context, GivenUp, PAUSE};
use super::faults::Faults;
use super::forgotten::in_doubt;
use super::in_flight::Heads;
use crate::seeded::{self, Bug};
use crate::store::{Buckets, Floors, MarkerKey, Seen};
use crate::telemetry::health::MONGODB;

const LIST_BUCKETS: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Lookup {
    context: Arc<Context>,
    faults: Arc<Faults>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    buckets: Buckets,
    listed: Option<Duration>,
    now_ms: Option<i64>,
}

impl Lookup {
    pub(super) fn new(context: Arc<Context>, faults: Arc<Faults>) -> Self {
        Self { context, faults, known: Mutex::default() }
    }

    /// Asks the ledger for the batch's events, and then up to when it has forgotten any.
    pub(super) async fn ask(&self, batch: &Batch, heads: &Heads) -> Result<(Seen, Floors), GivenUp> {
        let keys = batch.keys();
        loop {
            self.list_buckets().await?;
            let seen = self.seen(&keys).await?;
            let topics = in_doubt(batch.slots(), &seen.hashes, heads);
            if topics.is_empty() {
                return Ok((seen, Floors::default()));
            }
            let floors = self.floors(&topics).await?;
            if floors.open <= self.known().buckets.open || seeded::on(Bug::ClosedBuckets) {
                return Ok((seen, floors));
            }
            // Buckets were closed since they were listed, so markers of older events are elsewhere by now.
            self.forget_buckets();
        }
    }

    pub(super) fn buckets(&self) -> Buckets {
        self.known().buckets.clone()
    }

    /// Returns MongoDB's clock as of the last answer, in milliseconds since 1970, if there was one.
    pub(super) fn now_ms(&self) -> Option<i64> {
        self.known().now_ms
    }

    async fn floors(&self, topics: &BTreeSet<Arc<str>>) -> Result<Floors, GivenUp> {
        loop {
            match self.context.store.floors(topics).await {
                Ok(floors) => return Ok(floors),
                Err(error) => self.context.wait(PAUSE, &error.to_string()).await?,
            }
        }
    }

    async fn seen(&self, keys: &[MarkerKey]) -> Result<Seen, GivenUp> {
        if seeded::on(Bug::NoLedger) {
            return Ok(Seen::default());
        }
        let live = self.known().buckets.live.clone();
        loop {
            match self.context.store.seen(keys, &live).await {
                Ok(seen) => {
                    self.context.health.found(MONGODB);
                    let now_ms = &mut self.known().now_ms;
                    *now_ms = seen.now_ms.max(*now_ms);
                    return Ok(seen);
                }
                Err(error) => self.context.wait(PAUSE, &error.to_string()).await?,
            }
        }
    }

    async fn list_buckets(&self) -> Result<(), GivenUp> {
        let Context { store, ledger, clock, .. } = &*self.context;
        let due = |listed: Option<Duration>| listed.is_none_or(|at| clock.elapsed().saturating_sub(at) > LIST_BUCKETS);
        while due(self.known().listed) {
            self.faults.look_at_rights().await;
            match store.buckets(ledger.retention_ms).await {
                Ok((buckets, now_ms)) => {
                    let mut known = self.known();
                    known.buckets = buckets;
                    known.now_ms = now_ms.max(known.now_ms);
                    known.listed = Some(clock.elapsed());
                }
                Err(error) => self.context.wait(PAUSE, &error.to_string()).await?,
            }
        }
        Ok(())
    }

    /// Has the buckets listed again, because another owner may have made some.
    pub(super) fn forget_buckets(&self) {
        self.known().listed = None;
    }

    /// Makes in advance the buckets that the batch's markers need, because a transaction that creates a collection
    /// conflicts with others.
    pub(super) async fn make_buckets(&self, batch: &Batch) -> Result<(), GivenUp> {
        for bucket in batch.buckets() {
            while !self.known().buckets.live.contains(&bucket) {
                match self.context.store.create_bucket(bucket).await {
                    Ok(()) => drop(self.known().buckets.live.insert(bucket)),
                    Err(error) => self.context.wait(PAUSE, &error.to_string()).await?,
                }
            }
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
