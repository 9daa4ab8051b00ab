//! Claims the partitions of an assignment: decides and stores the start, raises the epoch, and looks at the log. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};

use super::broker::{Broker, Unanswered};
use super::start::{self, Known};
use crate::clock::Clock;
use crate::consumer::topics::{OffsetReset, Pattern, Topics};
use crate::seeded::{self, Bug};
use crate::store::{self, Claim, LastRecord, PartitionId, Store};
use crate::telemetry::health::{Health, KAFKA, MONGODB};

const PAUSE: Duration = Duration::from_millis(250);
/// How long to try to claim one partition before it is given up until the next time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many beats a process waits at most until it can tell who else is dead.
const WAITS: u32 = 6;
/// How many partitions are claimed at a time. The number is large enough that those whose leader is away, which are
/// slow, leave room for the others.
const AT_ONCE: usize = 64;

/// What came of claiming a partition.
#[derive(Debug)]
pub enum Claimed {
    /// The partition is this process's.
    Owned {
        /// The claim.
        claim: Claim,
        /// The offset at which reading begins: that of `last`, or the claim's `next`, or the start of the log if only
        /// marks of transactions came before it.
        from: i64,
        /// The last record that was accounted for, if the log still holds its offset. It is read again to check that it
        /// is still the same.
        last: Option<LastRecord>,
    },
    /// The partition may not go on.
    Stopped {
        /// Why.
        why: String,
        /// The epoch of the claim that found this.
        epoch: i64,
    },
    /// Kafka or MongoDB did not answer for this partition in time, or somebody asked to give up. It is claimed again
    /// later, so that others do not wait for it.
    GivenUp,
}

/// What a start found out about a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// The topic exists.
    Found,
    /// The topic does not exist yet.
    Missing,
    /// The topic is compacted, so nothing was stored.
    Compacted,
}

/// Claims partitions, however long Kafka and MongoDB take.
#[derive(Debug, Clone)]
pub struct Claiming {
    /// MongoDB.
    pub store: Store,
    /// Kafka.
    pub broker: Arc<dyn Broker>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Reports which service is waited for.
    pub health: Health,
    /// `KAFKA_TOPIC`.
    pub topics: Topics,
    /// `KAFKA_AUTO_OFFSET_RESET`.
    pub reset: OffsetReset,
    /// Makes it stop waiting.
    pub give_up: Arc<AtomicBool>,
}

enum Problem {
    Store(store::Error),
    Kafka(Unanswered),
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Unanswered> for Problem {
    fn from(error: Unanswered) -> Self {
        Self::Kafka(error)
    }
}

impl Claiming {
    /// Stores how many partitions the topic has if this is the group's first start with it. Returns none if Kafka or
    /// MongoDB did not answer.
    pub async fn first_start(&self, topic: &str) -> Option<First> {
        let found = async {
            let count = self.broker.partition_count(topic).await?;
            if count > 0 && self.broker.is_compacted(topic).await? {
                return Ok(First::Compacted);
            }
            self.store.partitions_at_first_claim(topic, count).await?;
            Ok(if count == 0 { First::Missing } else { First::Found })
        };
        self.answered(found.await)
    }

    /// Does the same for every topic that matches the pattern at the group's first start with it. A topic that matches
    /// later is newer than the group. Returns false if Kafka or MongoDB did not answer.
    pub async fn first_start_with(&self, pattern: &Pattern) -> bool {
        let stored = async {
            if self.store.has_started_with(pattern.as_str()).await? {
                return Ok(());
            }
            for (topic, count) in self.broker.topics().await? {
                if pattern.holds(&topic) {
                    self.store.partitions_at_first_claim(&topic, count).await?;
                }
            }
            self.store.start_with(pattern.as_str()).await?;
            Ok(())
        };
        self.answered(stored.await).is_some()
    }

    /// Claims each of the partitions.
    pub async fn all(self, partitions: Vec<PartitionId>) -> Vec<(PartitionId, Claimed)> {
        self.each(partitions).collect().await
    }

