//! The ways in which a run may break a promise, and which of them a document shows.

use std::collections::BTreeMap;
use std::fmt;

use bson::{Bson, Document};

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// A record is accounted for, and an effect of it is missing.
    Lost,
    /// An effect is there more than once.
    Doubled,
    /// Events of one aggregate took effect in another order than that of their log.
    OutOfOrder,
    /// An effect rests on a read of something that was not so when it was committed.
    Misread,
    /// An effect is there, and no record that is accounted for asks for it.
    Unaccounted,
    /// A delivery or a record is dead that must not be, or for a reason that is not its own.
    WronglyDead,
    /// A delivery or a record must be dead, and is not.
    NotDead,
    /// The epoch or the progress of a partition went back, or the offsets in Kafka are ahead of what may go back.
    WentBack,
    /// A partition waits for a person, although nothing was lost.
    WronglyStopped,
    /// A partition was handed over while the committer still held records.
    HandedOverEarly,
    /// A delivery ran although its host knew that its line is paused.
    RanPaused,
    /// A command waited for longer than anything may last.
    TooLate,
    /// The calm world did not account for every record in time.
    NotSettled,
}

/// A broken promise, and how it shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    pub(crate) broken: Broken,
    pub(crate) what: String,
}

impl Fault {
    pub(crate) fn new(broken: Broken, what: impl Into<String>) -> Self {
        Self { broken, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.broken, self.what)
    }
}

/// Returns the promise that a wrong document breaks.
pub(crate) fn shown_by(collection: &str, found: &Document, wanted: &Document) -> Vec<Broken> {
    let mut broken = Vec::new();
    let list = |document: &Document| document.get_array("seen").cloned().unwrap_or_default();
    let same_entries = compare_entries(collection, &list(found), &list(wanted), &mut broken);
    for name in ["n", "made"] {
        // `n` counts the entries, so it shows nothing more if these differ.
        if name == "n" && !same_entries {
            continue;
        }
        match number(found, name).cmp(&number(wanted, name)) {
            std::cmp::Ordering::Less => broken.push(Broken::Lost),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => broken.push(Broken::Doubled),
        }
    }
    if found.get("before") != wanted.get("before") {
        broken.push(Broken::Misread);
    }
    // The first event of an aggregate must be the one that makes the document.
    if found.get("by") != wanted.get("by") {
        broken.push(Broken::OutOfOrder);
    }
    if broken.is_empty() {
        broken.push(Broken::Unaccounted);
    }
    broken
}

/// Compares the entries of a list. Returns whether each is there as often as it must be.
fn compare_entries(collection: &str, found: &[Bson], wanted: &[Bson], broken: &mut Vec<Broken>) -> bool {
    // The second part of an entry of `effects` is what its handler has read, and of `fragile` the attempt.
    let key = |entry: &Bson| match entry.as_str() {
        Some(text) if matches!(collection, "effects" | "fragile") => {
            text.split(':').next().unwrap_or_default().to_owned()
        }
        _ => entry.to_string(),
    };
    let counted = |list: &[Bson]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in list {
            *counts.entry(key(entry)).or_default() += 1;
        }
        counts
    };
    let (there, asked) = (counted(found), counted(wanted));
    let mut same = true;
    for (entry, count) in &asked {
        let is_there = there.get(entry).copied().unwrap_or(0);
        if is_there < *count {
            broken.push(Broken::Lost);
        } else if is_there > *count {
            broken.push(Broken::Doubled);
        }
        same &= is_there == *count;
    }
    if there.keys().any(|entry| !asked.contains_key(entry)) {
        broken.push(Broken::Unaccounted);
        same = false;
    }
    let order = |list: &[Bson], others: &BTreeMap<String, usize>| {
        let mut order: Vec<String> = Vec::new();
        for entry in list.iter().map(key).filter(|entry| others.contains_key(entry)) {
            if !order.contains(&entry) {
                order.push(entry);
            }
        }
        order
    };
    if order(found, &asked) != order(wanted, &there) {
        broken.push(Broken::OutOfOrder);
    } else if same && found != wanted {
        broken.push(Broken::Misread);
    }
    same
}

fn number(document: &Document, name: &str) -> i32 {
    document.get_i32(name).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn shown(found: &[i64], wanted: &[i64]) -> Vec<Broken> {
        let document = |seen: &[i64]| doc! { "n": i32::try_from(seen.len()).unwrap_or(0), "seen": seen.to_vec() };
        shown_by("counts", &document(found), &document(wanted))
    }

    #[test]
    fn a_list_shows_what_was_lost_doubled_or_out_of_order() {
        assert_eq!(shown(&[1, 3], &[1, 2, 3]), [Broken::Lost]);
        assert_eq!(shown(&[1, 2, 1], &[1, 2]), [Broken::Doubled]);
        assert_eq!(shown(&[1, 2, 7], &[1, 2]), [Broken::Unaccounted]);
        assert_eq!(shown(&[2, 1, 3], &[1, 2, 3]), [Broken::OutOfOrder]);
        assert_eq!(shown(&[2, 1], &[1, 2, 3]), [Broken::Lost, Broken::OutOfOrder]);
    }

    #[test]
    fn a_counter_shows_what_was_lost_or_doubled() {
        assert_eq!(shown_by("totals", &doc! { "n": 3 }, &doc! { "n": 4 }), [Broken::Lost]);
        assert_eq!(shown_by("totals", &doc! { "n": 5 }, &doc! { "n": 4 }), [Broken::Doubled]);
    }

    #[test]
    fn what_was_read_is_told_from_what_was_done() {
        let effects = |entry: &str| doc! { "n": 1, "seen": [entry] };
        assert_eq!(shown_by("effects", &effects("4:0"), &effects("4:1")), [Broken::Misread]);
        assert_eq!(shown_by("queried", &doc! { "before": 3_i64 }, &doc! { "before": 4_i64 }), [Broken::Misread]);
    }
}
