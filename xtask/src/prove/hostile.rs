//! The table of what hostile handlers do, and what each must meet.
//!
//! A behaviour's component is named as here, and wants the event type that is its name in camel case.

/// How the deliveries of a behaviour must end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
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

/// A behaviour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) end: End,
    /// Its part of the deliveries: behaviours that take long come less often.
    pub(super) share: u64,
}

impl Kind {
    /// The event type that it wants.
    pub(super) fn event_type(&self) -> String {
        camel_case(self.name)
    }
}

const fn kind(name: &'static str, end: End, share: u64) -> Kind {
    Kind { name, end, share }
}

/// The behaviour that must not even be loaded, and what its refusal must name.
pub(super) const REFUSED_AT_LOAD: (&str, &str) = ("sockets", "wasi:sockets");

/// Every other behaviour.
pub(super) const KINDS: &[Kind] = &[
    kind("spins", End::Dead(&["fuel"]), 4),
    kind("sleeps", End::Parked(&["deadline"]), 1),
    kind("recurses", End::Dead(&["stack"]), 10),
    kind("grows-memory", End::Dead(&["memory"]), 6),
    kind("grows-table", End::Dead(&["table"]), 10),
    kind("panics", End::Dead(&["trap"]), 20),
    kind("floods-log", End::CommittedWithLinesDropped, 6),
    kind("floods-stdout", End::CommittedWithLinesDropped, 6),
    kind("floods-host-calls", End::Dead(&["host-calls"]), 6),
    kind("giant-strings", End::Dead(&["boundary", "memory"]), 6),
    kind("overlapping-lists", End::Dead(&["boundary"]), 6),
    kind("not-granted", End::Dead(&["denied"]), 20),
    kind("forbidden-operators", End::Dead(&["denied"]), 20),
    kind("effect-of", End::Committed, 5),
    kind("reads-writes", End::Committed, 5),
    kind("retries", End::Parked(&["retry"]), 20),
    kind("rejects", End::Dead(&["reject"]), 20),
    kind("skips", End::Skipped, 20),
];

/// How many deliveries of each, of `total` in all: at least one each, and together at least `total`.
pub(super) fn counts(total: u64) -> Vec<(Kind, u64)> {
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
    fn every_kind_gets_its_share() {
        for total in [1, 200, 10_000] {
            let counts = counts(total);
            assert!(counts.iter().all(|(_, count)| *count > 0));
            assert!(counts.iter().map(|(_, count)| count).sum::<u64>() >= total);
        }
    }
}
