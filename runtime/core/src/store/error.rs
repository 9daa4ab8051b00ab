//! Why MongoDB did not do what it was asked. Pure.

use super::codes::{BSON_OBJECT_TOO_LARGE, DUPLICATE_KEY, UNAUTHORIZED, is_over_time, is_passing};
use super::wire;

/// Why MongoDB did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// MongoDB refused this statement, for example because of a duplicate key. The handler is responsible.
    #[error("{message} (code {code})")]
    Refused {
        /// MongoDB's error code.
        code: i32,
        /// MongoDB's message.
        message: String,
    },
    /// A must-match write matched nothing. The handler is responsible.
    #[error("the write had to match a document and matched none")]
    MustMatch,
    /// MongoDB is unreachable or busy. No handler is to blame, and the operation can be retried.
    #[error("{0}")]
    Fault(String),
    /// MongoDB did not answer in the time that it had. Either it is slow, or the command takes long.
    #[error("{0}")]
    Slow(String),
    /// The MongoDB user that Weir logs in with has no right to do this.
    #[error(
        "mongodb refuses this to the user in MONGODB_URI: {0}\nhint: docs/security.md lists the rights that it needs"
    )]
    Unauthorized(String),
    /// MongoDB's reply cannot be decoded, for example because a string is not UTF-8.
    #[error("a document found cannot be decoded: {0}")]
    Undecodable(String),
    /// The connection string is invalid.
    #[error("MONGODB_URI is not a valid connection string: {0}")]
    Uri(String),
    /// MongoDB refuses the user, the certificate or a right. This can be fixed while a host runs and is never the
    /// handler's fault.
    #[error(
        "mongodb refuses this host: {0}\nhint: check MONGODB_URI, and in docs/security.md the rights that its user needs"
    )]
    Denied(String),
    /// Weir's own collections have a version that this Weir does not know.
    #[error(
        "the collections in WEIR_DATABASE have format version {found}, and this weir knows up to {known}\nhint: upgrade \
         weir, or go back to a copy of the database from before"
    )]
    Newer {
        /// The version found.
        found: i32,
        /// The newest version that this Weir knows.
        known: i32,
    },
    /// The server has no transactions.
    #[error(
        "mongodb is a standalone server, which has no transactions\nhint: start mongod with --replSet rs0 and run \
         rs.initiate() once in mongosh"
    )]
    Standalone,
}

impl Error {
    /// Returns whether a retry may succeed without any change by a person.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Slow(_) | Self::Denied(_) | Self::Unauthorized(_))
    }

    pub(super) fn odd(what: &str) -> Self {
        Self::Fault(format!("mongodb answered {what} in another form"))
    }
}

/// Tells a command that the server refused from a fault that may pass.
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

/// Returns what a handler can do instead if MongoDB refuses its read or write with this code.
#[must_use]
pub fn remedy(code: i32, writes: bool) -> Option<&'static str> {
    match code {
        DUPLICATE_KEY => Some("use `upsert` for a document that may be there already"),
        BSON_OBJECT_TOO_LARGE if !writes => Some("ask for fewer documents, or for fewer fields"),
        _ => None,
    }
}
