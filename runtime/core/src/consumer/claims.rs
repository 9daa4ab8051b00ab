//! The claims that are being made, and what should become of them. A slow claim holds up no other claim and no
//! rebalance.

use std::collections::BTreeMap;

use super::action::Standing;
use super::claiming::Claimed;
use crate::store::PartitionId;

/// Claims that are being made, and those that were made and not taken yet.
#[derive(Debug, Default)]
pub(super) struct Claims {
    making: BTreeMap<PartitionId, Making>,
    made: Vec<(PartitionId, Claimed)>,
}

/// What should become of a claim that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Making {
    /// It is wanted. `first` says that Kafka has just assigned the partition.
    Wanted { first: bool },
    /// The partition has gone back to Kafka meanwhile.
    Unwanted,
    /// The partition has gone back to Kafka, and was assigned again after that.
    WantedAgain,
}

impl Claims {
    /// Returns which of these claims have to be made: those that are neither being made nor made without being taken
    /// yet. `first` says that Kafka has just assigned the partitions.
    pub(super) fn begin(&mut self, partitions: Vec<PartitionId>, first: bool) -> Vec<PartitionId> {
        let mut begun = Vec::new();
        for partition in partitions {
            if self.made.iter().any(|(made, _)| *made == partition) {
                continue;
            }
            match self.making.get_mut(&partition) {
                None => {
                    self.making.insert(partition.clone(), Making::Wanted { first });
                    begun.push(partition);
                }
                Some(making @ Making::Unwanted) if first => *making = Making::WantedAgain,
                Some(_) => {}
            }
        }
        begun
    }

    /// Notes that a claim was made. Returns what follows: a hand-over if nobody wants it any more, and another claim if
    /// the partition was assigned again meanwhile.
    pub(super) fn note(&mut self, partition: PartitionId, claimed: Claimed) -> Noted {
        match self.making.remove(&partition) {
            Some(Making::Wanted { .. }) => {
                self.made.push((partition, claimed));
                Noted::default()
            }
            making => {
                Noted { unwanted: standing(&partition, &claimed), again: matches!(making, Some(Making::WantedAgain)) }
            }
        }
    }

    /// Returns the claims that were made and are wanted.
    pub(super) fn take(&mut self) -> Vec<(PartitionId, Claimed)> {
        std::mem::take(&mut self.made)
    }

    /// Notes that these go back to Kafka. Returns those that were made and not taken yet.
    pub(super) fn give_back(&mut self, partitions: &[PartitionId]) -> Vec<Standing> {
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

/// What follows from a claim that was made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// The claim that was made and that nobody wants.
    pub(super) unwanted: Option<Standing>,
    /// The partition was assigned again meanwhile and must be claimed once more.
    pub(super) again: bool,
}

fn standing(partition: &PartitionId, claimed: &Claimed) -> Option<Standing> {
    match claimed {
        Claimed::Owned { claim, .. } => {
            Some(Standing { partition: partition.clone(), epoch: claim.epoch, next: claim.next })
        }
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

    fn note(claims: &mut Claims, number: i32) -> Noted {
        claims.note(id(number), Claimed::Owned { claim: Claim::new(7, 20), from: 20, last: None })
    }

    fn standing(number: i32) -> Standing {
        Standing { partition: id(number), epoch: 7, next: 20 }
    }

    fn making(all: &[(i32, Making)]) -> Claims {
        Claims { making: all.iter().map(|(number, making)| (id(*number), *making)).collect(), ..Claims::default() }
    }

    const WANTED: Making = Making::Wanted { first: true };

    #[test]
    fn a_claim_that_comes_after_its_partition_went_back_is_handed_over() {
        let mut claims = making(&[(0, WANTED), (1, WANTED)]);
        assert!(claims.wait_for_first());
        assert_eq!(claims.give_back(&[id(0)]), []);
        assert!(claims.are_made_of(&[id(0)]));
        assert_eq!(note(&mut claims, 0).unwanted, Some(standing(0)));
        assert!(!claims.are_made_of(&[id(0)]));
        assert_eq!(note(&mut claims, 1), Noted::default());
        assert_eq!(claims.give_back(&[id(1)]), [standing(1)], "made, and not taken yet");
        assert!(claims.take().is_empty());
    }

    #[test]
    fn a_claim_is_made_once_until_it_is_taken() {
        let mut claims = Claims::default();
        assert_eq!(claims.begin(vec![id(0), id(1)], false), [id(0), id(1)]);
        assert_eq!(claims.begin(vec![id(0)], false), []);
        assert_eq!(note(&mut claims, 0), Noted::default());
        assert_eq!(claims.begin(vec![id(0)], false), [], "it was made, and is yet to be taken");
        assert_eq!(claims.take().len(), 1);
        assert_eq!(claims.begin(vec![id(0)], false), [id(0)]);
        assert_eq!(claims.give_back(&[id(0)]), []);
        assert_eq!(claims.begin(vec![id(0)], false), [], "it goes back");
        assert_eq!(claims.begin(vec![id(0)], true), [], "it is made once more after that");
        assert!(note(&mut claims, 0).again);
    }

    #[test]
    fn one_that_was_assigned_again_meanwhile_is_made_once_more() {
        let mut claims = making(&[(0, Making::WantedAgain)]);
        assert_eq!(note(&mut claims, 0), Noted { unwanted: Some(standing(0)), again: true });
        assert!(claims.take().is_empty());
    }
}
