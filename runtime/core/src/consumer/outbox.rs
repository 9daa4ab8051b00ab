//! What waits for the committer, so that the loop never does. Pure.
//!
//! Invariant: it is bounded whatever the committer does. Successive changes of ownership are merged into one, with at
//! most one entry a partition, and records are added only when the committer has asked for some.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::delivery::{Entry, Work};
use crate::store::{Claim, PartitionId};

/// Work for the committer, in the order in which the committer must get it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    Ownership(Ownership),
    Rest(Vec<PartitionId>),
    Records(Vec<Entry>),
}

/// What the committer owns after several changes. A partition is in only one of the two.
#[derive(Debug, Default)]
struct Ownership {
    own: BTreeMap<PartitionId, Claim>,
    disown: BTreeSet<PartitionId>,
}

impl Outbox {
    /// Has the committer own these.
    pub(super) fn own(&mut self, claims: Vec<(PartitionId, Claim)>) {
        if claims.is_empty() {
            return;
        }
        let last = self.last_ownership();
        for (partition, claim) in claims {
            last.disown.remove(&partition);
            last.own.insert(partition, claim);
        }
    }

    /// Has the committer own these no longer.
    pub(super) fn disown(&mut self, partitions: &[PartitionId]) {
        if partitions.is_empty() {
            return;
        }
        let last = self.last_ownership();
        for partition in partitions {
            last.own.remove(partition);
            last.disown.insert(partition.clone());
        }
    }

    /// Has the committer try no parked deliveries of these any more.
    pub(super) fn rest(&mut self, partitions: Vec<PartitionId>) {
        self.waiting.push_back(Waiting::Rest(partitions));
    }

    /// Has the committer account for these records, which it has asked for.
    pub(super) fn commit(&mut self, entries: Vec<Entry>) {
        self.waiting.push_back(Waiting::Records(entries));
    }

    /// Takes the next work.
    pub(super) fn take(&mut self) -> Option<Work> {
        match self.waiting.pop_front()? {
            Waiting::Records(entries) => Some(Work::Commit(entries)),
            Waiting::Rest(partitions) => Some(Work::Rest(partitions)),
            Waiting::Ownership(Ownership { own, disown }) if disown.is_empty() => {
                Some(Work::Own(own.into_iter().collect()))
            }
            Waiting::Ownership(Ownership { own, disown }) => {
                if !own.is_empty() {
                    self.waiting.push_front(Waiting::Ownership(Ownership { own, ..Ownership::default() }));
                }
                Some(Work::Disown(disown.into_iter().collect()))
            }
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns the change of ownership that waits behind everything else, or a new one if records come last.
    fn last_ownership(&mut self) -> &mut Ownership {
        if !matches!(self.waiting.back(), Some(Waiting::Ownership(_))) {
            self.waiting.push_back(Waiting::Ownership(Ownership::default()));
        }
        match self.waiting.back_mut() {
            Some(Waiting::Ownership(ownership)) => ownership,
            _ => unreachable!("it has just been added"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn id(number: i32) -> PartitionId {
        PartitionId { topic: Arc::from("t"), partition: number }
    }

    /// What the loop may say, in short.
    #[derive(Debug, Clone)]
    enum Said {
        Own(i32, i64),
        Disown(i32),
        Commit,
    }

    fn said() -> impl Strategy<Value = Said> {
        prop_oneof![
            (0..4, 1_i64..9).prop_map(|(partition, epoch)| Said::Own(partition, epoch)),
            (0..4).prop_map(Said::Disown),
            Just(Said::Commit),
        ]
    }

    /// Returns the claims that hold whenever records come, and at the end.
    fn heard(works: impl IntoIterator<Item = Work>) -> Vec<Vec<(PartitionId, i64)>> {
        let mut claims = BTreeMap::new();
        let mut stood = Vec::new();
        let standing = |claims: &BTreeMap<PartitionId, Claim>| {
            claims.iter().map(|(partition, claim)| (partition.clone(), claim.epoch)).collect()
        };
        for work in works {
            match work {
                Work::Own(owned) => claims.extend(owned),
                Work::Disown(partitions) => claims.retain(|partition, _| !partitions.contains(partition)),
                Work::Commit(_) => stood.push(standing(&claims)),
                Work::AtEnd(_) | Work::Rest(_) => unreachable!("none was said"),
            }
        }
        stood.push(standing(&claims));
        stood
    }

    proptest! {
        #[test]
        fn merged_or_not_the_committer_hears_the_same(all in prop::collection::vec(said(), 0..40)) {
            let mut outbox = Outbox::default();
            let mut plain = Vec::new();
            for said in &all {
                match said {
                    Said::Own(partition, epoch) => {
                        let claims = vec![(id(*partition), Claim::new(*epoch, 0))];
                        plain.push(Work::Own(claims.clone()));
                        outbox.own(claims);
                    }
                    Said::Disown(partition) => {
                        plain.push(Work::Disown(vec![id(*partition)]));
                        outbox.disown(&[id(*partition)]);
                    }
                    Said::Commit => {
                        plain.push(Work::Commit(Vec::new()));
                        outbox.commit(Vec::new());
                    }
                }
            }
            let commits = all.iter().filter(|said| matches!(said, Said::Commit)).count();
            prop_assert!(outbox.waiting.len() <= 2 * commits + 1);
            prop_assert_eq!(heard(std::iter::from_fn(|| outbox.take())), heard(plain));
            prop_assert!(outbox.is_empty());
        }
    }
}
