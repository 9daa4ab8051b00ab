//! The owners that a partition lost since its last commit, as its progress lists them. Pure data and its BSON.

use std::collections::{BTreeMap, BTreeSet};

use bson::{Document, doc};

use super::progress::{Crash, Crashes, Progress};
use super::typed;

/// How many of the latest owners are remembered. It is more than a decision needs.
const REMEMBERED: usize = 8;

/// The delivery that a process was running according to its last note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunningThere {
    pub(super) offset: i64,
    pub(super) handler: i32,
    pub(super) retried: bool,
}

/// The owners that did not give the partition back, and which deliveries of it they were running.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// The processes, in the order in which they lost the partition.
    owners: Vec<String>,
    crashes: Vec<Crash>,
}

impl Lost {
    pub(super) fn of(progress: &Progress) -> Self {
        Self { owners: progress.lost_owners.clone(), crashes: progress.crashes.clone() }
    }

    /// Adds a process that lost the partition.
    pub(super) fn take_from(&mut self, process: &str, running: Option<RunningThere>) {
        self.owners.retain(|known| known != process);
        self.owners.push(process.to_owned());
        if let Some(there) = running {
            self.crashes.push(Crash { owner: process.to_owned(), offset: there.offset, handler: there.handler });
        }
        let too_many = self.owners.len().saturating_sub(REMEMBERED);
        self.owners.drain(..too_many);
        let owners = &self.owners;
        self.crashes.retain(|crash| owners.contains(&crash.owner));
    }

    pub(super) fn count(&self) -> i32 {
        count(self.owners.iter())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    pub(super) fn processes(&self) -> BTreeSet<&str> {
        self.owners.iter().map(String::as_str).collect()
    }

    /// Returns the fields that a claim stores.
    pub(super) fn fields(&self) -> Document {
        doc! { "lost_owners": &self.owners, "crashes": typed::bson(&self.crashes) }
    }

    /// Counts the owners that are dead.
    pub(super) fn deaths(&self, dead: &BTreeSet<String>) -> i32 {
        count(self.owners.iter().filter(|owner| dead.contains(*owner)))
    }

    /// Returns the deliveries that dead owners were running, each with the number of these owners.
    pub(super) fn crashes(&self, dead: &BTreeSet<String>) -> Vec<Crashes> {
        let mut owners: BTreeMap<(i64, i32), BTreeSet<&str>> = BTreeMap::new();
        for crash in self.crashes.iter().filter(|crash| dead.contains(&crash.owner)) {
            owners.entry((crash.offset, crash.handler)).or_default().insert(&crash.owner);
        }
        let crashes = owners.into_iter();
        crashes.map(|((offset, handler), owners)| Crashes { offset, handler, deaths: count(owners.iter()) }).collect()
    }
}

fn count(of: impl Iterator) -> i32 {
    i32::try_from(of.count()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(offset: i64, handler: i32) -> RunningThere {
        RunningThere { offset, handler, retried: false }
    }

    fn dead(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_the_dead_count_and_only_what_they_were_running() {
        let mut lost = Lost::default();
        lost.take_from("a", None);
        lost.take_from("b", Some(there(7, 1)));
        lost.take_from("c", Some(there(7, 1)));
        lost.take_from("d", Some(there(7, 2)));
        assert_eq!(lost.deaths(&dead(&["a", "b"])), 2);
        assert_eq!(lost.crashes(&dead(&["a", "b"])), [Crashes { offset: 7, handler: 1, deaths: 1 }]);
        let all = lost.crashes(&dead(&["a", "b", "c", "d"]));
        assert_eq!(all, [Crashes { offset: 7, handler: 1, deaths: 2 }, Crashes { offset: 7, handler: 2, deaths: 1 }]);
        assert!(lost.crashes(&dead(&[])).is_empty(), "all of them have come back");
    }

    #[test]
    fn the_same_owner_counts_once() {
        let mut lost = Lost::default();
        for _ in 0..3 {
            lost.take_from("a", Some(there(7, 1)));
        }
        assert_eq!(lost.deaths(&dead(&["a"])), 1);
        assert_eq!(lost.crashes(&dead(&["a"])), [Crashes { offset: 7, handler: 1, deaths: 1 }]);
    }

    #[test]
    fn the_last_owners_are_remembered_as_they_are_stored() {
        let mut lost = Lost::default();
        for number in 0..20 {
            lost.take_from(&format!("o{number}"), Some(there(number, 1)));
        }
        assert_eq!(lost.owners.len(), REMEMBERED);
        assert_eq!(lost.crashes.len(), REMEMBERED);
        let mut document = doc! {
            "_id": { "group": "g", "topic": "t", "partition": 0 }, "epoch": 1_i64, "next": 0_i64,
        };
        let read = |document: &Document| Lost::of(&typed::read("progress", document.clone()).expect("progress"));
        assert!(read(&document).is_empty());
        document.extend(lost.fields());
        assert_eq!(read(&document), lost);
    }
}
