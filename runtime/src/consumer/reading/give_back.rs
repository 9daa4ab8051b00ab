//! How partitions are given back: drained first, and handed over in an orderly way where there is time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinError;

use super::claims::Claims;
use super::{Reading, hear};
use crate::consumer::returning::{Act, GIVE_UP, HAND_OVER, Returning};
use crate::consumer::{assigning, kafka};
use crate::store::PartitionId;

/// How long the committer may take to end once nothing is asked of it any more.
const JOIN: Duration = Duration::from_secs(1);

impl Reading {
    /// Kafka wants these back: nothing more of them is taken, and the loop goes on while they drain.
    pub(super) fn give_back(&mut self, partitions: Vec<PartitionId>, orderly: bool) {
        self.partitions.close(&partitions);
        let unwanted = self.claims.give_back(&partitions);
        self.hand_over_unwanted(unwanted);
        self.returning = Some(Returning::new(partitions, orderly, self.clock.elapsed()));
    }

    /// Goes on with what is being given back.
    pub(super) fn go_on_returning(&mut self) {
        let Some(mut returning) = self.returning.take() else { return };
        loop {
            let drained = self.partitions.is_drained() && !self.claims.are_made_of(&returning.partitions);
            match returning.next(self.clock.elapsed(), drained, self.handing.is_none()) {
                Act::GiveUp => self.give_up.store(true, Ordering::Relaxed),
                Act::HandOver => {
                    self.ends.works.disown(&returning.partitions);
                    let standing = self.partitions.standing(&returning.partitions);
                    self.handing = self.hand_over(standing).map(tokio::spawn);
                }
                Act::Disown => {
                    self.give_up.store(false, Ordering::Relaxed);
                    self.ends.works.disown(&returning.partitions);
                }
                Act::Answer if self.given_back(&returning.partitions) => return,
                // An answer that was not taken is tried again in the next turn.
                Act::Wait | Act::Answer => break,
            }
        }
        self.returning = Some(returning);
    }

    /// Forgets the partitions and answers Kafka's client; false where that did not take the answer.
    fn given_back(&mut self, partitions: &[PartitionId]) -> bool {
        self.partitions.remove(partitions);
        for partition in partitions {
            self.metrics.partition_gone(&partition.topic, partition.partition);
            self.health.partition_resumed(&partition.topic, partition.partition);
        }
        self.metrics.partitions_owned(self.partitions.count());
        let answered = assigning::unassign(&self.kafka.client, partitions);
        answered.inspect_err(|error| tracing::warn!(%error, "unassign_failed")).is_ok()
    }

    /// Claims that were made too late for anybody to want them.
    pub(super) fn hand_over_unwanted(&self, standing: Vec<(PartitionId, i64, i64)>) {
        if let Some(handing) = self.hand_over(standing) {
            tokio::spawn(handing);
        }
    }

    /// The last offsets to Kafka, this owner's name out of progress; none where there is nothing to hand over. What is not
    /// done in time is given up: the next owner finds the name and ends sessions that have ended already.
    fn hand_over(&self, standing: Vec<(PartitionId, i64, i64)>) -> Option<impl Future<Output = ()> + Send + 'static> {
        if standing.is_empty() {
            return None;
        }
        let (questions, store) = (self.questions.clone(), self.store.clone());
        let handing = async move {
            let claims: Vec<_> = standing.iter().map(|(id, epoch, _)| (id, *epoch)).collect();
            match kafka::list(standing.iter().map(|(id, _, next)| (id, Some(*next)))) {
                // Kafka first: an owner that is gone from progress has committed all of it.
                Ok(list) => questions.commit(list).await?,
                Err(error) => tracing::warn!(%error, "offsets_not_committed"),
            }
            store.release(&claims).await.map_err(anyhow::Error::from)
        };
        Some(async move {
            match tokio::time::timeout(HAND_OVER, handing).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "hand_over_failed"),
                Err(_) => tracing::warn!("hand_over_given_up"),
            }
        })
    }

    /// Drains, gives everything back, leaves the group. Every step has its time, whatever the committer does.
    pub(super) async fn stop(mut self) -> Result<bool, JoinError> {
        // From here on the times below bound what it does, and probes are not to end it earlier.
        self.heartbeat.clone().end();
        self.health.draining();
        tracing::info!("draining");
        let partitions = self.partitions.owned();
        self.partitions.close(&partitions);
        // What is being claimed only now is another's to take over.
        self.claims = Claims::new();
        self.give_up.store(false, Ordering::Relaxed);
        let drained = self.drain(self.settings.shutdown_timeout).await;
        if drained && let Some(handing) = self.hand_over(self.partitions.standing(&partitions)) {
            handing.await;
        }
        let Self { kafka, questions, claiming, ends, committer, .. } = self;
        drop((questions, claiming));
        drop(ends);
        let (ended, ()) = tokio::join!(tokio::time::timeout(JOIN, committer), kafka::close(kafka.client));
        // One that still waits for MongoDB ends with the process; the next claim ends its session.
        ended.map_or(Ok(false), |ended| ended.map(|()| drained))
    }

    /// Waits for what is with the committer; false where it had to be given up.
    async fn drain(&mut self, within: Duration) -> bool {
        if let Ok(drained) = tokio::time::timeout(within, self.drained()).await {
            return drained;
        }
        self.give_up.store(true, Ordering::Relaxed);
        let _ = tokio::time::timeout(GIVE_UP, self.drained()).await;
        false
    }

    /// Returns once the committer holds no records; false where it has ended, which it does by a panic only.
    async fn drained(&mut self) -> bool {
        while !self.partitions.is_drained() {
            tokio::select! {
                said = self.ends.said.recv() => match said {
                    Some(said) => hear(said, &mut self.partitions, &*self.clock),
                    None => return false,
                },
                () = self.ends.works.room() => {}
            }
        }
        true
    }
}