    /// Does the same, and yields each as soon as it is claimed.
    pub fn each(self, partitions: Vec<PartitionId>) -> impl Stream<Item = (PartitionId, Claimed)> + Send {
        let claim = move |partition: PartitionId| {
            let claiming = self.clone();
            async move {
                let claimed = claiming.until_answered(&partition).await;
                (partition, claimed)
            }
        };
        stream::iter(partitions).map(claim).buffer_unordered(AT_ONCE)
    }

    async fn until_answered(&self, partition: &PartitionId) -> Claimed {
        let begun = self.clock.elapsed();
        loop {
            if let Some(claimed) = self.answered(self.one(partition).await) {
                return claimed;
            }
            if self.give_up.load(Ordering::Relaxed) || self.clock.elapsed().saturating_sub(begun) > PATIENCE {
                return Claimed::GivenUp;
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    /// Returns the answer if there is one, and otherwise reports which service it waits for.
    fn answered<T>(&self, answer: Result<T, Problem>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.health.found(KAFKA);
                self.health.found(MONGODB);
                return Some(answer);
            }
            Err(Problem::Store(error)) => self.health.waiting_for(MONGODB, error.to_string()),
            Err(Problem::Kafka(error)) => self.health.waiting_for(KAFKA, error.to_string()),
        }
        None
    }

    async fn one(&self, partition: &PartitionId) -> Result<Claimed, Problem> {
        let progress = self.store.progress(partition).await?;
        if progress.is_none() {
            self.store.note_partition(partition).await?;
        }
        // The topic may have been created or changed since the group was joined.
        if self.broker.is_compacted(&partition.topic).await? {
            let epoch = progress.map_or(0, |progress| progress.epoch);
            return Ok(Claimed::Stopped { why: start::compacted(&partition.topic), epoch });
        }
        if progress.is_none() {
            self.decide_start(partition).await?;
        }
        if let Some(progress) = &progress {
            self.beats_until(|| self.store.can_tell_the_dead(progress)).await;
        }
        let store::Claimed { mut claim, last, clean } = self.store.claim(partition).await?;
        let log = self.broker.log(partition).await?;
        if claim.next < log.start && seeded::on(Bug::StartPassed) {
            self.store.set_next(partition, log.start, "the log's start").await?;
            claim = self.store.claim(partition).await?.claim;
        }
        if let Some(why) = start::gone(&claim, log.start, log.end) {
            return Ok(Claimed::Stopped { why, epoch: claim.epoch });
        }
        let committed = self.broker.committed(partition).await?;
        if let Some(offset) = committed.filter(|offset| start::was_reset(*offset, &claim, clean)) {
            let hint = "the group's offsets in kafka have no effect: use weir progress set";
            let (topic, partition, next) = (&*partition.topic, partition.partition, claim.next);
            tracing::warn!(topic, partition, offset, next, hint, "offset_was_reset_in_kafka");
        }
        let last = last.filter(|last| last.offset >= log.start);
        let from = last.as_ref().map_or(claim.next.max(log.start), |last| last.offset);
        Ok(Claimed::Owned { claim, from, last })
    }

    /// If a partition has lost owner after owner, a process that has just started waits until it can tell who else is
    /// dead. Without this, a crash loop of young processes would never be recognized.
    async fn beats_until(&self, can_tell: impl Fn() -> bool + Send) {
        let mut waits = 0;
        while !can_tell() && waits < WAITS && !self.give_up.load(Ordering::Relaxed) {
            self.clock.sleep(store::BEAT).await;
            waits += 1;
        }
    }

    async fn decide_start(&self, partition: &PartitionId) -> Result<(), Problem> {
        let log = self.broker.log(partition).await?;
        // A topic of the pattern that the group's first start did not find was created later.
        let count = match &self.topics {
            Topics::Names(_) => self.broker.partition_count(&partition.topic).await?,
            Topics::Pattern(_) => 0,
        };
        let start = start::decide(&Known {
            partition: partition.partition,
            committed: self.broker.committed(partition).await?,
            partitions_at_first_claim: self.store.partitions_at_first_claim(&partition.topic, count).await?,
            log_start: log.start,
            log_end: log.end,
            reset: self.reset,
        });
        self.store.store_start(partition, &start).await?;
        tracing::info!(
            topic = &*partition.topic,
            partition = partition.partition,
            offset = start.next,
            because = start.because,
            "start_decided"
        );
        Ok(())
    }
}
