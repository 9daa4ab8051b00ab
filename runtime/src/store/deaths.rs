//! The owners that a partition lost since its last commit, as its progress lists them. Pure data and its BSON.

use std::collections::{BTreeMap, BTreeSet};

use bson::{Bson, Document, doc};

use super::owners::RunningThere;
use super::progress::Crashes;

/// How many of the latest owners are remembered. It is more than a decision needs.
const REMEMBERED: usize = 8;

/// The owners that did not give the partition back, and which deliveries of it they were running.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// The processes, in the order in which they lost the partition.
    owners: Vec<String>,
    running: Vec<(String, RunningThere)>,
}

impl Lost {
    /// Reads them from the progress document.
    pub(super) fn read(progress: &Document) -> Self {
        let list = |name| progress.get_array(name).into_iter().flatten();
        let running = list("crashes").filter_map(Bson::as_document).filter_map(|crash| {
            let there = RunningThere { offset: crash.get_i64("offset").ok()?, handler: crash.get_i32("handler").ok()? };
            Some((crash.get_str("owner").ok()?.to_owned(), there))
        });
        Self {
            owners: list("lost_owners").filter_map(Bson::as_str).map(str::to_owned).collect(),
            running: running.collect(),
        }
    }

    /// Adds a process that lost the partition.
    pub(super) fn take_from(&mut self, process: &str, running: Option<RunningThere>) {
        self.owners.retain(|known| known != process);
        self.owners.push(process.to_owned());
        if let Some(there) = running {
            self.running.push((process.to_owned(), there));
        }
        let too_many = self.owners.len().saturating_sub(REMEMBERED);
        self.owners.drain(..too_many);
        let owners = &self.owners;
        self.running.retain(|(process, _)| owners.contains(process));
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
        let crash = |(owner, there): &(String, RunningThere)| {
            Bson::Document(doc! { "owner": owner, "offset": there.offset, "handler": there.handler })
        };
        let crashes: Vec<Bson> = self.running.iter().map(crash).collect();
        doc! { "lost_owners": &self.owners, "crashes": crashes }
    }

    /// Counts the owners that are dead.
    pub(super) fn deaths(&self, dead: &BTreeSet<String>) -> i32 {
        count(self.owners.iter().filter(|owner| dead.contains(*owner)))
    }

    /// Returns the deliveries that dead owners were running, each with the number of these owners.
    pub(super) fn crashes(&self, dead: &BTreeSet<String>) -> Vec<Crashes> {
        let mut owners: BTreeMap<(i64, i32), BTreeSet<&str>> = BTreeMap::new();
        for (owner, there) in self.running.iter().filter(|(owner, _)| dead.contains(owner)) {
            owners.entry((there.offset, there.handler)).or_default().insert(owner);
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
        RunningThere { offset, handler }
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
        assert_eq!(lost.running.len(), REMEMBERED);
        assert_eq!(Lost::read(&lost.fields()), lost);
        assert!(Lost::read(&Document::new()).is_empty());
    }
}
