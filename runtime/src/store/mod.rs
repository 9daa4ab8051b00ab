//! MongoDB: the only module that sees the driver.

pub mod query;
pub mod read;
pub mod write;

pub use query::Query;
pub use read::{Digest, ReadById};
pub use write::{Effect, IdKey, Kind, Write};

use bson::RawDocumentBuf;

/// Why MongoDB did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// MongoDB refused this statement, such as for a duplicate key: the handler's own doing.
    #[error("{message} (code {code})")]
    Refused {
        /// MongoDB's error code.
        code: i32,
        /// MongoDB's own words.
        message: String,
    },
    /// MongoDB is unreachable, slow or busy: nobody's doing, to be tried again.
    #[error("{0}")]
    Fault(String),
}

/// Reads for a delivery that runs in a batch: outside any transaction, with majority read concern.
#[derive(Debug, Clone)]
pub struct Reader {}

impl Reader {
    /// The documents that the query finds, at most `query.limit`.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn find(&self, _query: &Query) -> Result<Vec<RawDocumentBuf>, Error> {
        Err(Error::Fault("in work".to_owned()))
    }

    /// The number of documents that the query finds.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn count(&self, _query: &Query) -> Result<u64, Error> {
        Err(Error::Fault("in work".to_owned()))
    }
}

/// An open transaction, for an event that runs alone: reads see its writes, writes act at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {}

impl Live {
    /// As [`Reader::find`], in the transaction.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn find(&self, _query: &Query) -> Result<Vec<RawDocumentBuf>, Error> {
        Err(Error::Fault("in work".to_owned()))
    }

    /// As [`Reader::count`], in the transaction.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn count(&self, _query: &Query) -> Result<u64, Error> {
        Err(Error::Fault("in work".to_owned()))
    }

    /// Does a write in the transaction and says what it did. A must-match write that matched nothing is `Refused`.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn write(&self, _write: &Write) -> Result<Effect, Error> {
        Err(Error::Fault("in work".to_owned()))
    }
}
