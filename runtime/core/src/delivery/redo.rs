//! Decides what follows from MongoDB's answer to a transaction. Pure: time is passed in.
//!
//! A batch is tried grouped first, which is fast but does not show whose failure it is. A failure moves it to the
//! strict form, which blames one delivery. A fault that may pass is retried for a bounded time, and then the batch is
//! halved. An event that is alone is retried without a limit for a fault or a conflict that may pass. If MongoDB
//! refuses its commit or finds it too large, a search for the culprit follows after a few tries. A commit in doubt is
//! never retried, because it may have succeeded: only a claim can tell.

use std::sync::Arc;
use std::time::Duration;

use super::outcome::Failure;
use super::statements::Form;
use crate::seeded::{self, Bug};
use crate::store::{Command, FaultKind, FaultyCommand, Plan, Reply, is_conflict_of_commit};

/// How long a transaction is retried before its batch is halved.
const REDO_FOR: Duration = Duration::from_secs(20);
/// The same for conflicts. Somebody holds one of the batch's documents, and most of its events need other ones.
const CONFLICTS_FOR: Duration = Duration::from_secs(2);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often an event alone may be more than a transaction takes.
const TOO_LARGE_TRIES: u32 = 3;
/// How often a commit may end in a conflict: nobody else has the transaction's documents by then.
const CONFLICTING_COMMITS: u32 = 3;
/// How often a commit may fail for another reason that may pass, such as a lost primary.
const FAILED_COMMITS: u32 = 10;
/// How often MongoDB may fail to repeat the reads of a batch's deliveries. Then they run once more, and in the end each
/// event alone, in which case a fault counts against the delivery that met it.
const FAILED_CHECKS: u32 = 3;

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Nothing more: it is committed.
    Done,
    /// Try the same plan again after a pause.
    Again {
        /// How long to wait, before jitter.
        pause: Duration,
        /// MongoDB's words.
        why: String,
    },
    /// Try the same writes in strict form, the only one that shows whose failure it is.
    Strict,
    /// Try again without the writes of this delivery, which is the culprit.
    Fail {
        /// The delivery's number in the plan.
        owner: usize,
        /// The failure that it is parked with.
        failure: Box<Failure>,
    },
    /// Run all deliveries again, because something that one of them read has changed.
    Rerun,
    /// Look at the ledger again, which has one of the events by now.
    LookAgain,
    /// Take a turn at this collection first, then try the same plan again.
    Lease {
        /// The collection.
        collection: Arc<str>,
        /// How long to wait after that, because the transaction that won may not take turns.
        pause: Duration,
        /// MongoDB's words.
        why: String,
    },
    /// Claim again: only a claim can tell who owns the partitions and whether this is committed.
    Claim {
        /// MongoDB's words.
        why: String,
        /// Whether it may be committed.
        unknown: bool,
    },
    /// Commit half of the batch first.
    Halve(String),
    /// The event alone is more than a transaction takes, and one of its deliveries may be the culprit.
    FailLargest(String),
    /// The delivery with this number met a fault, and a probe must show whose it is.
    Suspect {
        /// The delivery's number in the plan.
        owner: usize,
        /// What kind of fault.
        kind: FaultKind,
        /// MongoDB's words.
        why: String,
    },
    /// The event alone cannot be committed, and one of its deliveries may be the culprit.
    FailUncommittable(String),
}

/// What has been tried with one batch.
#[derive(Debug, Default)]
pub struct Redo {
    tries: u32,
    too_large: u32,
    conflicting_commits: u32,
    failed_commits: u32,
    failed_checks: u32,
    since: Option<Duration>,
    strict: bool,
}

impl Redo {
    /// Creates the state for a batch. `strict` says that its first plan is in strict form, as when only one delivery
    /// writes.
    #[must_use]
    pub fn strict(strict: bool) -> Self {
        Self { strict, ..Self::default() }
    }

    /// Returns the form of the next plan.
    #[must_use]
    pub fn form(&self) -> Form {
        if self.strict { Form::Strict } else { Form::Grouped }
    }

