//! The reads and writes of one delivery, and the source that each read is answered from. Pure.
//!
//! In a batch, writes are kept and reads go outside any transaction. If that could show the handler something that the
//! commit then contradicts, the delivery is ended and run again, either after a commit or alone in a transaction.

use std::sync::Arc;
use std::time::Duration;

use bson::RawDocumentBuf;

use super::Pending;
use crate::store::{self, Effect, Live, Query, ReadById, Reader, Write};

/// How a delivery reaches MongoDB.
#[derive(Debug, Clone)]
pub enum Mode {
    /// In a batch: writes are kept, reads go outside any transaction.
    Batch {
        /// Answers the reads.
        reader: Reader,
        /// The writes of earlier deliveries of the batch.
        pending: Arc<Pending>,
        /// The writes of the batch before it, which is being committed.
        committing: Arc<Pending>,
        /// How long it may run before others no longer wait for it, or none if nobody does.
        patience: Option<Duration>,
    },
    /// Alone in an open transaction: reads and writes are executed in it at once.
    Alone(Live),
}

/// What the delivery needs before it can be run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The pending writes must be committed first.
    Commit,
    /// It needs its own transaction, for this reason.
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
    /// The delivery's own writes.
    own: Pending,
    /// Whether the delivery has queried by more than `_id`, outside a transaction.
    queried: bool,
    writes: Vec<Write>,
    reads: Vec<ReadById>,
    /// The effect of each write, if writes are executed at once.
    effects: Vec<Effect>,
}

const QUERIES: &str = "writes, and queries by more than _id";

impl Mode {
    /// Returns how long the delivery may run before others no longer wait for it, if anybody does.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        match self {
            Self::Batch { patience, .. } => *patience,
            Self::Alone(_) => None,
        }
    }
}

impl View {
    /// Creates the view of a delivery that has done nothing yet.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        let (own, writes, reads, effects) = (Pending::default(), Vec::new(), Vec::new(), Vec::new());
        Self { mode, own, queried: false, writes, reads, effects }
    }

    /// Returns the query as this delivery may run it. The query loses its `_id` if the `_id` does not identify the
    /// document, either because different texts may be the same `_id` or because the name is that of a view.
    #[must_use]
    pub fn settle(&self, query: Query) -> Query {
        let plain = self.tells_ids_apart(&query.collection) && !self.is_view(&query.collection);
        if plain { query } else { Query { id: None, by_id: None, ..query } }
    }

    fn is_view(&self, collection: &str) -> bool {
        match &self.mode {
            // A transaction also sees its own writes through a view.
            Mode::Alone(_) => false,
            Mode::Batch { reader, .. } => reader.is_view(collection),
        }
    }

    fn tells_ids_apart(&self, collection: &str) -> bool {
        match &self.mode {
            // In a transaction nothing depends on it.
            Mode::Alone(_) => true,
            Mode::Batch { reader, .. } => reader.tells_ids_apart(collection),
        }
    }

    /// Returns where a query may be answered from.
    ///
    /// # Errors
    /// If the delivery needs something first.
    pub fn source(&mut self, query: &Query) -> Result<Source, Needs> {
        let (reader, pending, committing) = match &self.mode {
            Mode::Alone(live) => return Ok(Source::Live(live.clone())),
            Mode::Batch { reader, pending, committing, .. } => (reader, pending, committing),
        };
        // A view shows documents of other collections, and we do not know which.
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

    /// Records what a read outside a transaction found, if it was by `_id`.
    pub fn found(&mut self, query: Query, found: &[RawDocumentBuf]) {
        if let Some((id, _)) = query.by_id {
            let digest = store::read::digest(found.first().map(AsRef::as_ref));
            let (collection, projection) = (query.collection, query.projection);
            self.reads.push(ReadById { collection, id, projection, digest });
        }
    }

    /// Returns the open transaction in which a write is executed, or `None` if writes are kept.
    ///
    /// # Errors
    /// If the delivery needs something first.
    pub fn acts_in(&self) -> Result<Option<Live>, Needs> {
        match &self.mode {
            Mode::Alone(live) => Ok(Some(live.clone())),
            Mode::Batch { .. } if self.queried => Err(Needs::Alone(QUERIES)),
            Mode::Batch { .. } => Ok(None),
        }
    }

    /// Keeps a write, with its effect if it has been executed.
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

    /// Returns how many writes the delivery has made.
    #[must_use]
    pub fn count(&self) -> usize {
        self.writes.len()
    }

    /// Returns the effect of the write with this number.
    ///
    /// # Errors
    /// If the delivery needs its own transaction to know the effect.
    pub fn effect(&self, number: usize) -> Result<&Effect, Needs> {
        self.effects.get(number).ok_or(Needs::Alone("asks for a write's effect"))
    }

    /// Returns all writes of the delivery, and its reads by `_id` outside a transaction.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Write>, Vec<ReadById>) {
        (self.writes, self.reads)
    }
}
