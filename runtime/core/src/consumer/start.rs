//! Decides where a partition starts, and whether it may go on from where it was. Pure.

use crate::consumer::topics::OffsetReset;
use crate::hint;
use crate::seeded::{self, Bug};
use crate::store::{Claim, LastRecord, StartDecision};

/// What is known of a partition without progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) partition: i32,
    /// The offset that the group has committed in Kafka.
    pub(super) committed: Option<i64>,
    /// How many partitions the topic had at the group's first claim.
    pub(super) partitions_at_first_claim: i32,
    /// The first offset that the log holds.
    pub(super) log_start: i64,
    /// The offset after the last record.
    pub(super) log_end: i64,
    /// What to do if nothing else decides.
    pub(super) reset: OffsetReset,
}

/// Decides where a partition without progress starts. The decision is made once and stored before its first record is
/// read.
#[must_use]
pub(super) fn decide(known: &Known) -> StartDecision {
    let (next, because) = match known.committed {
        Some(committed) => (committed, "the group's committed offset in kafka".to_owned()),
        None if known.partition >= known.partitions_at_first_claim => {
            let next = if seeded::on(Bug::NewPartitionAtEnd) { known.log_end } else { known.log_start };
            (next, "the partition is newer than the group".to_owned())
        }
        None => {
            let next = match known.reset {
                OffsetReset::Earliest => known.log_start,
                OffsetReset::Latest => known.log_end,
            };
            (next, format!("KAFKA_AUTO_OFFSET_RESET={}", known.reset.as_str()))
        }
    };
    StartDecision { next, because }
}

/// Whether somebody has reset the group's offset in Kafka, which has no effect. Weir never commits beyond progress, and
/// an owner that gave the partition back (`clean`) has committed all of it.
#[must_use]
pub(super) fn was_reset(committed: i64, claim: &Claim, clean: bool) -> bool {
    committed > claim.read_to || (clean && claim.epoch > 1 && committed < claim.next)
}

/// The record at an offset, as Kafka has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// Its timestamp, in milliseconds since 1970.
    pub(super) timestamp_ms: Option<i64>,
    /// The id of its event, if it is one.
    pub(super) event_id: Option<String>,
    /// A digest of its key and value.
    pub(super) digest: i64,
}

/// Returns why a partition may not go on: the last record that was accounted for is another one now. `standing` is none
/// if the log no longer holds that offset, which proves nothing.
///
/// A record is known by its bytes. Older versions only noted its event's id, and settings decide whether a record has
/// one, and which. In that case two ids are compared, and a single one proves nothing.
#[must_use]
pub(super) fn anew(last: &LastRecord, standing: Option<&Standing>) -> Option<String> {
    let standing = standing.filter(|_| !seeded::on(Bug::TopicAnew))?;
    let same = standing.timestamp_ms == last.timestamp_ms
        && last.digest.map_or_else(
            || last.event_id.is_none() || standing.event_id.is_none() || standing.event_id == last.event_id,
            |digest| digest == standing.digest,
        );
    (!same).then(|| {
        format!(
            "the record at offset {}, the last that was accounted for, is another one now: the topic was made anew",
            last.offset
        )
    })
}

/// Returns why a partition may not go on: its topic is compacted, and came to match the pattern. The text is for
/// people.
#[must_use]
pub(super) fn compacted(topic: &str) -> String {
    let fact = format!("the topic {topic} is compacted (cleanup.policy): events of it may vanish before they are read");
    let hint = "give it cleanup.policy=delete, or KAFKA_TOPIC a pattern that does not match it, and start again";
    hint::with(&fact, hint)
}