    /// Returns what follows from the reply. `now` counts from any fixed point, and `events` is the number of events in
    /// the plan.
    pub fn after(&mut self, reply: Reply, plan: &Plan, events: usize, now: Duration) -> Step {
        match reply {
            Reply::Committed => Step::Done,
            Reply::LostClaim => {
                let why =
                    "another host has claimed one of the partitions, or somebody has changed its progress".to_owned();
                Step::Claim { why, unknown: false }
            }
            Reply::Unknown(why) | Reply::Abandoned(FaultyCommand { why, .. }) => Step::Claim { why, unknown: true },
            Reply::SeenBefore => Step::LookAgain,
            Reply::Changed => Step::Rerun,
            Reply::Transient(why) => self.transient(why, events, now, REDO_FOR),
            Reply::Unchecked(why) => {
                self.failed_checks += 1;
                if self.failed_checks < FAILED_CHECKS {
                    self.transient(why, events, now, REDO_FOR)
                } else {
                    Step::Rerun
                }
            }
            Reply::Conflict { collection, why } => match self.transient(why, events, now, CONFLICTS_FOR) {
                Step::Again { pause, why } => Step::Lease { collection, pause, why },
                step => step,
            },
            Reply::Faulty(faulty) => self.faulty(faulty, plan, events, now),
            Reply::Uncommitted { code, why } => self.uncommitted(code, why, events, now),
            Reply::TooLarge(why) => self.too_large(why, events),
            Reply::Failed(failed) if seeded::on(Bug::RefusedForEver) => {
                self.transient(format!("{:?}", failed.why), events, now, REDO_FOR)
            }
            Reply::Failed(failed) => {
                let command = plan.commands.get(failed.command);
                match command.and_then(|command| command.owners.first()) {
                    // In the strict form, a command has one delivery.
                    Some(owner) if self.strict => {
                        self.strict = false;
                        Step::Fail { owner: *owner, failure: Box::new(Failure::of_write(&failed.why)) }
                    }
                    _ => {
                        self.strict = true;
                        Step::Strict
                    }
                }
            }
        }
    }

    /// Only once the fault has a single suspect can a probe show whether MongoDB or that delivery is to blame.
    fn faulty(&mut self, faulty: FaultyCommand, plan: &Plan, events: usize, now: Duration) -> Step {
        let FaultyCommand { command, kind, why } = faulty;
        if kind == FaultKind::Unanswered && events > 1 {
            return self.transient(why, events, now, REDO_FOR);
        }
        if let Some(owner) = plan.commands.get(command).and_then(Command::owner) {
            return Step::Suspect { owner, kind, why };
        }
        self.strict = true;
        Step::Strict
    }

    fn uncommitted(&mut self, code: Option<i32>, why: String, events: usize, now: Duration) -> Step {
        self.failed_commits += 1;
        self.conflicting_commits += u32::from(code.is_some_and(is_conflict_of_commit));
        let most = if self.conflicting_commits > 0 { CONFLICTING_COMMITS } else { FAILED_COMMITS };
        if self.failed_commits < most || seeded::on(Bug::CommitForEver) {
            return self.transient(why, events, now, REDO_FOR);
        }
        let strict = self.strict;
        *self = Self { strict: strict && events == 1, ..Self::default() };
        if events > 1 { Step::Halve(why) } else { Step::FailUncommittable(why) }
    }

    fn transient(&mut self, why: String, events: usize, now: Duration, most: Duration) -> Step {
        let since = *self.since.get_or_insert(now);
        if now.saturating_sub(since) > most && events > 1 {
            *self = Self::default();
            return Step::Halve(why);
        }
        self.tries += 1;
        let pause = Duration::from_millis(5) * 2_u32.pow(self.tries.min(8));
        Step::Again { pause: pause.min(LONGEST_PAUSE), why }
    }

    fn too_large(&mut self, why: String, events: usize) -> Step {
        if events > 1 {
            *self = Self::default();
            return Step::Halve(why);
        }
        self.too_large += 1;
        if self.too_large < TOO_LARGE_TRIES {
            return Step::Again { pause: LONGEST_PAUSE, why };
        }
        *self = Self::default();
        Step::FailLargest(why)
    }
}

#[cfg(test)]
#[path = "redo_test.rs"]
mod tests;
