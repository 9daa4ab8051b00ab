//! How MongoDB is spoken to: commands and transactions, one at a time. Pure.
//!
//! The store is written against this, so that the driver and a simulated MongoDB both can stand behind it. A future of
//! these may be dropped at any time: what was sent goes on to its end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bson::{Document, RawDocumentBuf};

/// The longest time that MongoDB is given for one command (`maxTimeMS`).
pub const MAX_TIME: Duration = Duration::from_secs(20);

/// The most bytes of MongoDB's own words that are kept.
const WORDS_BYTES: usize = 4 << 10;

/// What comes back, in time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The documents of a cursor's first reply, as MongoDB sent them. The cursor is closed.
#[derive(Debug, Default)]
pub struct Found {
    /// The documents. Nothing of them is decoded yet, so any of them may be malformed inside.
    pub documents: Vec<RawDocumentBuf>,
    /// MongoDB had more of them than one reply holds.
    pub more: bool,
}

/// A MongoDB that commands can be sent to.
pub trait Wire: fmt::Debug + Send + Sync {
    /// Runs a command outside any transaction, on the primary.
    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf) -> Answer<'a, Document>;

    /// Runs a command that answers with a cursor, outside any transaction, on the primary, within that time.
    fn read<'a>(&'a self, database: &'a str, command: RawDocumentBuf, time: Duration) -> Answer<'a, Found>;

    /// A session for transactions. Nothing is sent.
    fn session(&self) -> Answer<'_, Arc<dyn Transactions>>;
}

/// A session: one transaction after the other.
pub trait Transactions: fmt::Debug + Send + Sync {
    /// The session's id, as `killSessions` takes it.
    fn id(&self) -> Document;

    /// Begins a transaction with snapshot reads; `w` is its write concern, such as `majority`.
    fn start<'a>(&'a self, w: &'a str) -> Answer<'a, ()>;

    /// Runs a command in the transaction, within that time.
    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf, time: Duration) -> Answer<'a, Document>;

    /// Runs a command that answers with a cursor in the transaction, within that time.
    fn read<'a>(&'a self, database: &'a str, command: RawDocumentBuf, time: Duration) -> Answer<'a, Found>;

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
    /// Its words, or the driver's; see [`words`].
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
    /// The reply cannot be decoded.
    pub malformed: bool,
    /// The client did not answer in time and was given up, with its sessions.
    pub abandoned: bool,
}

/// MongoDB's words as they may be shown and kept: no more than 4 KiB, and without the values of a duplicate key, which
/// are somebody's data.
#[must_use]
pub fn words(text: &str) -> String {
    const KEY: &str = "dup key: {";
    match text.find(KEY) {
        Some(at) => format!("{}{KEY} … }}", cut(&text[..at])),
        None => cut(text).to_owned(),
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(WORDS_BYTES)]
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