/// Returns why a partition may not go on if its log no longer fits its progress, as text for people. Returns none if it
/// may.
///
/// Marks of transactions that Kafka has removed are no loss.
#[must_use]
pub(super) fn gone(claim: &Claim, log_start: i64, log_end: i64) -> Option<String> {
    let next = claim.next;
    let read_to = if seeded::on(Bug::ReadToIgnored) { next } else { claim.read_to };
    if read_to < log_start {
        return Some(format!(
            "progress stands at offset {next}, and the log starts at {log_start}: records were removed before they \
             were read"
        ));
    }
    (next > log_end).then(|| {
        format!("progress stands at offset {next}, and the log ends at {log_end}: the topic was truncated or made anew")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = Known {
        partition: 3,
        committed: None,
        partitions_at_first_claim: 12,
        log_start: 10,
        log_end: 90,
        reset: OffsetReset::Latest,
    };

    #[test]
    fn a_predecessors_offset_goes_before_the_setting() {
        assert_eq!(decide(&Known { committed: Some(40), ..KNOWN }).next, 40);
        assert_eq!(decide(&KNOWN).next, 90);
        assert_eq!(decide(&Known { reset: OffsetReset::Earliest, ..KNOWN }).next, 10);
    }

    #[test]
    fn a_partition_that_is_newer_than_the_group_starts_at_its_beginning() {
        assert_eq!(decide(&Known { partitions_at_first_claim: 3, ..KNOWN }).next, 10);
    }

    #[test]
    fn an_offset_that_weir_did_not_commit_was_reset() {
        let claim = Claim::new(2, 50);
        assert!(was_reset(51, &claim, false));
        assert!(was_reset(49, &claim, true));
        assert!(!was_reset(49, &claim, false), "a killed owner may not have committed the last ones");
        assert!(!was_reset(50, &claim, true));
    }

    #[test]
    fn a_last_record_that_is_another_one_now_stops_the_partition() {
        let last = LastRecord { offset: 7, event_id: Some("e".to_owned()), timestamp_ms: Some(1), digest: Some(9) };
        let standing = |timestamp_ms, digest| Standing { timestamp_ms, event_id: Some("e".to_owned()), digest };
        assert_eq!(anew(&last, Some(&standing(Some(1), 9))), None);
        assert_eq!(anew(&last, None), None, "the log no longer holds it");
        assert!(anew(&last, Some(&standing(Some(1), 8))).is_some_and(|why| why.contains("offset 7")));
        assert!(anew(&last, Some(&standing(Some(2), 9))).is_some());
    }

    #[test]
    fn a_record_that_is_read_in_another_way_is_the_same_record() {
        let id = |id: Option<&str>| id.map(str::to_owned);
        let stopped = |before: Option<&str>, now: Option<&str>, digest| {
            let last = LastRecord { offset: 7, event_id: id(before), timestamp_ms: Some(1), digest };
            anew(&last, Some(&Standing { timestamp_ms: Some(1), event_id: id(now), digest: 9 })).is_some()
        };
        for (before, now) in [(Some("e"), None), (None, Some("e")), (Some("e"), Some("another column's"))] {
            assert!(!stopped(before, now, Some(9)), "its bytes are the same: {before:?}, {now:?}");
        }
        // As an older version noted it.
        assert!(!stopped(Some("e"), None, None) && !stopped(None, Some("e"), None));
        assert!(stopped(Some("e"), Some("f"), None));
    }

    #[test]
    fn progress_that_the_log_does_not_hold_stops_the_partition() {
        let gone = |next| gone(&Claim::new(1, next), 10, 90);
        assert!(gone(9).is_some_and(|why| why.contains("the log starts at 10")));
        assert!(gone(91).is_some_and(|why| why.contains("the log ends at 90")));
        assert_eq!(gone(10), None);
        assert_eq!(gone(90), None);
    }

    #[test]
    fn marks_of_transactions_that_were_removed_are_no_loss() {
        let claim = |read_to| Claim { read_to, ..Claim::new(1, 8) };
        assert_eq!(gone(&claim(10), 10, 10), None);
        assert!(gone(&claim(9), 10, 10).is_some(), "there may have been a record");
    }
}
