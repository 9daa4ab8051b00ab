//! Claims the partitions of an assignment: the start decided and stored, the epoch raised, the log looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::kafka::{Error, Questions};
use super::start::{self, Known};
use crate::config::OffsetReset;
use crate::store::{self, Claim, PartitionId, Store};
use crate::telemetry::health::{Health, KAFKA, MONGODB};

const PAUSE: Duration = Duration::from_millis(250);

/// What came of claiming a partition.
#[derive(Debug)]
pub(super) enum Claimed {
    /// It is to be read from the claim's `next`.
    Owned(Claim),
    /// It may not go on; the text says why and what to do.
    Stopped(String),
    /// Somebody asked to give up.
    GivenUp,
}

/// Claims partitions, however long Kafka and MongoDB take.
#[derive(Clone)]
pub(super) struct Claiming {
    pub(super) store: Store,
    pub(super) kafka: Questions,
    pub(super) health: Health,
    pub(super) reset: OffsetReset,
    pub(super) give_up: Arc<AtomicBool>,
}

enum Problem {
    Store(store::Error),
    Kafka(Error),
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Kafka(error)
    }
}

impl Claiming {
    /// How many partitions the topic has, stored where this is the group's first start; none where Kafka or MongoDB did
    /// not answer.
    pub(super) async fn first_start(&self, topic: &str) -> Option<i32> {
        let found = async {
            let count = self.kafka.partition_count(topic).await?;
            self.store.partitions_at_first_claim(topic, count).await?;
            Ok(count)
        };
        self.answered(found.await)
    }

    /// Claims each of the partitions.
    pub(super) async fn all(self, partitions: Vec<PartitionId>) -> Vec<(PartitionId, Claimed)> {
        let mut claimed = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let claim = self.until_answered(&partition).await;
            claimed.push((partition, claim));
        }
        claimed
    }

    async fn until_answered(&self, partition: &PartitionId) -> Claimed {
        loop {
            if let Some(claimed) = self.answered(self.one(partition).await) {
                return claimed;
            }
            if self.give_up.load(Ordering::Relaxed) {
                return Claimed::GivenUp;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The answer, where there is one; says which service it waits for where not.
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
        if self.store.progress(partition).await?.is_none() {
            self.decide_start(partition).await?;
        }
        let claim = self.store.claim(partition).await?;
        let log = self.kafka.log(partition).await?;
        Ok(match start::gone(claim.next, log.start, log.end) {
            Some(why) => Claimed::Stopped(why),
            None => Claimed::Owned(claim),
        })
    }

    async fn decide_start(&self, partition: &PartitionId) -> Result<(), Problem> {
        let log = self.kafka.log(partition).await?;
        let count = self.kafka.partition_count(&partition.topic).await?;
        let start = start::decide(&Known {
            partition: partition.partition,
            committed: self.kafka.committed(partition).await?,
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
