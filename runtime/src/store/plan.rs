//! What one transaction is to do, and what became of it. Pure data.

use std::sync::Arc;

use bson::RawDocumentBuf;

use super::{Advance, Fence, Kind, ReadById};

/// The key of an event in the ledger: 16 bytes of a digest over group, source and event id.
pub type MarkerKey = [u8; 16];

/// An event's mark in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Which event.
    pub key: MarkerKey,
    /// The bucket of the ledger that it stands in.
    pub bucket: i64,
    /// A digest of aggregate id, type and the row's own time: the same id with another one is another event.
    pub hash: i64,
    /// The handlers that it was for: internal id and generation.
    pub handlers: Vec<(i32, i32)>,
}

/// One of MongoDB's write commands, with the delivery behind each statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The collection.
    pub collection: Arc<str>,
    /// The command.
    pub kind: Kind,
    /// Every statement must match a document, and `n` tells whether they did.
    pub must_match: bool,
    /// The statements, in their order.
    pub statements: Vec<RawDocumentBuf>,
    /// The numbers that the caller gave the deliveries behind the statements, in their order: one for each write, of which
    /// a statement may stand for several.
    pub owners: Vec<usize>,
}

impl Command {
    /// The number of the delivery behind it, where there is only one.
    #[must_use]
    pub fn owner(&self) -> Option<usize> {
        let first = *self.owners.first()?;
        self.owners.iter().all(|owner| *owner == first).then_some(first)
    }
}

/// Everything that one transaction does, in the order in which it is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Progress: the fence and the step.
    pub advances: Vec<Advance>,
    /// What of the ledger's past must still be so: events were taken for new ones by it.
    pub fences: Vec<Fence>,
    /// The events' marks.
    pub markers: Vec<Marker>,
    /// What was read must still be so.
    pub checks: Vec<ReadById>,
    /// The handlers' writes.
    pub commands: Vec<Command>,
    /// Deliveries that did not succeed: documents of `parked`.
    pub parked: Vec<RawDocumentBuf>,
    /// Their records: documents of `records`.
    pub records: Vec<RawDocumentBuf>,
}

/// What a handler's command met that may be MongoDB's fault or the command's: a probe tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// No answer within the time that it had.
    Slow,
    /// The user that Weir logs in with has no right to it.
    Unauthorized,
    /// Anything else that may pass, such as a lost connection.
    Unanswered,
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It is committed.
    Committed,
    /// Somebody else has claimed one of these partitions; nothing is committed.
    LostClaim,
    /// The ledger has one of the events by now, or was swept since it was asked; nothing is committed.
    SeenBefore,
    /// A document that was read has changed since; nothing is committed.
    Changed,
    /// A handler's write failed; nothing is committed.
    Failed(FailedWrite),
    /// Nobody's doing, such as a lost connection; nothing is committed.
    Transient(String),
    /// MongoDB did not read again what a delivery had read. It may be a fault that passes, or a read that it never does in a
    /// transaction, such as one of a capped collection.
    Unchecked(String),
    /// Another transaction was faster on a document of this collection; nothing is committed.
    Conflict {
        /// The collection.
        collection: Arc<str>,
        /// MongoDB's words.
        why: String,
    },
    /// One of the handlers' commands met a fault; nothing is committed.
    Faulty(FaultyCommand),
    /// MongoDB did everything and then refused the commit, with this code; nothing is committed.
    Uncommitted {
        /// MongoDB's code, if it gave one.
        code: Option<i32>,
        /// MongoDB's words.
        why: String,
    },
    /// The transaction has more bytes than MongoDB takes; nothing is committed.
    TooLarge(String),
    /// One of the handlers' commands did not end in time: it still has the session, and only a claim ends it.
    Abandoned(FaultyCommand),
    /// Nobody knows whether it is committed: only a claim can tell.
    Unknown(String),
}

/// Which write failed, and MongoDB's words.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedWrite {
    /// The command's place in the plan.
    pub command: usize,
    /// The statement's place in the command, where MongoDB named one.
    pub statement: Option<usize>,
    /// Why.
    pub why: WriteError,
}

/// Which command met a fault, and MongoDB's words.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultyCommand {
    /// The command's place in the plan.
    pub command: usize,
    /// What kind of fault.
    pub kind: FaultKind,
    /// MongoDB's words.
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
        /// MongoDB's own words.
        message: String,
    },
}
