//! How partitions are given back: drained first, and handed over in an orderly way where there is time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use tokio::task::JoinError;

use super::{DRAIN, GIVE_UP, HAND_OVER, Reading, hear, kafka};
use crate::delivery::Work;
use crate::store::PartitionId;

impl Reading {
    /// Drains partitions and gives them back to Kafka; in an orderly way where they were not lost.
    pub(super) async fn give_back(&mut self, partitions: &[PartitionId], orderly: bool) {
        self.partitions.close(partitions);
        let drained = self.drain(DRAIN).await;
        self.send(Work::Disown(partitions.to_vec())).await;
        if orderly && drained {
            self.hand_over(partitions).await;
        }
        self.partitions.remove(partitions);
        for partition in partitions {
            self.metrics.partition_gone(&partition.topic, partition.partition);
            self.health.partition_resumed(&partition.topic, partition.partition);
        }
        self.metrics.partitions_owned(self.partitions.count());
        let answer = kafka::list(partitions.iter().map(|partition| (partition, None)))
            .and_then(|list| self.kafka.client.incremental_unassign(&list));
        if let Err(error) = answer {
            tracing::warn!(%error, "unassign_failed");
        }
    }

    /// Waits for what is with the committer; false where it had to be given up.
    async fn drain(&mut self, within: Duration) -> bool {
        if tokio::time::timeout(within, self.drained()).await.is_ok() {
            return true;
        }
        self.give_up.store(true, Ordering::Relaxed);
        let _ = tokio::time::timeout(GIVE_UP, self.drained()).await;
        self.give_up.store(false, Ordering::Relaxed);
        false
    }

    async fn drained(&mut self) {
        while !self.partitions.is_drained() {
            match self.ends.said.recv().await {
                Some(said) => hear(said, &mut self.partitions, &*self.clock),
                None => return,
            }
        }
    }

    /// The last offsets to Kafka, this owner's name out of progress. What is not done in time is given up: the next
    /// owner finds the name and ends sessions that have ended already.
    async fn hand_over(&mut self, partitions: &[PartitionId]) {
        let owned = self.partitions.standing(partitions);
        if owned.is_empty() {
            return;
        }
        let (questions, store) = (self.questions.clone(), self.store.clone());
        let handing = async move {
            let claims: Vec<_> = owned.iter().map(|(id, epoch, _)| (id, *epoch)).collect();
            match kafka::list(owned.iter().map(|(id, _, next)| (id, Some(*next)))) {
                // Kafka first: an owner that is gone from progress has committed all of it.
                Ok(list) => questions.commit(list).await?,
                Err(error) => tracing::warn!(%error, "offsets_not_committed"),
            }
            store.release(&claims).await.map_err(anyhow::Error::from)
        };
        match tokio::time::timeout(HAND_OVER, handing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "hand_over_failed"),
            Err(_) => tracing::warn!("hand_over_given_up"),
        }
    }

    /// Drains, gives everything back, leaves the group.
    pub(super) async fn stop(mut self) -> Result<bool, JoinError> {
        self.health.draining();
        tracing::info!("draining");
        let partitions = self.partitions.owned();
        self.partitions.close(&partitions);
        // What is being claimed only now is another's to take over.
        if let Some(claims) = self.claims.take() {
            claims.abort();
        }
        let drained = self.drain(self.settings.shutdown_timeout).await;
        if drained {
            self.hand_over(&partitions).await;
        }
        let Self { kafka, questions, claiming, ends, committer, idle, .. } = self;
        drop((questions, claiming, idle));
        drop(ends);
        let ended = tokio::time::timeout(GIVE_UP, committer).await;
        kafka::close(kafka.client).await;
        // One that still waits for MongoDB ends with the process; the next claim ends its session.
        ended.map_or(Ok(false), |ended| ended.map(|()| drained))
    }
}
