//! A simulated MongoDB: documents with versions, transactions with snapshots, a primary that can be lost.
//!
//! It keeps these properties of the real one. The first transaction to update a document wins, and others conflict. An
//! update that changes nothing conflicts with no other. A failed statement answers `ok: 1` with `writeErrors`, and its
//! transaction is gone. A majority read lags. A failover rolls back what no majority has. A transaction that nobody
//! ends lives for more than a minute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document, RawDocument, doc};
use weir_core::store::wire;

use crate::kernel::Kernel;
use crate::raw;

/// The address of a document: namespace and `_id`.
pub(crate) type Key = (Arc<str>, Vec<u8>);
/// A document as it was at a time, or `None` if it was removed.
pub(crate) type Stored = Option<Arc<Document>>;
type Versions = Vec<(u64, Stored)>;

pub(crate) const CONFLICT: i32 = 112;
pub(crate) const NO_TRANSACTION: i32 = 251;
pub(crate) const DUPLICATE: i32 = 11_000;
const INTERRUPTED: i32 = 11_601;
pub(crate) const TOO_LARGE: i32 = 257;
pub(crate) const OUT_OF_TIME: i32 = 50;
pub(crate) const UNAUTHORIZED: i32 = 13;

/// The server.
#[derive(Debug)]
pub(crate) struct Mongo {
    pub(crate) kernel: Kernel,
    documents: BTreeMap<Arc<str>, BTreeMap<Vec<u8>, Versions>>,
    /// The namespaces that were used, by database and collection.
    namespaces: BTreeMap<String, BTreeMap<String, Arc<str>>>,
    pub(crate) collections: BTreeMap<Arc<str>, u64>,
    sessions: BTreeMap<Vec<u8>, Session>,
    clock: u64,
    /// The time up to which a majority has everything.
    majority: u64,
    term: u64,
    /// The longest that a command has waited for a transaction.
    pub(crate) longest_wait: Duration,
    /// The command that waited so long, if it was seconds.
    pub(crate) waiting: String,
}

#[derive(Debug, Default)]
struct Session {
    number: i64,
    open: Option<Transaction>,
    /// The number and the time of the last committed transaction.
    committed: Option<(i64, u64)>,
    /// The transaction was ended from outside, and its next command will get an error.
    interrupted: bool,
}

#[derive(Debug)]
struct Transaction {
    snapshot: u64,
    writes: BTreeMap<Key, Stored>,
    ends: Duration,
    huge: bool,
    /// It conflicts with itself when it commits.
    stuck: bool,
}

/// The transaction in which a command runs.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) session: Vec<u8>,
    pub(crate) number: i64,
    pub(crate) first: bool,
}

/// The reason why a statement failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Trouble {
    /// Another transaction holds the document. A statement outside a transaction waits for it.
    Blocked,
    /// A write error with its code.
    Refused(i32, String),
}

/// Returns the version that was current at that time, if there was any.
fn seen_at(versions: &Versions, at: u64) -> Option<&Stored> {
    versions.iter().rev().find(|(written, _)| *written <= at).map(|(_, document)| document)
}

pub(crate) fn failed(code: i32, message: &str, transient: bool) -> wire::Error {
    wire::Error { code: Some(code), message: message.to_owned(), transient, ..wire::Error::default() }
}

/// Returns an `_id` as a key. The most common types are written by hand, because this is called very often.
pub(crate) fn id_bytes(id: &Bson) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24);
    put_id(&mut bytes, id);
    bytes
}

fn put_id(bytes: &mut Vec<u8>, id: &Bson) {
    let mut put = |kind: u8, value: &[u8]| {
        bytes.push(kind);
        bytes.extend_from_slice(&value.len().to_be_bytes());
        bytes.extend_from_slice(value);
    };
    match id {
        // MongoDB treats equal numbers of different types as the same.
        Bson::Int32(number) => put(b'n', &i64::from(*number).to_be_bytes()),
        Bson::Int64(number) => put(b'n', &number.to_be_bytes()),
        Bson::String(text) => put(b's', text.as_bytes()),
        Bson::Binary(binary) => put(b'b', &binary.bytes),
        Bson::Document(document) => {
            bytes.push(b'd');
            for (name, value) in document {
                put_id(bytes, &Bson::String(name.clone()));
                put_id(bytes, value);
            }
            bytes.push(0);
        }
        other => put(b'o', &bson::serialize_to_vec(&doc! { "": other.clone() }).unwrap_or_default()),
    }
}

