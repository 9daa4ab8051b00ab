//! The writes of a batch's deliveries that are not committed yet. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::store::{IdKey, Write};

/// The documents that uncommitted writes may touch, by collection.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    collections: HashMap<Arc<str>, Touched>,
}

#[derive(Debug, Clone, Default)]
struct Touched {
    any: bool,
    ids: HashSet<IdKey>,
}

impl Pending {
    /// Records a write.
    pub fn note(&mut self, write: &Write) {
        let touched = self.collections.entry(Arc::clone(&write.collection)).or_default();
        match &write.id {
            Some(id) => {
                touched.ids.insert(id.clone());
            }
            None => touched.any = true,
        }
    }

    /// Returns whether no write is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty()
    }

    /// Returns whether a recorded write may touch what a read of `collection` sees: the document `id`, or any document
    /// if there is no `id`.
    #[must_use]
    pub fn may_touch(&self, collection: &str, id: Option<&IdKey>) -> bool {
        self.collections.get(collection).is_some_and(|touched| match id {
            Some(id) => touched.any || touched.ids.contains(id),
            None => true,
        })
    }
}
