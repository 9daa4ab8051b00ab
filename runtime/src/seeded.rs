//! Bugs that can be switched on, to see that the simulation finds them. Only with the feature `proofs`, which nothing
//! that is shipped has; without it none is ever on.

/// A bug, named for what is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// Progress is stored before the transaction that makes the effects.
    ProgressFirst,
    /// No marker is written or looked up.
    NoLedger,
    /// The markers are written beside the transaction.
    LedgerOutside,
    /// The fence only raises `next`, whoever owns the partition.
    MaxAsFence,
    /// A transaction that is tried again goes without its fence.
    RetryWithoutFence,
    /// What comes twice in a batch is run twice.
    DuplicateInBatch,
    /// Progress passes an event of which only the first delivery is done.
    HalfDone,
    /// Nobody looks at `writeErrors`.
    WriteErrorsIgnored,
    /// A new partition starts at its end.
    NewPartitionAtEnd,
    /// A fault of MongoDB's is the handler's failure.
    FaultIsFailure,
    /// Transactions are acknowledged by one member.
    OneMember,
    /// What ran on trial is kept after the claim was lost.
    TrialKept,
    /// A topic that was made anew is read on from the old progress.
    TopicAnew,
    /// `n` of a command with other statements tells whether a must-match statement matched.
    SharedCount,
    /// The same id with another hash counts as seen.
    HashIgnored,
    /// What was read is not read again in the transaction.
    ReadsUnchecked,
    /// A partition whose progress the log no longer holds goes on where the log starts.
    StartPassed,
    /// Nobody looks up to where the ledger has forgotten events.
    NoFloor,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::ProgressFirst,
        Self::NoLedger,
        Self::LedgerOutside,
        Self::MaxAsFence,
        Self::RetryWithoutFence,
        Self::DuplicateInBatch,
        Self::HalfDone,
        Self::WriteErrorsIgnored,
        Self::NewPartitionAtEnd,
        Self::FaultIsFailure,
        Self::OneMember,
        Self::TrialKept,
        Self::TopicAnew,
        Self::SharedCount,
        Self::HashIgnored,
        Self::ReadsUnchecked,
        Self::StartPassed,
        Self::NoFloor,
    ];
}

#[cfg(feature = "proofs")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static ON: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Switches one on for this thread, or all off.
    pub fn set(bug: Option<Bug>) {
        ON.set(bug);
    }

    /// Whether it is on.
    #[must_use]
    pub fn on(bug: Bug) -> bool {
        ON.get() == Some(bug)
    }
}

#[cfg(feature = "proofs")]
pub use switch::{on, set};

/// Whether it is on.
#[cfg(not(feature = "proofs"))]
#[must_use]
pub const fn on(_bug: Bug) -> bool {
    false
}
