//! A handler's read, checked and in raw BSON.

use std::sync::Arc;

use bson::{RawBson, RawDocumentBuf};

use super::IdKey;

/// One read of one delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The collection's name in `MONGODB_DATABASE`.
    pub collection: Arc<str>,
    /// The filter.
    pub filter: RawDocumentBuf,
    /// The `_id` and its key, if the filter is just `{_id: value}` with a plain value and there are no options except a
    /// projection. Such a read is remembered and repeated in the committing transaction.
    pub by_id: Option<(RawBson, IdKey)>,
    /// The key of the only document that the read can see, if the filter names a single `_id` among other conditions.
    pub id: Option<IdKey>,
    /// The most documents to return. None if the handler sets no limit.
    pub limit: Option<u32>,
    /// The number of documents to skip.
    pub skip: Option<u32>,
    /// The sort order.
    pub sort: Option<RawDocumentBuf>,
    /// The fields to return.
    pub projection: Option<RawDocumentBuf>,
    /// How to compare strings.
    pub collation: Option<RawDocumentBuf>,
    /// The index to use: a name or a document.
    pub hint: Option<RawBson>,
}

impl Query {
    /// Returns the approximate size in BSON. A command that contains the query is a little larger.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let documents = [Some(&self.filter), self.sort.as_ref(), self.projection.as_ref(), self.collation.as_ref()];
        let documents: usize = documents.into_iter().flatten().map(|document| document.as_bytes().len()).sum();
        let hint = match &self.hint {
            Some(RawBson::Document(hint)) => hint.as_bytes().len(),
            Some(RawBson::String(hint)) => hint.len(),
            _ => 0,
        };
        documents + hint
    }
}
