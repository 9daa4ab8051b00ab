//! How MongoDB is spoken to: commands and transactions, one at a time. Pure.
//!
//! The store is written against this, so that the driver and a simulated MongoDB both can stand behind it. A future of
//! these may be dropped at any time: what was sent goes on to its end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bson::{Document, RawDocumentBuf};

/// What comes back, in time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A MongoDB that commands can be sent to.
pub trait Wire: fmt::Debug + Send + Sync {
    /// Runs a command outside any transaction, on the primary.
    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf) -> Answer<'a, Document>;

    /// A session for transactions. Nothing is sent.
    fn session(&self) -> Answer<'_, Arc<dyn Transactions>>;
}

/// A session: one transaction after the other.
pub trait Transactions: fmt::Debug + Send + Sync {
    /// The session's id, as `killSessions` takes it.
    fn id(&self) -> Document;

    /// Begins a transaction with snapshot reads; `w` is its write concern, such as `majority`.
    fn start<'a>(&'a self, w: &'a str) -> Answer<'a, ()>;

    /// Runs a command in the transaction.
    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf) -> Answer<'a, Document>;

    /// Commits the transaction; after an unknown result it may be called again.
    fn commit(&self) -> Answer<'_, ()>;

    /// Ends the transaction without effect.
    fn abort(&self) -> Answer<'_, ()>;
}

/// A command that failed as a whole. What stands in a reply's `writeErrors` is no error here.
#[allow(clippy::struct_excessive_bools, reason = "labels, any of which may be set")]
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// MongoDB's code, where MongoDB answered.
    pub code: Option<i32>,
    /// Its words, or the driver's.
    pub message: String,
    /// The label `TransientTransactionError`: the whole transaction may be tried again.
    pub transient: bool,
    /// The label `RetryableWriteError`.
    pub retryable: bool,
    /// The label `UnknownTransactionCommitResult`.
    pub unknown: bool,
    /// The user, the certificate or a right is refused.
    pub denied: bool,
    /// The command is more than the driver sends.
    pub oversized: bool,
    /// The client did not answer in time and was given up, with its sessions.
    pub abandoned: bool,
}
