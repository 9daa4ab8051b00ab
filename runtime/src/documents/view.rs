//! What one delivery has read and written, and from where it may read. Pure.
//!
//! In a batch a write is kept and a read goes outside any transaction; where that could show the handler something that
//! the commit then contradicts, the delivery is ended and run again: after a commit, or alone in a transaction.

use std::sync::Arc;

use bson::RawDocumentBuf;

use super::Pending;
use crate::store::{self, Effect, Live, Query, ReadById, Reader, Write};

/// How a delivery reaches MongoDB.
#[derive(Debug, Clone)]
pub enum Mode {
    /// In a batch: writes are kept, reads go outside any transaction.
    Batch {
        /// Where reads go.
        reader: Reader,
        /// What earlier deliveries of the batch have written.
        pending: Arc<Pending>,
        /// What the batch before it is committing.
        committing: Arc<Pending>,
    },
    /// Alone in an open transaction: reads are real and writes act at once.
    Alone(Live),
}

/// What the delivery needs before it can go on: it is run again then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// What is pending is to be committed first.
    Commit,
    /// A transaction of its own, for this reason.
    Alone(&'static str),
}

/// Where a read is answered from.
#[derive(Debug)]
pub enum Source {
    /// Outside any transaction.
    Reader(Reader),
    /// In the open transaction.
    Live(Live),
}

/// What one delivery has read and written.
#[derive(Debug)]
pub struct View {
    mode: Mode,
    /// What it has written itself.
    own: Pending,
    /// It has queried by more than `_id`, outside a transaction.
    queried: bool,
    writes: Vec<Write>,
    reads: Vec<ReadById>,
    /// What each write did, where it has acted.
    effects: Vec<Effect>,
}

const QUERIES: &str = "writes, and queries by more than _id";

impl View {
    /// A delivery that has done nothing yet.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        let (own, writes, reads, effects) = (Pending::default(), Vec::new(), Vec::new(), Vec::new());
        Self { mode, own, queried: false, writes, reads, effects }
    }

    /// The query as this delivery may take it. No `_id` tells which document is meant where different texts may be the
    /// same `_id`, or where the name is a view's.
    #[must_use]
    pub fn settle(&self, query: Query) -> Query {
        let plain = self.tells_ids_apart(&query.collection) && !self.is_view(&query.collection);
        if plain { query } else { Query { id: None, by_id: None, ..query } }
    }

    fn is_view(&self, collection: &str) -> bool {
        match &self.mode {
            // A transaction's own writes are seen there through a view too.
            Mode::Alone(_) => false,
            Mode::Batch { reader, .. } => reader.is_view(collection),
        }
    }

    fn tells_ids_apart(&self, collection: &str) -> bool {
        match &self.mode {
            // There nothing hangs on it.
            Mode::Alone(_) => true,
            Mode::Batch { reader, .. } => reader.tells_ids_apart(collection),
        }
    }

    /// Where a query may be answered from.
    ///
    /// # Errors
    /// What the delivery needs first.
    pub fn source(&mut self, query: &Query) -> Result<Source, Needs> {
        let (reader, pending, committing) = match &self.mode {
            Mode::Alone(live) => return Ok(Source::Live(live.clone())),
            Mode::Batch { reader, pending, committing } => (reader, pending, committing),
        };
        // A view sees documents of other collections, and nobody here knows of which.
        let view = reader.is_view(&query.collection);
        let touches = |pending: &Pending| {
            if view { !pending.is_empty() } else { pending.may_touch(&query.collection, query.id.as_ref()) }
        };
        if touches(&self.own) {
            Err(Needs::Alone("reads what it has itself written"))
        } else if query.by_id.is_none() && !self.writes.is_empty() {
            Err(Needs::Alone(QUERIES))
        } else if touches(pending) || touches(committing) {
            Err(Needs::Commit)
        } else {
            self.queried |= query.by_id.is_none();
            Ok(Source::Reader(reader.clone()))
        }
    }

    /// Remembers what a read outside a transaction has found, where it was by `_id`.
    pub fn found(&mut self, query: Query, found: &[RawDocumentBuf]) {
        if let Some((id, _)) = query.by_id {
            let digest = store::read::digest(found.first().map(AsRef::as_ref));
            let (collection, projection) = (query.collection, query.projection);
            self.reads.push(ReadById { collection, id, projection, digest });
        }
    }

    /// The open transaction that a write acts in; none where it is kept.
    ///
    /// # Errors
    /// What the delivery needs first.
    pub fn acts_in(&self) -> Result<Option<Live>, Needs> {
        match &self.mode {
            Mode::Alone(live) => Ok(Some(live.clone())),
            Mode::Batch { .. } if self.queried => Err(Needs::Alone(QUERIES)),
            Mode::Batch { .. } => Ok(None),
        }
    }

    /// Keeps a write, with its effect where it has acted.
    pub fn wrote(&mut self, mut write: Write, effect: Option<Effect>) {
        if !self.tells_ids_apart(&write.collection) {
            write.id = None;
        }
        match effect {
            Some(effect) => self.effects.push(effect),
            None => self.own.note(&write),
        }
        self.writes.push(write);
    }

    /// How many writes it has made.
    #[must_use]
    pub fn count(&self) -> usize {
        self.writes.len()
    }

    /// What a write did, by its number.
    ///
    /// # Errors
    /// What the delivery needs to know it.
    pub fn effect(&self, number: usize) -> Result<&Effect, Needs> {
        self.effects.get(number).ok_or(Needs::Alone("asks for a write's effect"))
    }

    /// All that it has written, and what it has read by `_id` outside a transaction.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Write>, Vec<ReadById>) {
        (self.writes, self.reads)
    }
}