impl Mongo {
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            documents: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            collections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            clock: 1,
            majority: 1,
            term: 1,
            longest_wait: Duration::ZERO,
            waiting: String::new(),
        }
    }

    /// Returns the namespace of a collection.
    pub(crate) fn namespace(&mut self, database: &str, collection: &str) -> Arc<str> {
        if let Some(known) = self.namespaces.get(database).and_then(|known| known.get(collection)) {
            return Arc::clone(known);
        }
        let namespace: Arc<str> = format!("{database}.{collection}").into();
        let known = self.namespaces.entry(database.to_owned()).or_default();
        known.insert(collection.to_owned(), Arc::clone(&namespace));
        namespace
    }

    pub(crate) fn majority(&self) -> u64 {
        self.majority
    }

    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    /// Records that a majority has everything up to `to`.
    pub(crate) fn replicated(&mut self, to: u64, term: u64) {
        if term == self.term {
            self.majority = self.majority.max(to.min(self.clock));
        }
    }

    /// Loses the primary, with everything that no majority has.
    pub(crate) fn fail_over(&mut self) {
        self.term += 1;
        let majority = self.majority;
        let mut rolled_back = false;
        for documents in self.documents.values_mut() {
            for versions in documents.values_mut() {
                let before = versions.len();
                versions.retain(|(at, _)| *at <= majority);
                rolled_back |= versions.len() < before;
            }
            documents.retain(|_, versions| !versions.is_empty());
        }
        self.collections.retain(|_, at| *at <= majority);
        for session in self.sessions.values_mut() {
            session.open = None;
            session.committed = session.committed.filter(|(_, at)| *at <= majority);
        }
        if rolled_back {
            self.kernel.count("fault: rolled back");
        }
    }

    /// Returns the document as a reader at that time sees it.
    pub(crate) fn at(&self, key: &Key, at: u64) -> Option<&Arc<Document>> {
        seen_at(self.documents.get(&key.0)?.get(&key.1)?, at)?.as_ref()
    }

    /// Returns the documents of a collection as a reader sees them: at a time, or in a transaction.
    pub(crate) fn scan(&self, namespace: &str, place: Option<&Place>) -> Vec<Arc<Document>> {
        let majority = self.majority;
        let at = place.and_then(|place| self.transaction(place)).map_or(majority, |open| open.snapshot);
        let stored = self.documents.get(namespace).into_iter().flatten();
        let stored = stored.filter_map(|(id, versions)| Some((id, seen_at(versions, at)?.as_ref()?)));
        let Some(open) = place.and_then(|place| self.transaction(place)) else {
            return stored.map(|(_, document)| Arc::clone(document)).collect();
        };
        let mut found: BTreeMap<&Vec<u8>, &Arc<Document>> = stored.collect();
        for ((collection, id), written) in &open.writes {
            match written {
                Some(document) if **collection == *namespace => drop(found.insert(id, document)),
                None if **collection == *namespace => drop(found.remove(id)),
                _ => {}
            }
        }
        found.into_values().cloned().collect()
    }

    /// Returns one document as a statement sees it: in its transaction, or else the newest. A reader outside a
    /// transaction sees what a majority has.
    pub(crate) fn see(&self, key: &Key, place: Option<&Place>, reads: bool) -> Stored {
        if let Some(place) = place {
            let open = self.transaction(place)?;
            return match open.writes.get(key) {
                Some(written) => written.clone(),
                None => self.at(key, open.snapshot).cloned(),
            };
        }
        self.at(key, if reads { self.majority } else { self.clock }).cloned()
    }

    /// Writes a document, or removes it.
    pub(crate) fn write(&mut self, key: Key, to: Stored, place: Option<&Place>) -> Result<(), Trouble> {
        let now = self.kernel.now();
        let holds = self.sessions.iter_mut().any(|(session, state)| {
            if state.open.as_ref().is_some_and(|open| open.ends <= now) {
                state.open = None;
            }
            place.is_none_or(|place| place.session != *session)
                && state.open.as_ref().is_some_and(|open| open.writes.contains_key(&key))
        });
        let Some(place) = place else {
            if holds {
                return Err(Trouble::Blocked);
            }
            self.clock += 1;
            self.store(key, to);
            return Ok(());
        };
        let newest = self.documents.get(&key.0).and_then(|all| all.get(&key.1)).and_then(|all| all.last());
        let newest = newest.map_or(0, |(at, _)| *at);
        let Some(open) = self.open(place) else {
            return Err(Trouble::Refused(NO_TRANSACTION, "the transaction is gone".to_owned()));
        };
        if holds || newest > open.snapshot {
            self.kernel.count("outcome: conflict");
            return Err(Trouble::Refused(CONFLICT, "another transaction was first".to_owned()));
        }
        open.huge |= to.as_ref().is_some_and(|document| document.contains_key("huge"));
        open.stuck |= to.as_ref().is_some_and(|document| document.contains_key("stuck"));
        open.writes.insert(key, to);
        Ok(())
    }

    fn store(&mut self, key: Key, to: Stored) {
        let at = self.clock;
        self.kernel.trace(at ^ (key.1.len() as u64) << 32);
        self.collections.entry(Arc::clone(&key.0)).or_insert(at);
        self.documents.entry(key.0).or_default().entry(key.1).or_default().push((at, to));
    }

    fn transaction(&self, place: &Place) -> Option<&Transaction> {
        let session = self.sessions.get(&place.session)?;
        if session.number == place.number { session.open.as_ref() } else { None }
    }

    fn open(&mut self, place: &Place) -> Option<&mut Transaction> {
        let session = self.sessions.get_mut(&place.session)?;
        if session.number == place.number { session.open.as_mut() } else { None }
    }

    /// Finds or begins the transaction of a command.
    pub(crate) fn enter(&mut self, place: &Place) -> Result<(), wire::Error> {
        let (now, clock, ends) = (self.kernel.now(), self.clock, self.kernel.between(60_000, 90_000));
        let session = self.sessions.entry(place.session.clone()).or_default();
        if place.number < session.number {
            return Err(failed(225, "the transaction is older than the session's", true));
        }
        if place.number > session.number || (place.first && session.open.is_none() && session.committed.is_none()) {
            if !place.first {
                return Err(failed(NO_TRANSACTION, "no such transaction", true));
            }
            session.number = place.number;
            session.committed = None;
            let open =
                Transaction { snapshot: clock, writes: BTreeMap::new(), ends: now + ends, huge: false, stuck: false };
            session.open = Some(open);
        }
        if std::mem::take(&mut session.interrupted) && !place.first {
            self.kernel.count("fault: command interrupted");
            return Err(failed(INTERRUPTED, "operation was interrupted", false));
        }
        match &session.open {
            Some(open) if open.ends > now => Ok(()),
            _ => {
                session.open = None;
                Err(failed(NO_TRANSACTION, "no such transaction", true))
            }
        }
    }

    /// Discards the transaction, as any failed statement does.
    pub(crate) fn lose(&mut self, place: &Place) {
        if let Some(session) = self.sessions.get_mut(&place.session)
            && session.number == place.number
        {
            session.open = None;
        }
    }

    pub(crate) fn is_huge(&mut self, place: &Place) -> bool {
        self.open(place).is_some_and(|open| open.huge)
    }

    /// Commits. Returns the time that a majority has to reach.
    pub(crate) fn commit(&mut self, session: &[u8], number: i64) -> Result<u64, wire::Error> {
        let none = || failed(NO_TRANSACTION, "no such transaction", true);
        let state = self.sessions.get_mut(session).ok_or_else(none)?;
        if state.number != number {
            return Err(none());
        }
        if let Some((_, at)) = state.committed.filter(|(done, _)| *done == number) {
            return Ok(at);
        }
        let open = state.open.take().filter(|open| open.ends > self.kernel.now()).ok_or_else(none)?;
        if open.stuck {
            self.kernel.count("fault: a commit conflicts");
            return Err(failed(CONFLICT, "the commit conflicts", true));
        }
        if !open.writes.is_empty() {
            self.clock += 1;
        }
        let at = self.clock;
        if let Some(state) = self.sessions.get_mut(session) {
            state.committed = Some((number, at));
        }
        for (key, to) in open.writes {
            self.store(key, to);
        }
        Ok(at)
    }

    pub(crate) fn abort(&mut self, session: &[u8], number: i64) {
        if let Some(state) = self.sessions.get_mut(session)
            && state.number == number
        {
            state.open = None;
        }
    }

    /// Ends sessions, and discards their open transactions.
    pub(crate) fn kill_sessions(&mut self, sessions: &[Vec<u8>]) {
        for session in sessions {
            if let Some(state) = self.sessions.get_mut(session)
                && state.open.take().is_some()
            {
                state.interrupted = true;
                self.kernel.count("outcome: orphan killed");
            }
        }
    }

    /// Returns whether an open transaction has written to the collection.
    pub(crate) fn is_written_to(&self, namespace: &str) -> bool {
        let now = self.kernel.now();
        let open = self.sessions.values().filter_map(|session| session.open.as_ref()).filter(|open| open.ends > now);
        open.flat_map(|open| open.writes.keys()).any(|(collection, _)| **collection == *namespace)
    }

    /// Notes how long a command has waited for a transaction.
    pub(crate) fn waited(&mut self, time: Duration, command: &RawDocument) {
        if time > self.longest_wait {
            self.longest_wait = time;
            if time > Duration::from_secs(5) {
                self.waiting = raw::read(command).to_string();
            }
        }
    }

    pub(crate) fn drop_collection(&mut self, namespace: &str) {
        self.documents.remove(namespace);
        self.collections.remove(namespace);
    }

    pub(crate) fn create(&mut self, namespace: &str) -> bool {
        let at = self.clock;
        let fresh = !self.collections.contains_key(namespace);
        self.collections.entry(namespace.into()).or_insert(at);
        fresh
    }

    pub(crate) fn clock(&self) -> u64 {
        self.clock
    }

    /// Returns the progress of all partitions, as a majority has it.
    pub(crate) fn progress_of_majority(&self) -> impl Iterator<Item = &Document> {
        let all = self.documents.get("weir.progress").into_iter().flatten();
        all.filter_map(|(_, versions)| seen_at(versions, self.majority)?.as_deref())
    }

    /// Returns the newest version of every document of a collection.
    pub(crate) fn all(&self, namespace: &str) -> Vec<Arc<Document>> {
        let documents = self.documents.get(namespace).into_iter().flatten();
        documents.filter_map(|(_, versions)| versions.last()?.1.clone()).collect()
    }
}
