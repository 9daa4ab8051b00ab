//! What the events of a world ask for, and of which handlers: the handlers do it, and the model says what must become of
//! it. Neither knows the other.

/// Counts and lists per aggregate, with blind writes.
pub(crate) const COUNTS: i32 = 1;
/// Reads what it changes, or must match it.
pub(crate) const READS: i32 = 2;
/// Keeps one document for all events.
pub(crate) const TOTALS: i32 = 3;
/// Fails, and holds later events of an aggregate until somebody deals with what is dead.
pub(crate) const FRAGILE: i32 = 4;

/// Returns the line of a handler. Two of them write to the same collections.
pub(crate) fn line_of(handler: i32) -> i32 {
    if handler == READS { COUNTS } else { handler }
}

/// How often a delivery is tried again after its first attempt.
pub(crate) const RETRIES: u32 = 2;

/// Returns for how many attempts the event of this number fails.
pub(crate) fn failures_of(number: i64) -> i64 {
    number.rem_euclid(4)
}

/// A text that makes a write longer than others.
pub(crate) const LONG: &str = "the quick brown fox jumps over the lazy dog, and then it does so once more";

/// What an event asks its handlers to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EventKind {
    Count,
    Change,
    Shared,
    Make,
    Must,
    Effect,
    Query,
    Once,
    Reject,
    Skip,
    Huge,
    Stuck,
    Falls,
    Slow,
    Secret,
    Deadly,
    Unwanted,
    Tally,
    Row,
    Raise,
    Clear,
    /// Fails for some attempts.
    Flaky,
    /// Fails whenever it is tried.
    Broken,
}

impl EventKind {
    pub(crate) const ALL: [Self; 23] = [
        Self::Count,
        Self::Change,
        Self::Shared,
        Self::Make,
        Self::Must,
        Self::Effect,
        Self::Query,
        Self::Once,
        Self::Reject,
        Self::Skip,
        Self::Huge,
        Self::Stuck,
        Self::Falls,
        Self::Slow,
        Self::Secret,
        Self::Deadly,
        Self::Unwanted,
        Self::Tally,
        Self::Row,
        Self::Raise,
        Self::Clear,
        Self::Flaky,
        Self::Broken,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Change => "Change",
            Self::Shared => "Shared",
            Self::Make => "Make",
            Self::Must => "Must",
            Self::Effect => "Effect",
            Self::Query => "Query",
            Self::Once => "Once",
            Self::Reject => "Reject",
            Self::Skip => "Skip",
            Self::Huge => "Huge",
            Self::Stuck => "Stuck",
            Self::Falls => "Falls",
            Self::Slow => "Slow",
            Self::Secret => "Secret",
            Self::Deadly => "Deadly",
            Self::Unwanted => "Unwanted",
            Self::Tally => "Tally",
            Self::Row => "Row",
            Self::Raise => "Raise",
            Self::Clear => "Clear",
            Self::Flaky => "Flaky",
            Self::Broken => "Broken",
        }
    }

    pub(crate) fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Unwanted)
    }
}

/// Returns the handlers of an event type.
pub(crate) fn handlers_of(kind: EventKind) -> &'static [i32] {
    match kind {
        EventKind::Count | EventKind::Deadly | EventKind::Stuck | EventKind::Effect | EventKind::Huge => {
            &[COUNTS, TOTALS]
        }
        EventKind::Change => &[COUNTS, READS],
        EventKind::Shared | EventKind::Must | EventKind::Query => &[READS],
        EventKind::Unwanted => &[],
        EventKind::Flaky | EventKind::Broken => &[FRAGILE],
        _ => &[COUNTS],
    }
}

/// Returns the name of a handler.
pub(crate) fn handler_name(id: i32) -> &'static str {
    match id {
        COUNTS => "counts",
        READS => "reads",
        FRAGILE => "fragile",
        _ => "totals",
    }
}

/// Returns the id of the shared document that an event changes. All partitions share these documents.
pub(crate) fn shared_id(number: i64) -> String {
    format!("s{}", number % 3)
}

/// Returns the entry that an event leaves in it.
pub(crate) fn shared_entry(aggregate: &str, number: i64) -> String {
    format!("{aggregate}:{number}")
}

/// Returns the id of the document that the last row of an aggregate is noted in.
pub(crate) fn last_row(aggregate: &str) -> String {
    format!("last {aggregate}")
}
