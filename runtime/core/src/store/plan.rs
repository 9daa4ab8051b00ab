//! The content of one transaction, and what became of it. Pure data.

use std::sync::Arc;

use bson::RawDocumentBuf;

use super::{Advance, FloorFence, Kind, Parked, ParkedChange, ReadById, RecordPart};

/// The key of an event in the ledger: 16 bytes of a digest of group, source and event id.
pub type MarkerKey = [u8; 16];

/// An event's marker in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The event's key.
    pub key: MarkerKey,
    /// The bucket of the ledger that the marker goes to.
    pub bucket: i64,
    /// A digest of the aggregate id, the type and the row's own time. If the id is the same but this differs, it is
    /// another event.
    pub hash: i64,
    /// The handlers that the event was for, each with internal id and generation.
    pub handlers: Vec<(i32, i32)>,
}

/// One of MongoDB's write commands, with the deliveries behind its statements.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The collection.
    pub collection: Arc<str>,
    /// The kind of command.
    pub kind: Kind,
    /// Whether every statement must match a document, in which case `n` shows if they did.
    pub must_match: bool,
    /// The statements, in order.
    pub statements: Vec<RawDocumentBuf>,
    /// The numbers that the caller gave the deliveries behind the statements, in order. There is one for each write,
    /// and a statement may represent several writes.
    pub owners: Vec<usize>,
}

impl Command {
    /// Returns the number of the delivery behind the command, if there is only one.
    #[must_use]
    pub fn owner(&self) -> Option<usize> {
        let first = *self.owners.first()?;
        self.owners.iter().all(|owner| *owner == first).then_some(first)
    }
}

/// A document that must still be as the transaction expects, or else nothing of it is committed.
#[derive(Debug, Clone, PartialEq)]
pub enum Fence {
    /// The progress of a partition, which the transaction also advances.
    Progress(Advance),
    /// The state of a topic's markers, because events were treated as new based on it.
    Floor(FloorFence),
}

/// Everything that one transaction does, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What must hold for the transaction to commit.
    pub fences: Vec<Fence>,
    /// The events' markers.
    pub markers: Vec<Marker>,
    /// The reads that must still find the same.
    pub checks: Vec<ReadById>,
    /// The handlers' writes.
    pub commands: Vec<Command>,
    /// Deliveries that did not succeed, or that wait for an earlier one.
    pub parked: Vec<Parked>,
    /// What becomes of deliveries that were parked before.
    pub changes: Vec<ParkedChange>,
    /// The records of these deliveries.
    pub records: Vec<RecordPart>,
}

impl Plan {
    /// Returns how the transaction advances each partition that it speaks for.
    pub fn advances(&self) -> impl Iterator<Item = &Advance> {
        advances(&self.fences)
    }

    /// Takes out the fences by progress, which are also the steps.
    pub fn drop_advances(&mut self) {
        self.fences.retain(|fence| !matches!(fence, Fence::Progress(_)));
    }
}

/// Returns the fences by progress.
pub(super) fn advances(fences: &[Fence]) -> impl Iterator<Item = &Advance> {
    fences.iter().filter_map(|fence| match fence {
        Fence::Progress(advance) => Some(advance),
        Fence::Floor(_) => None,
    })
}

/// The kind of a fault that a handler's command met. It may be MongoDB's fault or the command's, and a probe finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// MongoDB did not answer in the time that it had.
    Slow,
    /// The MongoDB user that Weir logs in with has no right to do this.
    Unauthorized,
    /// Any other fault that may pass, such as a lost connection.
    Unanswered,
}

/// The result of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The transaction is committed.
    Committed,
    /// Another owner has claimed one of these partitions. Nothing is committed.
    LostClaim,
    /// The ledger now has one of the events, or was swept since it was asked. Nothing is committed.
    SeenBefore,
    /// A document that was read has changed since. Nothing is committed.
    Changed,
    /// A handler's write failed. Nothing is committed.
    Failed(FailedWrite),
    /// A fault that nobody caused, such as a lost connection. Nothing is committed.
    Transient(String),
    /// MongoDB did not repeat a delivery's read. It may be a fault that passes, or a read that is never possible in a
    /// transaction, such as one of a capped collection.
    Unchecked(String),
    /// Lost a write conflict on a document of this collection. Nothing is committed.
    Conflict {
        /// The collection.
        collection: Arc<str>,
        /// MongoDB's message.
        why: String,
    },
    /// One of the handlers' commands met a fault. Nothing is committed.
    Faulty(FaultyCommand),
    /// MongoDB ran everything and then refused the commit with this code. Nothing is committed.
    Uncommitted {
        /// MongoDB's code, if it gave one.
        code: Option<i32>,
        /// MongoDB's message.
        why: String,
    },
    /// The transaction has more bytes than MongoDB takes. Nothing is committed.
    TooLarge(String),
    /// One of the handlers' commands did not end in time. It still has the session, and only a claim ends it.
    Abandoned(FaultyCommand),
    /// It is unknown whether the transaction is committed. Only a claim can find out.
    Unknown(String),
}

/// The write that failed, and MongoDB's message.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedWrite {
    /// The command's place in the plan.
    pub command: usize,
    /// The statement's place in the command, if MongoDB named one.
    pub statement: Option<usize>,
    /// The reason.
    pub why: WriteError,
}

/// The command that met a fault, and MongoDB's message.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultyCommand {
    /// The command's place in the plan.
    pub command: usize,
    /// The kind of fault.
    pub kind: FaultKind,
    /// MongoDB's message.
    pub why: String,
}

/// Why a write failed.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteError {
    /// A must-match write matched nothing.
    MustMatch,
    /// MongoDB refused it.
    Refused {
        /// MongoDB's error code.
        code: i32,
        /// MongoDB's message.
        message: String,
    },
}
