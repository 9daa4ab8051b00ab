//! A read as a handler asked for it: checked, in raw BSON.

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
    /// The `_id` and its key, where the filter is just `{_id: value}` with a plain value and there are no options but a
    /// projection: such a read is remembered and read again in the committing transaction.
    pub by_id: Option<(RawBson, IdKey)>,
    /// The key of the one document it can see, where the filter names a single `_id` among other conditions.
    pub id: Option<IdKey>,
    /// At most so many documents; none is no limit of the handler's own.
    pub limit: Option<u32>,
    /// So many are passed over.
    pub skip: Option<u32>,
    /// The order.
    pub sort: Option<RawDocumentBuf>,
    /// Which fields are given.
    pub projection: Option<RawDocumentBuf>,
    /// How texts are compared.
    pub collation: Option<RawDocumentBuf>,
    /// The index to use: a name or a document.
    pub hint: Option<RawBson>,
}

impl Query {
    /// What it has of BSON, nearly: a command that holds it is a little larger.
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
