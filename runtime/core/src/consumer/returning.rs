//! How partitions go back to Kafka, step by step, while the loop goes on. Pure: time is passed in.
//!
//! They are drained first. If that takes too long, the committer is asked to give up. If it does not react to that
//! either, they go back all the same, because the fence keeps its remaining work from doing harm.

use std::time::Duration;

use crate::store::PartitionId;

/// How long a revoked partition may drain before it is given up.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the committer may take to give up. It may be waiting for the driver to find a server.
pub(super) const GIVE_UP: Duration = Duration::from_secs(6);
/// How long Kafka and MongoDB may take to learn that partitions are given back.
pub const HAND_OVER: Duration = Duration::from_secs(3);

/// Partitions on their way back.
#[derive(Debug)]
pub(super) struct Returning {
    pub(super) partitions: Vec<PartitionId>,
    /// Whether progress should say that they were given back. Not so for partitions that somebody else already owns.
    orderly: bool,
    gave_up: bool,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The committer finishes what it holds.
    Draining { until: Duration },
    /// It was asked to give up.
    GivingUp { until: Duration },
    /// Kafka and MongoDB are being told.
    HandingOver { until: Duration },
    /// Kafka's client waits for the answer.
    Answering,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing: something must happen first, or time must pass.
    Wait,
    /// Tell the committer to give up.
    GiveUp,
    /// Take them from the committer, and tell Kafka and MongoDB how far they have come.
    HandOver,
    /// Take them from the committer.
    Disown,
    /// Answer Kafka's client, again if it did not take the answer.
    Answer,
}

impl Returning {
    /// Starts the return of partitions that Kafka wants back as of `now`, in an orderly way or not.
    #[must_use]
    pub(super) fn new(partitions: Vec<PartitionId>, orderly: bool, now: Duration) -> Self {
        Self { partitions, orderly, gave_up: false, step: Step::Draining { until: now + DRAIN } }
    }

    /// Starts the return of everything that a member has if it stops at `now`. It may drain for that long before it is
    /// given up.
    #[must_use]
    pub(super) fn stopping(partitions: Vec<PartitionId>, now: Duration, drain: Duration) -> Self {
        Self { step: Step::Draining { until: now + drain }, ..Self::new(partitions, true, now) }
    }

    /// Whether the committer finished what it held.
    #[must_use]
    pub(super) fn is_clean(&self) -> bool {
        !self.gave_up
    }

    /// Returns what to do at `now`. `drained` says that the committer holds no records and no claim is being made, and
    /// `handed_over` that the attempt to tell Kafka and MongoDB has ended.
    pub(super) fn next(&mut self, now: Duration, drained: bool, handed_over: bool) -> Act {
        let (step, act) = match self.step {
            Step::Draining { .. } if drained && self.orderly => {
                (Step::HandingOver { until: now + HAND_OVER }, Act::HandOver)
            }
            Step::Draining { .. } if drained => (Step::Answering, Act::Disown),
            Step::Draining { until } if now >= until => (Step::GivingUp { until: now + GIVE_UP }, Act::GiveUp),
            Step::GivingUp { until } if drained || now >= until => (Step::Answering, Act::Disown),
            Step::HandingOver { until } if handed_over || now >= until => (Step::Answering, Act::Answer),
            Step::Answering => (Step::Answering, Act::Answer),
            waiting => (waiting, Act::Wait),
        };
        self.gave_up |= act == Act::GiveUp;
        self.step = step;
        act
    }

    /// Whether the committer must get no records, because they would keep it from draining.
    #[must_use]
    pub(super) fn is_draining(&self) -> bool {
        matches!(self.step, Step::Draining { .. } | Step::GivingUp { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn returning(orderly: bool) -> Returning {
        Returning::new(Vec::new(), orderly, START)
    }

    #[test]
    fn it_is_drained_handed_over_and_answered() {
        let mut revoked = returning(true);
        assert_eq!(revoked.next(START, false, true), Act::Wait);
        assert!(revoked.is_draining());
        assert_eq!(revoked.next(START, true, true), Act::HandOver);
        assert!(!revoked.is_draining(), "other partitions go on meanwhile");
        assert_eq!(revoked.next(START, true, false), Act::Wait);
        assert_eq!(revoked.next(START, false, true), Act::Answer, "others' records hold up nothing");
        assert_eq!(revoked.next(START, false, true), Act::Answer, "until it is taken");
    }

    #[test]
    fn what_is_lost_already_is_not_handed_over() {
        let mut lost = returning(false);
        assert_eq!(lost.next(START, true, true), Act::Disown);
        assert_eq!(lost.next(START, true, true), Act::Answer);
    }

    #[test]
    fn a_committer_that_never_answers_holds_kafka_up_for_eleven_seconds() {
        let mut revoked = returning(true);
        let mut acts = Vec::new();
        for tenths in 0..200 {
            let now = START + Duration::from_millis(tenths * 100);
            match revoked.next(now, false, true) {
                Act::Wait => {}
                Act::Answer => break,
                act => acts.push((act, tenths / 10)),
            }
        }
        assert_eq!(acts, [(Act::GiveUp, DRAIN.as_secs()), (Act::Disown, (DRAIN + GIVE_UP).as_secs())]);
    }

    #[test]
    fn one_that_gives_up_is_not_waited_for_any_longer_and_nothing_is_handed_over() {
        let mut revoked = returning(true);
        assert_eq!(revoked.next(START + DRAIN, false, true), Act::GiveUp);
        assert_eq!(revoked.next(START + DRAIN, true, true), Act::Disown);
    }

    #[test]
    fn a_hand_over_is_waited_for_three_seconds() {
        let mut revoked = returning(true);
        assert_eq!(revoked.next(START, true, true), Act::HandOver);
        assert_eq!(revoked.next(START + Duration::from_secs(2), true, false), Act::Wait);
        assert_eq!(revoked.next(START + HAND_OVER, true, false), Act::Answer);
    }
}
