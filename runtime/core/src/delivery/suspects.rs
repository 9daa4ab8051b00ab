//! Deliveries whose requests met a fault of MongoDB that a probe right after it did not confirm. Pure.
//!
//! A fault is MongoDB's unless the probe is answered within a second. Faults that a probe does not confirm are counted
//! by delivery, across batches and claims, until the delivery commits or a probe fails. A delivery that has had all its
//! tries is parked.

use std::collections::BTreeMap;

use super::outcome::Failure;
use crate::seeded::{self, Bug};
use crate::store::{FaultKind, PartitionId, State};

/// How often a delivery may be slow, or ask for something that Weir's user may not do.
const TRIES: u32 = 3;
/// How often a delivery may meet any fault, such as a connection that is lost during its calls.
const UNANSWERED_TRIES: u32 = 10;

/// One event for one handler.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Suspect {
    pub(super) partition: PartitionId,
    pub(super) offset: i64,
    /// The event's id. A topic that was created again has other events at the same offsets.
    pub(super) event_id: String,
    pub(super) handler: i32,
    /// The delivery was parked before, so progress says nothing about it.
    pub(super) retried: bool,
}

impl Suspect {
    /// Whether it is a delivery of the partition's log before that offset.
    pub(super) fn is_before(&self, partition: &PartitionId, offset: i64) -> bool {
        !self.retried && self.partition == *partition && self.offset < offset
    }
}

/// How often each delivery has met faults that no probe confirmed.
#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<Suspect, Counted>);

#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    own: u32,
    all: u32,
}

impl Suspects {
    /// Counts a fault that a probe did not confirm. Returns whether the delivery has had all its tries.
    pub(super) fn count(&mut self, suspect: &Suspect, kind: FaultKind) -> bool {
        let counted = self.0.entry(suspect.clone()).or_default();
        counted.all += 1;
        counted.own += u32::from(kind != FaultKind::Unanswered);
        let guilty = counted.own >= TRIES || counted.all >= UNANSWERED_TRIES;
        let guilty = guilty && !seeded::on(Bug::SlowForEver);
        if guilty {
            self.0.remove(suspect);
        }
        guilty
    }

    /// Forgets the suspect's faults, because MongoDB was to blame at least this time.
    pub(super) fn clear(&mut self, suspect: &Suspect) {
        self.0.remove(suspect);
    }

    /// Whether none is suspected.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the deliveries of a partition that are accounted for, which are those before `next`.
    pub(super) fn committed(&mut self, partition: &PartitionId, next: i64) {
        if !self.0.is_empty() {
            self.0.retain(|suspect, _| !suspect.is_before(partition, next));
        }
    }
}

/// Returns the failure of a delivery that has had all its tries. `why` is a fact and perhaps a hint.
pub(super) fn failure(kind: FaultKind, why: &str) -> Failure {
    let (reason, limit) = match kind {
        FaultKind::Slow => ("slow", Some("documents_ms")),
        FaultKind::Unauthorized => ("unauthorized", None),
        FaultKind::Unanswered => ("unanswered", None),
    };
    Failure { limit, ..Failure::of_text(State::Parked, reason, why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspect(offset: i64, handler: i32) -> Suspect {
        let partition = PartitionId { topic: "t".into(), partition: 0 };
        Suspect { partition, offset, event_id: "e".to_owned(), handler, retried: false }
    }

    #[test]
    fn the_third_slow_try_in_a_row_is_the_fault_of_the_delivery() {
        let mut suspects = Suspects::default();
        for (offset, handler) in [(1, 1), (1, 2), (2, 1)] {
            assert!(!suspects.count(&suspect(offset, handler), FaultKind::Slow));
            assert!(!suspects.count(&suspect(offset, handler), FaultKind::Unauthorized));
        }
        assert!(suspects.count(&suspect(1, 2), FaultKind::Slow));
        assert!(!suspects.count(&suspect(1, 2), FaultKind::Slow), "it begins anew");
    }

    #[test]
    fn another_event_at_the_same_place_is_no_suspect() {
        let mut suspects = Suspects::default();
        let other = Suspect { event_id: "f".to_owned(), ..suspect(1, 1) };
        for tried in [suspect(1, 1), suspect(1, 1), other] {
            assert!(!suspects.count(&tried, FaultKind::Slow));
        }
    }

    #[test]
    fn a_fault_that_a_probe_confirms_begins_the_count_anew() {
        let mut suspects = Suspects::default();
        for _ in 0..100 {
            assert!(!suspects.count(&suspect(1, 1), FaultKind::Slow));
            assert!(!suspects.count(&suspect(1, 1), FaultKind::Slow));
            suspects.clear(&suspect(1, 1));
        }
    }

    #[test]
    fn lost_connections_are_the_fault_of_the_delivery_at_the_tenth() {
        let mut suspects = Suspects::default();
        let tries = (1..100).find(|_| suspects.count(&suspect(1, 1), FaultKind::Unanswered));
        assert_eq!(tries, Some(UNANSWERED_TRIES));
    }

    #[test]
    fn what_is_committed_is_no_longer_suspected() {
        let mut suspects = Suspects::default();
        suspects.count(&suspect(1, 1), FaultKind::Slow);
        suspects.count(&suspect(2, 1), FaultKind::Slow);
        suspects.committed(&suspect(1, 1).partition, 2);
        assert_eq!(suspects.0.keys().collect::<Vec<_>>(), [&suspect(2, 1)]);
    }
}
