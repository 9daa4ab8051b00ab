//! What a hostile handler does, and how it must end.
//!
//! A behaviour's component is named as it is here, and subscribes to the event type that is its name in camel case.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// How the deliveries of a behaviour must end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// Dead, for this reason.
    Dead(&'static str),
    /// Committed, because what it does is allowed or harmless.
    Committed,
    /// Committed, with lines of its log dropped and counted.
    CommittedWithLinesDropped,
    /// Skipped.
    Skipped,
}

/// One case of a behaviour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// The component.
    pub(super) handler: &'static str,
    /// Which of its cases, or empty if it has only one.
    case: &'static str,
    payload: &'static str,
    pub(super) end: End,
    /// Its share of the deliveries. Kinds that take long get a smaller one.
    share: u64,
}

/// The behaviours of one family.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kinds: &'static [Kind],
}

impl Kind {
    /// The component and its case. Rows have this name as their aggregate type, so that parked deliveries show it.
    pub(super) fn name(&self) -> String {
        if self.case.is_empty() { self.handler.to_owned() } else { format!("{}:{}", self.handler, self.case) }
    }

    /// Returns the rows that hostile.py must insert.
    pub(super) fn rows(&self, count: u64) -> Result<Value> {
        let payload: Value = serde_json::from_str(self.payload).context("a case's payload is not JSON")?;
        Ok(json!({
            "aggregate_type": self.name(), "event_type": camel_case(self.handler), "payload": payload, "count": count,
        }))
    }
}

pub(super) const fn family(name: &'static str, kinds: &'static [Kind]) -> Family {
    Family { name, kinds }
}

pub(super) const fn kind(handler: &'static str, end: End, share: u64) -> Kind {
    Kind { handler, case: "", payload: "{}", end, share }
}

pub(super) const fn case(
    handler: &'static str,
    case: &'static str,
    payload: &'static str,
    end: End,
    share: u64,
) -> Kind {
    Kind { handler, case, payload, end, share }
}

/// Returns how many deliveries of each kind to send: at least one each, and at least `total` together.
pub(super) fn counts(kinds: &[&Kind], total: u64) -> Vec<(Kind, u64)> {
    let shares: u64 = kinds.iter().map(|kind| kind.share).sum();
    kinds.iter().map(|kind| (**kind, (total * kind.share).div_ceil(shares))).collect()
}

fn camel_case(name: &str) -> String {
    name.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_are_names_in_camel_case() {
        assert_eq!(camel_case("spins"), "Spins");
        assert_eq!(camel_case("reads-then-writes"), "ReadsThenWrites");
    }

    #[test]
    fn every_kind_gets_its_share() {
        let kinds = [&kind("spins", End::Committed, 20), &kind("sleeps", End::Committed, 1)];
        for total in [1, 200, 10_000] {
            let counts = counts(&kinds, total);
            assert!(counts.iter().all(|(_, count)| *count > 0));
            assert!(counts.iter().map(|(_, count)| count).sum::<u64>() >= total);
        }
    }
}
