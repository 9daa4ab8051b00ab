//! What Kafka reports to a member, and what the member wants done.

use std::time::Duration;

use crate::delivery::AtEnd;
use crate::store::PartitionId;

/// A change of the assignment.
#[derive(Debug, Clone)]
pub enum Change {
    /// These partitions are this member's from now on.
    Assigned(Vec<PartitionId>),
    /// These must be given back, in an orderly way.
    Revoked(Vec<PartitionId>),
    /// These already belong to another member.
    Lost(Vec<PartitionId>),
}

/// How far a claim has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The partition.
    pub partition: PartitionId,
    /// The claim's epoch.
    pub epoch: i64,
    /// The offset of the first record that is not accounted for.
    pub next: i64,
}

/// What must be done, in the order in which the member asks for it.
#[derive(Debug)]
pub enum Action {
    /// Answer Kafka's assignment. Nothing of it is read yet.
    Accept,
    /// Claim these after a pause, and report the end of each claim with `Member::claimed`.
    Claim {
        /// The partitions concerned.
        partitions: Vec<PartitionId>,
        /// How long to wait first.
        after: Duration,
    },
    /// Read these from where they start, whatever was done with them before; a partition without a start is not read.
    /// Report those that Kafka's client refuses with `Member::not_read`.
    Read(Vec<(PartitionId, Option<i64>)>),
    /// The partition must not go on before a person has looked at it. Pause it if it is being read.
    Stop {
        /// The partition concerned.
        partition: PartitionId,
        /// Why, for people.
        why: String,
        /// Whether Kafka's client reads it.
        is_read: bool,
    },
    /// Take nothing of these from Kafka for now.
    Pause(Vec<PartitionId>),
    /// Resume these.
    Resume(Vec<PartitionId>),
    /// Send offsets to Kafka, for lag tools and for the next owner. Nothing waits for them.
    CommitOffsets(Vec<(PartitionId, i64)>),
    /// Whether the committer and the claims should give up what they wait for.
    GiveUp(bool),
    /// Tell Kafka, and then MongoDB, how far these have come. Take at most 3 s, because then the member goes on.
    HandOver {
        /// What to hand over.
        standing: Vec<Standing>,
        /// Whether to report the end with `Member::handed_over`.
        is_awaited: bool,
    },
    /// Answer a revocation, and report with `Member::returned` whether Kafka's client took the answer.
    Return(Vec<PartitionId>),
    /// Ask MongoDB how far the group has come, and report with `Member::seen_progress`.
    AskProgress,
    /// Ask Kafka where these logs end, and report with `Member::seen_log_ends`.
    AskLogEnds(Vec<PartitionId>),
    /// Tell the committer that these have been read to their ends. It is advice: drop it if the committer is busy.
    Advise(Vec<AtEnd>),
    /// Everything that can be is given back: leave the group.
    Leave {
        /// Whether everything was drained and handed over.
        is_clean: bool,
    },
}
