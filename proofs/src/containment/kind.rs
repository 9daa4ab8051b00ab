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

/// Behaviours that must not even be loaded, by family, and what their refusals must say.
pub(crate) const REFUSED_AT_LOAD: &[(&str, &str, &str)] = &[
    ("imports", "sockets", "wasi:sockets"),
    ("imports", "http", "wasi:http"),
    ("start and describe", "always-spins-at-start", "instantiate_fuel"),
    ("start and describe", "spins-in-describe", "describe_fuel"),
    ("start and describe", "writes-in-describe", "describe may call nothing but log"),
    ("start and describe", "describes-a-megabyte", "boundary_bytes"),
    ("initialisation", "initialises-past-its-table", "out of bounds table access"),
    ("initialisation", "asks-for-a-huge-table", "table"),
    ("initialisation", "initialises-far-memory", "memory_bytes"),
    ("nested components", "nests-components", "levels of nested components"),
    ("nested components", "has-too-many-instances", "core module instances"),
    ("memory", "has-too-many-memories", "memories"),
    ("cpu", "has-too-many-functions", "functions"),
    ("cpu", "loops-in-a-row", "loops of one function"),
    ("cpu", "branches-without-end", "branches of one function"),
];

const DENIED: End = End::Dead(&["denied"]);
const BOUNDARY: End = End::Dead(&["boundary"]);
const HANDLES: End = End::Dead(&["handles"]);
const TRAP: End = End::Dead(&["trap"]);
const FUEL: End = End::Dead(&["fuel"]);
const HOST_CALLS: End = End::Dead(&["host-calls"]);
const INVALID: End = End::Dead(&["invalid"]);
/// Refused for its form, or for its size, in text or in BSON.
const TOO_MUCH: End = End::Dead(&["invalid", "limit", "boundary"]);
const DROPPED: End = End::CommittedWithLinesDropped;

/// The behaviours of one family.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kinds: &'static [Kind],
}

const fn family(name: &'static str, kinds: &'static [Kind]) -> Family {
    Family { name, kinds }
}

