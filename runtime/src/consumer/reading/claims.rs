//! The claims that are being made, each for itself: one that takes its time holds up no other, and no rebalance.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::consumer::claiming::{Claimed, Claiming};
use crate::store::PartitionId;

/// How many claims may be made and not yet taken by the loop.
const MADE: usize = 64;

/// Claims on their way. They end with this value.
#[derive(Debug)]
pub(super) struct Claims {
    to: mpsc::Sender<(PartitionId, Claimed)>,
    from: mpsc::Receiver<(PartitionId, Claimed)>,
    tasks: JoinSet<()>,
    making: BTreeMap<PartitionId, Making>,
    made: Vec<(PartitionId, Claimed)>,
}

/// What is to become of a claim that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Making {
    /// It is wanted; `first` where Kafka has just assigned the partition.
    Wanted { first: bool },
    /// The partition has gone back to Kafka meanwhile.
    Unwanted,
    /// The same, and it was assigned again after that.
    WantedAgain,
}

impl Claims {
    pub(super) fn new() -> Self {
        let (to, from) = mpsc::channel(MADE);
        Self { to, from, tasks: JoinSet::new(), making: BTreeMap::new(), made: Vec::new() }
    }

    /// Begins to claim those of the partitions that are not being claimed yet, after a rest; `first` where Kafka has just
    /// assigned them.
    pub(super) fn begin(&mut self, claiming: &Claiming, partitions: &[PartitionId], first: bool, rest: Duration) {
        let begun = self.note_begun(partitions, first);
        if begun.is_empty() {
            return;
        }
        while self.tasks.try_join_next().is_some() {}
        let (claiming, to) = (claiming.clone(), self.to.clone());
        self.tasks.spawn(async move {
            tokio::time::sleep(rest).await;
            let mut made = std::pin::pin!(claiming.each(begun));
            while let Some(claimed) = made.next().await {
                if to.send(claimed).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Which of these claims have to be made: those that are not being made, and were not made without being taken yet.
    fn note_begun(&mut self, partitions: &[PartitionId], first: bool) -> Vec<PartitionId> {
        let mut begun = Vec::new();
        for partition in partitions.iter().filter(|partition| self.made.iter().all(|(made, _)| made != *partition)) {
            match self.making.get_mut(partition) {
                None => {
                    self.making.insert(partition.clone(), Making::Wanted { first });
                    begun.push(partition.clone());
                }
                Some(making @ Making::Unwanted) if first => *making = Making::WantedAgain,
                Some(_) => {}
            }
        }
        begun
    }

    /// The next claim that was made. May be dropped at any time without loss.
    pub(super) async fn next(&mut self) -> Option<(PartitionId, Claimed)> {
        self.from.recv().await
    }

    /// Notes that a claim was made, with all that were made by now. Gives those that nobody wants any more, and those that
    /// must be made once more.
    pub(super) fn note(&mut self, first: (PartitionId, Claimed)) -> Noted {
        let mut noted = Noted::default();
        let mut next = Some(first);
        while let Some((partition, claimed)) = next {
            match self.making.remove(&partition) {
                Some(Making::Wanted { .. }) => self.made.push((partition, claimed)),
                Some(Making::WantedAgain) => {
                    noted.again.push(partition.clone());
                    noted.unwanted.extend(standing(&partition, &claimed));
                }
                Some(Making::Unwanted) | None => noted.unwanted.extend(standing(&partition, &claimed)),
            }
            next = self.from.try_recv().ok();
        }
        noted
    }

    /// What was made and is wanted, taken out.
    pub(super) fn take(&mut self) -> Vec<(PartitionId, Claimed)> {
        std::mem::take(&mut self.made)
    }

    /// These go back to Kafka. Gives those that were made and not taken yet.
    pub(super) fn give_back(&mut self, partitions: &[PartitionId]) -> Vec<(PartitionId, i64, i64)> {
        for partition in partitions {
            if let Some(making) = self.making.get_mut(partition) {
                *making = Making::Unwanted;
            }
        }
        let (gone, left): (Vec<_>, Vec<_>) = self.take().into_iter().partition(|(id, _)| partitions.contains(id));
        self.made = left;
        gone.iter().filter_map(|(partition, claimed)| standing(partition, claimed)).collect()
    }

    /// Whether one of these is being claimed.
    pub(super) fn are_made_of(&self, partitions: &[PartitionId]) -> bool {
        partitions.iter().any(|partition| self.making.contains_key(partition))
    }

    /// Whether a partition that Kafka has just assigned has not been claimed yet.
    pub(super) fn wait_for_first(&self) -> bool {
        let first = |making: &Making| matches!(making, Making::Wanted { first: true } | Making::WantedAgain);
        self.making.values().any(first)
    }
}

/// What follows from claims that were made.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// Claims that stand and that nobody wants: partition, epoch and `next`.
    pub(super) unwanted: Vec<(PartitionId, i64, i64)>,
    /// Partitions that must be claimed once more, since they were assigned again.
    pub(super) again: Vec<PartitionId>,
}

fn standing(partition: &PartitionId, claimed: &Claimed) -> Option<(PartitionId, i64, i64)> {
    match claimed {
        Claimed::Owned { claim, .. } => Some((partition.clone(), claim.epoch, claim.next)),
        Claimed::Stopped { .. } | Claimed::GivenUp => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::Claim;

    fn id(number: i32) -> PartitionId {
        PartitionId { topic: Arc::from("t"), partition: number }
    }

    fn owned(number: i32) -> (PartitionId, Claimed) {
        (id(number), Claimed::Owned { claim: Claim::new(7, 20), last: None })
    }

    fn making(all: &[(i32, Making)]) -> Claims {
        Claims { making: all.iter().map(|(number, making)| (id(*number), *making)).collect(), ..Claims::new() }
    }

    const WANTED: Making = Making::Wanted { first: true };

    #[test]
    fn a_claim_that_comes_after_its_partition_went_back_is_handed_over() {
        let mut claims = making(&[(0, WANTED), (1, WANTED)]);
        assert!(claims.wait_for_first());
        assert_eq!(claims.give_back(&[id(0)]), []);
        assert!(claims.are_made_of(&[id(0)]));
        assert_eq!(claims.note(owned(0)).unwanted, [(id(0), 7, 20)]);
        assert!(!claims.are_made_of(&[id(0)]));
        assert!(claims.note(owned(1)).unwanted.is_empty());
        assert_eq!(claims.give_back(&[id(1)]), [(id(1), 7, 20)], "made, and not taken yet");
        assert!(claims.take().is_empty());
    }

    #[test]
    fn a_claim_is_made_once_until_it_is_taken() {
        let mut claims = Claims::new();
        assert_eq!(claims.note_begun(&[id(0), id(1)], false), [id(0), id(1)]);
        assert_eq!(claims.note_begun(&[id(0)], false), []);
        assert!(claims.note(owned(0)).unwanted.is_empty());
        assert_eq!(claims.note_begun(&[id(0)], false), [], "it was made, and is yet to be taken");
        assert_eq!(claims.take().len(), 1);
        assert_eq!(claims.note_begun(&[id(0)], false), [id(0)]);
        assert_eq!(claims.give_back(&[id(0)]), []);
        assert_eq!(claims.note_begun(&[id(0)], false), [], "it goes back");
        assert_eq!(claims.note_begun(&[id(0)], true), [], "it is made once more after that");
        assert_eq!(claims.note(owned(0)).again, [id(0)]);
    }

    #[test]
    fn one_that_was_assigned_again_meanwhile_is_made_once_more() {
        let mut claims = making(&[(0, Making::WantedAgain)]);
        let noted = claims.note(owned(0));
        assert_eq!((noted.again, noted.unwanted), (vec![id(0)], vec![(id(0), 7, 20)]));
        assert!(claims.take().is_empty());
    }
}
