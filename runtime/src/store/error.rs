//! Why MongoDB did not do what it was asked. Pure.

use super::codes::{BSON_OBJECT_TOO_LARGE, DUPLICATE_KEY, UNAUTHORIZED, is_over_time, is_passing};
use super::wire;

/// Why MongoDB did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// MongoDB refused this statement, such as for a duplicate key: the handler's own doing.
    #[error("{message} (code {code})")]
    Refused {
        /// MongoDB's error code.
        code: i32,
        /// MongoDB's own words.
        message: String,
    },
    /// A must-match write matched nothing: the handler's own doing.
    #[error("the write had to match a document and matched none")]
    MustMatch,
    /// MongoDB is unreachable or busy: nobody's doing, to be tried again.
    #[error("{0}")]
    Fault(String),
    /// MongoDB did not answer in the time that it was given: it is slow, or what it was asked takes long.
    #[error("{0}")]
    Slow(String),
    /// The user that Weir logs in with has no right to do this.
    #[error("mongodb refuses this to the user in MONGODB_URI: {0}; see docs/security.md for the rights that it needs")]
    Unauthorized(String),
    /// MongoDB's reply cannot be decoded, such as a text that is not UTF-8.
    #[error("a document found cannot be decoded: {0}")]
    Undecodable(String),
    /// The connection string is not one.
    #[error("MONGODB_URI is not a valid connection string: {0}")]
    Uri(String),
    /// The user, the certificate or a right is refused. It may be put right while a host runs, and is never a handler's
    /// doing.
    #[error("mongodb refuses this host: {0}; see MONGODB_URI, and docs/security.md for the rights that its user needs")]
    Denied(String),
    /// Weir's own collections are of a version that this one does not know.
    #[error(
        "the collections in WEIR_DATABASE have format version {found}, and this weir knows up to {known}: upgrade weir, \
         or go back to a copy of the database from before"
    )]
    Newer {
        /// The version that stands there.
        found: i32,
        /// The newest that is known here.
        known: i32,
    },
    /// A server without transactions.
    #[error(
        "mongodb is a standalone server, which has no transactions: start mongod with --replSet rs0 and run \
         rs.initiate() once in mongosh"
    )]
    Standalone,
}

impl Error {
    /// Whether another try may succeed without anybody changing anything.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Slow(_) | Self::Denied(_) | Self::Unauthorized(_))
    }

    pub(super) fn odd(what: &str) -> Self {
        Self::Fault(format!("mongodb answered {what} in another form"))
    }
}

/// What the error means: a command that the server refused, or a fault that passes.
impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Self {
        match error.code {
            _ if error.abandoned => Self::Slow(error.message),
            Some(UNAUTHORIZED) => Self::Unauthorized(error.message),
            _ if error.denied => Self::Denied(error.message),
            None if error.oversized => Self::Refused { code: BSON_OBJECT_TOO_LARGE, message: error.message },
            None if error.malformed => Self::Undecodable(error.message),
            Some(code) if is_over_time(code) => Self::Slow(error.message),
            Some(code) if !error.transient && !error.retryable && !is_passing(code) => {
                Self::Refused { code, message: error.message }
            }
            _ => Self::Fault(error.message),
        }
    }
}

/// What a handler can do instead of what MongoDB refused with this code; starts with a semicolon, or is empty.
#[must_use]
pub fn remedy(code: i32) -> &'static str {
    if code == DUPLICATE_KEY { "; use `upsert` for a document that may be there already" } else { "" }
}
