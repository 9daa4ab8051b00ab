//! The table of what hostile handlers do, and what each must meet.
//!
//! A behaviour's component is named as here, and wants the event type that is its name in camel case.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// How the deliveries of a behaviour must end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// Dead, for one of these reasons.
    Dead(&'static [&'static str]),
    /// Parked, for one of these reasons.
    Parked(&'static [&'static str]),
    /// Committed: what it does is allowed, or harms nobody.
    Committed,
    /// Committed, with lines of its log dropped and counted.
    CommittedWithLinesDropped,
    /// Skipped.
    Skipped,
}

/// One case of a behaviour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// The component.
    pub(crate) handler: &'static str,
    /// Which of its cases; nothing where it has one.
    case: &'static str,
    payload: &'static str,
    pub(crate) end: End,
    /// Its part of the deliveries: what takes long comes less often.
    share: u64,
}

impl Kind {
    /// The component and its case. The rows have it as their aggregate's type, so that parked deliveries tell.
    pub(crate) fn name(&self) -> String {
        if self.case.is_empty() { self.handler.to_owned() } else { format!("{}:{}", self.handler, self.case) }
    }

    /// What hostile.py is to insert.
    pub(crate) fn rows(&self, count: u64) -> Result<Value> {
        let payload: Value = serde_json::from_str(self.payload).context("a case's payload is not JSON")?;
        Ok(json!({
            "aggregate_type": self.name(), "event_type": camel_case(self.handler), "payload": payload, "count": count,
        }))
    }
}

const fn kind(handler: &'static str, end: End, share: u64) -> Kind {
    Kind { handler, case: "", payload: "{}", end, share }
}

const fn case(handler: &'static str, case: &'static str, payload: &'static str, end: End, share: u64) -> Kind {
    Kind { handler, case, payload, end, share }
}

/// The behaviour that must not even be loaded, and what its refusal must name.
pub(crate) const REFUSED_AT_LOAD: (&str, &str) = ("sockets", "wasi:sockets");

const DENIED: End = End::Dead(&["denied"]);
const BOUNDARY: End = End::Dead(&["boundary"]);

/// Every other behaviour.
pub(crate) const KINDS: &[Kind] = &[
    kind("spins", End::Dead(&["fuel"]), 8),
    kind("sleeps", End::Parked(&["deadline"]), 1),
    kind("recurses", End::Dead(&["stack"]), 20),
    kind("grows-memory", End::Dead(&["memory"]), 10),
    kind("grows-table", End::Dead(&["table"]), 20),
    kind("panics", End::Dead(&["trap"]), 30),
    kind("floods-log", End::CommittedWithLinesDropped, 8),
    case("floods-log", "host-calls", r#"{"lines": 20000}"#, End::Dead(&["host-calls"]), 8),
    kind("fills-stdout", End::CommittedWithLinesDropped, 8),
    kind("floods-host-calls", End::Dead(&["host-calls"]), 8),
    kind("many-writes", End::Committed, 2),
    case("many-writes", "too-many", r#"{"writes": 1001}"#, End::Dead(&["limit", "writes"]), 4),
    case("giant-strings", "document", r#"{"place": "document"}"#, BOUNDARY, 4),
    case("giant-strings", "log", r#"{"place": "log"}"#, BOUNDARY, 4),
    case("giant-strings", "failure", r#"{"place": "failure"}"#, BOUNDARY, 4),
    kind("overlapping-lists", BOUNDARY, 8),
    kind("ungranted-collection", DENIED, 20),
    case("ungranted-collection", "reads", r#"{"reads": true}"#, DENIED, 20),
    case("ungranted-collection", "system", r#"{"collection": "system.users"}"#, DENIED, 20),
    kind("forbidden-operator", DENIED, 20),
    case(
        "forbidden-operator",
        "javascript",
        r#"{"filter": {"$expr": {"$function": {"body": "x", "args": [], "lang": "js"}}}}"#,
        DENIED,
        20,
    ),
    case(
        "forbidden-operator",
        "other-collection",
        r#"{"update": [{"$lookup": {"from": "users", "as": "u"}}]}"#,
        DENIED,
        20,
    ),
    kind("refused-ignored", DENIED, 20),
    kind("effect-of", End::Committed, 4),
    kind("reads-own-write", End::Committed, 4),
    kind("reads-then-writes", End::Committed, 10),
    kind("retries", End::Parked(&["retry"]), 20),
    kind("rejects", End::Dead(&["reject"]), 20),
    kind("skips", End::Skipped, 20),
];

/// How many deliveries of each, of `total` in all: at least one each, and together at least `total`.
pub(crate) fn counts(total: u64) -> Vec<(Kind, u64)> {
    let shares: u64 = KINDS.iter().map(|kind| kind.share).sum();
    KINDS.iter().map(|kind| (*kind, (total * kind.share).div_ceil(shares))).collect()
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
    fn every_payload_is_json_and_every_name_its_own() {
        let names: std::collections::BTreeSet<String> = KINDS.iter().map(Kind::name).collect();
        assert_eq!(names.len(), KINDS.len());
        for kind in KINDS {
            kind.rows(1).expect("the payload is JSON");
        }
    }

    #[test]
    fn every_kind_gets_its_share() {
        for total in [1, 200, 10_000] {
            let counts = counts(total);
            assert!(counts.iter().all(|(_, count)| *count > 0));
            assert!(counts.iter().map(|(_, count)| count).sum::<u64>() >= total);
        }
    }
}