/// Every behaviour that is loaded.
pub(crate) const FAMILIES: &[Family] = &[
    family(
        "cpu",
        &[kind("spins", FUEL, 8), kind("fills-memory", FUEL, 8), kind("sleeps", End::Parked(&["deadline"]), 1)],
    ),
    family(
        "memory",
        &[kind("grows-memory", End::Dead(&["memory"]), 10), kind("grows-many-memories", End::Dead(&["memory"]), 8)],
    ),
    family(
        "tables",
        &[kind("grows-table", End::Dead(&["table"]), 20), kind("grows-many-tables", End::Dead(&["table"]), 8)],
    ),
    family(
        "stack",
        &[kind("recurses", End::Dead(&["stack"]), 20), kind("recurses-through-a-table", End::Dead(&["stack"]), 8)],
    ),
    family(
        "host calls",
        &[
            kind("floods-host-calls", HOST_CALLS, 8),
            kind("floods-wasi", HOST_CALLS, 8),
            kind("floods-arguments", HOST_CALLS, 8),
        ],
    ),
    family(
        "logs",
        &[
            kind("floods-log", DROPPED, 8),
            case("floods-log", "host-calls", r#"{"lines": 20000}"#, HOST_CALLS, 8),
            kind("logs-nothing", DROPPED, 8),
            kind("logs-nul", DROPPED, 8),
        ],
    ),
    family(
        "stdout",
        &[
            kind("fills-stdout", DROPPED, 8),
            kind("prints-newlines", DROPPED, 4),
            kind("prints-past-the-permit", TRAP, 8),
        ],
    ),
    family(
        "boundary size",
        &[
            case("giant-strings", "document", r#"{"place": "document"}"#, BOUNDARY, 4),
            case("giant-strings", "log", r#"{"place": "log"}"#, BOUNDARY, 4),
            case("giant-strings", "failure", r#"{"place": "failure"}"#, BOUNDARY, 4),
            kind("asks-for-random-bytes", End::Dead(&["random"]), 8),
            case("many-writes", "too-many", r#"{"writes": 1001}"#, End::Dead(&["limit", "writes"]), 4),
        ],
    ),
    family(
        "list aliasing",
        &[
            kind("overlapping-lists", BOUNDARY, 8),
            case("overlapping-lists", "small", r#"{"count": 2500000, "bytes": 0}"#, BOUNDARY, 4),
            kind("polls-one-thing", HANDLES, 8),
        ],
    ),
    family(
        "grants",
        &[
            kind("ungranted-collection", DENIED, 20),
            case("ungranted-collection", "reads", r#"{"reads": true}"#, DENIED, 20),
            case("ungranted-collection", "system", r#"{"collection": "system.users"}"#, DENIED, 20),
            kind("refused-ignored", DENIED, 20),
        ],
    ),
    family(
        "operators",
        &[
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
        ],
    ),
    family("reentrancy", &[kind("calls-out-of-realloc", TRAP, 8), kind("calls-out-of-post-return", TRAP, 8)]),
    family(
        "start and describe",
        &[kind("spins-at-start", FUEL, 8), kind("writes-at-start", End::Committed, 8), kind("traps-at-start", TRAP, 8)],
    ),
    family("initialisation", &[kind("fills-tables-at-start", End::Committed, 8), kind("copies-elements", FUEL, 8)]),
    family(
        "resource handles",
        &[
            kind("hoards-pollables", HANDLES, 8),
            kind("hoards-its-own-resources", HANDLES, 8),
            kind("drops-a-handle-twice", TRAP, 8),
            kind("guesses-a-handle", TRAP, 8),
            kind("takes-one-handle-for-another", TRAP, 8),
        ],
    ),
    family(
        "traps in realloc",
        &[
            kind("traps-in-realloc", TRAP, 8),
            kind("allocates-nowhere", TRAP, 8),
            kind("allocates-askew", TRAP, 8),
            kind("spins-in-realloc", FUEL, 8),
        ],
    ),
    family(
        "invalid values",
        &[
            kind("logs-no-utf8", TRAP, 8),
            kind("logs-at-no-level", TRAP, 8),
            kind("passes-no-option", TRAP, 8),
            kind("passes-text-past-memory", TRAP, 8),
            kind("passes-the-longest-text", TRAP, 8),
            kind("returns-no-result", TRAP, 8),
            kind("returns-no-action", TRAP, 8),
        ],
    ),
    family(
        "debug sections and names",
        &[
            kind("nests-debug-information", TRAP, 8),
            kind("repeats-a-debug-name", TRAP, 8),
            kind("mangles-a-name", TRAP, 8),
            kind("has-long-names", TRAP, 8),
            kind("panics", TRAP, 30),
        ],
    ),
    family(
        "giant failures",
        &[
            kind("fails-at-length", End::Dead(&["reject"]), 4),
            case("giant-strings", "rejects", r#"{"place": "failure", "bytes": 15000000}"#, End::Dead(&["reject"]), 4),
        ],
    ),
    family("residue", &[kind("leaves-residue", End::Committed, 8), kind("looks-for-residue", End::Committed, 8)]),
    family(
        "nested wrappers",
        &[
            kind("nests-wrappers", INVALID, 4),
            case("nests-wrappers", "code", r#"{"wrapper": "$code"}"#, INVALID, 4),
            case("nests-wrappers", "array", r#"{"wrapper": "array", "place": "document"}"#, INVALID, 4),
            case("nests-wrappers", "documents", r#"{"place": "documents"}"#, INVALID, 4),
            case("nests-wrappers", "filter", r#"{"place": "filter"}"#, INVALID, 4),
            case("nests-wrappers", "delete", r#"{"place": "delete"}"#, INVALID, 4),
            case("nests-wrappers", "replacement", r#"{"place": "replacement"}"#, INVALID, 4),
            case("nests-wrappers", "update", r#"{"place": "update"}"#, INVALID, 4),
            case("nests-wrappers", "pipeline", r#"{"place": "pipeline"}"#, INVALID, 4),
            case("nests-wrappers", "options", r#"{"place": "options"}"#, INVALID, 4),
            case("nests-wrappers", "array-filters", r#"{"place": "arrayFilters"}"#, INVALID, 4),
            case("nests-wrappers", "hint", r#"{"place": "hint"}"#, INVALID, 4),
            case("nests-wrappers", "projection", r#"{"place": "projection"}"#, INVALID, 4),
            case("nests-wrappers", "collation", r#"{"place": "collation"}"#, INVALID, 4),
        ],
    ),
    family(
        "expressions",
        &[kind("asks-for-much", DENIED, 4), case("asks-for-much", "updates", r#"{"updates": true}"#, DENIED, 4)],
    ),
    family(
        "giant options",
        &[
            case("passes-options", "hint", "{}", TOO_MUCH, 2),
            case("passes-options", "projection", r#"{"option": "projection"}"#, TOO_MUCH, 2),
        ],
    ),
    family(
        "what is allowed",
        &[
            kind("many-writes", End::Committed, 2),
            kind("effect-of", End::Committed, 4),
            kind("reads-own-write", End::Committed, 4),
            kind("reads-then-writes", End::Committed, 10),
            kind("retries", End::Parked(&["retry"]), 20),
            kind("rejects", End::Dead(&["reject"]), 20),
            kind("skips", End::Skipped, 20),
        ],
    ),
];

/// All of them.
pub(crate) fn kinds() -> impl Iterator<Item = &'static Kind> {
    FAMILIES.iter().flat_map(|family| family.kinds)
}

/// How many deliveries of each, of `total` in all: at least one each, and together at least `total`.
pub(crate) fn counts(total: u64) -> Vec<(Kind, u64)> {
    let shares: u64 = kinds().map(|kind| kind.share).sum();
    kinds().map(|kind| (*kind, (total * kind.share).div_ceil(shares))).collect()
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
        let names: std::collections::BTreeSet<String> = kinds().map(Kind::name).collect();
        assert_eq!(names.len(), kinds().count());
        for kind in kinds() {
            kind.rows(1).expect("the payload is JSON");
        }
    }

    #[test]
    fn every_family_has_two_guests() {
        let refused = |name: &str| REFUSED_AT_LOAD.iter().filter(|(family, _, _)| *family == name).count();
        for family in FAMILIES {
            assert!(family.kinds.len() + refused(family.name) >= 2, "{}", family.name);
        }
        assert!(refused("imports") >= 2 && refused("nested components") >= 2);
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
