//! The interface to MongoDB: commands and transactions, one at a time. Pure.
//!
//! The store is written against this interface so that it works with both the driver and a simulated MongoDB. Its
//! futures may be dropped at any time, and operations that were sent still run to their end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bson::{Document, RawDocumentBuf};

use crate::cut;

/// The longest time that MongoDB has for one command (`maxTimeMS`).
pub const MAX_TIME: Duration = Duration::from_secs(20);

/// The most bytes of a MongoDB message that are kept.
const WORDS_BYTES: usize = 4 << 10;

/// The future of an operation's result.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The documents of a cursor's first reply, as MongoDB sent them. The cursor is closed.
#[derive(Debug, Default)]
pub struct Found {
    /// The documents. They are not decoded yet, so any of them may be malformed inside.
    pub documents: Vec<RawDocumentBuf>,
    /// Whether MongoDB had more documents than one reply holds.
    pub more: bool,
}

/// A MongoDB that takes commands.
pub trait Wire: fmt::Debug + Send + Sync {
    /// Runs a command on the primary outside any transaction.
    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf) -> Answer<'a, Document>;

    /// Runs a command that returns a cursor, on the primary outside any transaction, within the given time.
    fn read<'a>(&'a self, database: &'a str, command: RawDocumentBuf, time: Duration) -> Answer<'a, Found>;

    /// Creates a session for transactions without sending anything.
    fn session(&self) -> Answer<'_, Arc<dyn Transactions>>;

    /// Returns how often one of MongoDB's servers has gone, come back or changed its role. None does unless an
    /// implementation says so.
    fn server_changes(&self) -> u64 {
        0
    }
}

/// A session, which runs one transaction after another.
pub trait Transactions: fmt::Debug + Send + Sync {
    /// Returns the session's id, as `killSessions` takes it.
    fn id(&self) -> Document;

    /// Begins a transaction with snapshot reads. `w` is its write concern, such as `majority`.
    fn start<'a>(&'a self, w: &'a str) -> Answer<'a, ()>;

    /// Runs a command in the transaction within the given time.
    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf, time: Duration) -> Answer<'a, Document>;

    /// Runs a command that returns a cursor in the transaction, within the given time.
    fn read<'a>(&'a self, database: &'a str, command: RawDocumentBuf, time: Duration) -> Answer<'a, Found>;

    /// Commits the transaction. After an unknown result, this may be called again.
    fn commit(&self) -> Answer<'_, ()>;

    /// Aborts the transaction.
    fn abort(&self) -> Answer<'_, ()>;
}

/// A failure of a command as a whole. Errors in a reply's `writeErrors` do not count as such.
#[allow(clippy::struct_excessive_bools, reason = "labels, any of which may be set")]
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// MongoDB's code, if MongoDB answered.
    pub code: Option<i32>,
    /// The message of MongoDB or of the driver; see [`words`].
    pub message: String,
    /// The label `TransientTransactionError`: the whole transaction may be retried.
    pub transient: bool,
    /// The label `RetryableWriteError`.
    pub retryable: bool,
    /// The label `UnknownTransactionCommitResult`.
    pub unknown: bool,
    /// Whether MongoDB refuses the user, the certificate or a right.
    pub denied: bool,
    /// Whether the command is larger than the driver sends.
    pub oversized: bool,
    /// Whether the reply cannot be decoded.
    pub malformed: bool,
    /// Whether the client did not answer in time and was abandoned with its sessions.
    pub abandoned: bool,
}

/// Returns a MongoDB message in a form that may be shown and kept: at most 4 KiB, and without the values of a duplicate
/// key, which are somebody's data.
#[must_use]
pub fn words(text: &str) -> String {
    const KEY: &str = "dup key: {";
    match text.find(KEY) {
        Some(at) => format!("{}{KEY} … }}", cut::prefix(&text[..at], WORDS_BYTES)),
        None => cut::prefix(text, WORDS_BYTES).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_name_no_value_of_a_key() {
        let text = "E11000 duplicate key error collection: a.users index: email_1 dup key: { email: \"ann@b.c\" }";
        assert_eq!(words(text), "E11000 duplicate key error collection: a.users index: email_1 dup key: { … }");
        let caused = format!("Plan executor error :: caused by :: {text}, found value: RecordId(7)");
        assert!(!words(&caused).contains("ann"), "{caused}");
        assert_eq!(words("not primary"), "not primary");
        assert_eq!(words(&"ü".repeat(10_000)).len(), WORDS_BYTES);
        assert!(words(&format!("{} dup key: {{ a: 1 }}", "x".repeat(10_000))).len() < WORDS_BYTES + 20);
    }
}
