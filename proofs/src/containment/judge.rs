//! Whether every delivery ended as it must.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::{End, Kind};
use super::{families, kinds};
use crate::counts::{self, Group};
use rig::weir::Stats;

/// What a run has left behind.
pub(super) struct Outcome<'a> {
    /// How many rows of each kind were inserted.
    pub(super) sent: &'a BTreeMap<String, u64>,
    pub(super) parked: &'a [Group],
    pub(super) stats: &'a Stats,
    /// Log lines dropped, by handler.
    pub(super) dropped: &'a BTreeMap<String, f64>,
    pub(super) log: &'a str,
}

impl Outcome<'_> {
    /// Returns what did not end as it must, in words. Prints a line for each kind that did.
    pub(super) fn flaws(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (family, kind) in families().flat_map(|family| family.kinds.iter().map(|kind| (family.name, kind))) {
            let name = kind.name();
            if !self.sent.contains_key(&name) {
                continue;
            }
            match self.met(kind) {
                Ok(met) => println!("  {family:<24} {name:<36} {met}"),
                Err(error) => wrong.push(format!("{family}: {name}: {error}")),
            }
        }
        let strange = |group: &&Group| group.aggregate_type.as_ref().is_none_or(|name| !self.sent.contains_key(name));
        let strange = self.parked.iter().filter(strange);
        wrong.extend(strange.map(|group| format!("nothing of this may be parked: {group:?}")));
        wrong.extend(self.unlike_the_log());
        wrong
    }

    fn met(&self, kind: &Kind) -> Result<String, String> {
        let lines = self.dropped.get(kind.handler).copied().unwrap_or_default();
        match kind.end {
            End::Dead(reason) => self.failed(kind, "dead", reason),
            End::Committed => self.succeeded(kind, "committed"),
            End::Skipped => self.succeeded(kind, "skipped"),
            End::CommittedWithLinesDropped if lines == 0.0 => {
                Err("no line of its log was counted as dropped".to_owned())
            }
            End::CommittedWithLinesDropped => {
                self.succeeded(kind, "committed").map(|met| format!("{met}, {lines:.0} lines dropped"))
            }
        }
    }

    fn sent(&self, kind: &Kind) -> u64 {
        self.sent.get(&kind.name()).copied().unwrap_or_default()
    }

    /// Returns what is parked of this kind.
    fn parked(&self, kind: &Kind) -> Vec<&Group> {
        let name = kind.name();
        self.parked.iter().filter(|group| group.aggregate_type.as_ref() == Some(&name)).collect()
    }

    /// Checks that all of a kind's deliveries are parked, for its reason.
    fn failed(&self, kind: &Kind, state: &str, reason: &str) -> Result<String, String> {
        let (count, own) = (self.sent(kind), self.parked(kind));
        let fits = |group: &&Group| group.state.as_deref() == Some(state) && group.reason.as_deref() == Some(reason);
        let found: u64 = own.iter().map(|group| group.count).sum();
        if found != count || !own.iter().all(fits) {
            return Err(format!("all of {count} deliveries must be {state} for {reason}; parked are {own:#?}"));
        }
        let each = own.iter().map(|group| {
            let limit = group.limit.as_deref().map(|limit| format!(" by {limit}")).unwrap_or_default();
            format!("{} {state} for {reason}{limit}", group.count)
        });
        Ok(each.collect::<Vec<_>>().join(", "))
    }

    /// Checks that none of a kind's deliveries is parked, and that every delivery of its handler that must succeed has
    /// done so.
    fn succeeded(&self, kind: &Kind, outcome: &str) -> Result<String, String> {
        let alike = |other: &&Kind| other.handler == kind.handler && is_outcome(other.end, outcome);
        let count: u64 = kinds(false).into_iter().filter(alike).map(|kind| self.sent(kind)).sum();
        let outcomes = self.stats.handlers.get(kind.handler);
        let found = outcomes.and_then(|counts| counts.get(outcome)).copied().unwrap_or_default();
        let own = self.parked(kind);
        if found != count || !own.is_empty() {
            return Err(format!("all of {count} deliveries must be {outcome}, and {found} are; parked are {own:#?}"));
        }
        Ok(format!("{} {outcome}", self.sent(kind)))
    }

    /// Checks that the log names each parked delivery with what stopped it.
    fn unlike_the_log(&self) -> Vec<String> {
        let logged = counts::logged(self.log);
        let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
        for group in self.parked {
            let key = (group.handler.clone().unwrap_or_default(), group.reason.clone().unwrap_or_default());
            *expected.entry(key).or_default() += group.count;
        }
        let keys: BTreeSet<_> = logged.keys().chain(expected.keys()).collect();
        keys.into_iter()
            .filter(|key| logged.get(*key) != expected.get(*key))
            .map(|key| {
                let count = |of: &BTreeMap<_, u64>| of.get(key).copied().unwrap_or_default();
                format!("{} parked for {}: {}, and in the log {}", key.0, key.1, count(&expected), count(&logged))
            })
            .collect()
    }
}

fn is_outcome(end: End, outcome: &str) -> bool {
    match end {
        End::Committed | End::CommittedWithLinesDropped => outcome == "committed",
        End::Skipped => outcome == "skipped",
        End::Dead(_) => false,
    }
}
