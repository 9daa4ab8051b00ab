//! The meaning of MongoDB's answer to a handler's command in a transaction. Pure.

use bson::{Bson, Document};

use super::codes::{
    UNAUTHORIZED, WRITE_CONFLICT, is_over_time, is_oversized_document, is_oversized_transaction, is_passing,
};
use super::plan::FaultKind;
use super::wire::{self, words};
use super::{Error, WriteError};
use crate::seeded::{self, Bug};

/// Why a handler's command failed.
pub(super) enum Problem {
    /// The statement itself is wrong, or must match and does not.
    Write { statement: Option<usize>, why: WriteError },
    /// The transaction has more bytes than MongoDB takes.
    TooLarge(String),
    /// The transaction lost a write conflict.
    Conflict(String),
    /// A fault of MongoDB or of the command.
    Fault(FaultKind, String),
    /// The client was abandoned together with the session.
    Abandoned(String),
}

impl Problem {
    /// Classifies an error of the command as a whole.
    pub(super) fn of(error: wire::Error) -> Self {
        if error.abandoned {
            return Self::Abandoned(error.message);
        }
        match error.code {
            Some(WRITE_CONFLICT) => Self::Conflict(error.message),
            Some(code) if is_over_time(code) => Self::Fault(FaultKind::Slow, error.message),
            Some(UNAUTHORIZED) => Self::Fault(FaultKind::Unauthorized, error.message),
            _ if error.transient || error.denied => Self::Fault(FaultKind::Unanswered, error.message),
            Some(code) if is_oversized_transaction(code) || is_oversized_document(code) => {
                Self::TooLarge(error.message)
            }
            Some(code) if is_passing(code) => Self::Fault(FaultKind::Unanswered, error.message),
            Some(code) => Self::refused(None, code, error.message),
            None if error.oversized => Self::TooLarge(error.message),
            None => Self::Fault(FaultKind::Unanswered, error.message),
        }
    }

    /// Finds a problem in the reply of a command that MongoDB answered.
    pub(super) fn in_reply(reply: &Document) -> Option<Self> {
        let (statement, code, message) = first_write_error(reply)?;
        Some(match code {
            WRITE_CONFLICT => Self::Conflict(message),
            code if is_oversized_transaction(code) => Self::TooLarge(message),
            code if is_over_time(code) => Self::Fault(FaultKind::Slow, message),
            code if is_passing(code) => Self::Fault(FaultKind::Unanswered, message),
            code => Self::refused(statement, code, message),
        })
    }

    fn refused(statement: Option<usize>, code: i32, message: String) -> Self {
        Self::Write { statement, why: WriteError::Refused { code, message } }
    }
}

/// Tells an error of the documents found, or of the read itself, from any other problem of a read in a transaction.
pub(super) fn of_read(error: wire::Error) -> Result<Error, Problem> {
    if error.malformed || error.oversized || error.code.is_some_and(is_oversized_document) {
        return Ok(Error::from(error));
    }
    Err(Problem::of(error))
}

/// Returns the first error of a reply: the statement's index, the code and the message. A reply may have `ok: 1`
/// despite an error.
pub(super) fn first_write_error(reply: &Document) -> Option<(Option<usize>, i32, String)> {
    if seeded::on(Bug::WriteErrorsIgnored) {
        return None;
    }
    let error = match reply.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
        Some(error) => error.as_document()?,
        None => reply.get_document("writeConcernError").ok()?,
    };
    let index = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok());
    let message = words(error.get_str("errmsg").unwrap_or("no message"));
    Some((index, error.get_i32("code").unwrap_or_default(), message))
}

/// Returns how many documents the statements of a reply have matched.
pub(super) fn matched(reply: &Document) -> u64 {
    unsigned(reply, "n")
}

pub(super) fn unsigned(reply: &Document, name: &str) -> u64 {
    match reply.get(name) {
        Some(Bson::Int32(n)) => u64::try_from(*n).unwrap_or(0),
        Some(Bson::Int64(n)) => u64::try_from(*n).unwrap_or(0),
        _ => 0,
    }
}
