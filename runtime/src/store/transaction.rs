//! One transaction: the fence, the marks, the checks, the writes, what is parked; and what MongoDB said to it. Pure.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bson::{Bson, Document, RawArrayBuf, RawBson, RawDocumentBuf, cstr, doc, rawdoc};

use super::collections::{GROUPS, PARKED, PROGRESS, RECORDS};
use super::error::is_passing;
use super::reader::{count_in, find_in};
use super::wire::{self, Transactions};
use super::{
    Advance, Bound, Command, Effect, Error, FailedWrite, Fence, Kind, Marker, Plan, Query, ReadById, Reply, Store,
    Write, WriteError, checks, ledger,
};
use crate::failpoint;
use crate::seeded::{self, Bug};

const DUPLICATE_KEY: i32 = 11_000;
/// A document or a command over 16 MiB: where a statement's error says it, it is that statement's.
const OF_A_DOCUMENT: [i32; 2] = [10_334, 17_420];
/// A transaction over the oplog's bound, or over the cache's.
const OVER_SIZE: [i32; 2] = [257, 388];
/// A command's own time is over, or the transaction's.
const OVER_TIME: [i32; 3] = [50, 262, 290];
/// The most bytes of documents that are kept by one command, where each is less.
const KEPT_BYTES: usize = 12 << 20;
/// How often a commit of which nobody knows the result is sent again before a claim has to settle it.
const COMMIT_TRIES: u32 = 3;

/// The session in which a group's transactions run, one after the other.
#[derive(Debug)]
pub struct Session {
    store: Store,
    session: Arc<dyn Transactions>,
}

/// An open transaction, for an event that runs alone: reads see its writes, writes act at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    data: Arc<str>,
    session: Arc<dyn Transactions>,
    /// What became of the transaction, where a handler's write has ended it and nobody is to blame.
    ended: Arc<OnceLock<Reply>>,
}

impl Store {
    /// Opens a session for transactions and stores its id.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn session(&self) -> Result<Session, Error> {
        Ok(Session { session: self.recorded_session().await?, store: self.clone() })
    }

    async fn recorded_session(&self) -> Result<Arc<dyn Transactions>, Error> {
        let session = self.wire.session().await?;
        self.record_session(&session.id()).await?;
        Ok(session)
    }
}

impl Session {
    /// Does everything that the plan says, or nothing of it.
    pub async fn commit(&mut self, plan: &Plan) -> Reply {
        if let Err(reply) = self.begin(plan).await {
            return reply;
        }
        failpoint::pass("before-commit");
        self.end().await
    }

    /// What MongoDB says to the plan, of which nothing is committed.
    pub async fn probe(&mut self, plan: &Plan) -> Reply {
        if let Err(reply) = self.begin(plan).await {
            return reply;
        }
        self.abort().await;
        Reply::Committed
    }

    async fn begin(&self, plan: &Plan) -> Result<(), Reply> {
        if seeded::on(Bug::ProgressFirst) {
            self.beside(&Plan { advances: plan.advances.clone(), ..Plan::default() }).await?;
        }
        if seeded::on(Bug::LedgerOutside) {
            self.beside(&Plan { markers: plan.markers.clone(), ..Plan::default() }).await?;
        }
        let w = if seeded::on(Bug::OneMember) { "1" } else { "majority" };
        self.session.start(w).await.map_err(|error| self.failed(error, None))?;
        let filled = self.fill(plan).await;
        if filled.is_err() {
            self.abort().await;
        }
        filled
    }

    /// A seeded bug's: in a transaction of its own.
    async fn beside(&self, plan: &Plan) -> Result<(), Reply> {
        self.session.start("majority").await.map_err(|error| self.failed(error, None))?;
        if let Err(reply) = async {
            self.advance(&plan.advances).await?;
            self.mark(&plan.markers).await
        }
        .await
        {
            self.abort().await;
            return Err(reply);
        }
        match self.end().await {
            Reply::Committed => Ok(()),
            reply => Err(reply),
        }
    }

    /// Opens a transaction for an event that runs alone; its fence comes first.
    ///
    /// # Errors
    /// [`Reply::LostClaim`] and what MongoDB answers.
    pub async fn open(&mut self, advance: &Advance) -> Result<Live, Reply> {
        self.session.start("majority").await.map_err(|error| self.failed(error, None))?;
        if let Err(reply) = self.advance(std::slice::from_ref(advance)).await {
            self.abort().await;
            return Err(reply);
        }
        let (data, session) = (Arc::clone(&self.store.data), Arc::clone(&self.session));
        Ok(Live { data, session, ended: Arc::default() })
    }

    /// Commits the transaction that is open, with the rest of the plan; its progress is already in it.
    pub async fn close(&mut self, plan: &Plan) -> Reply {
        let rest = Plan { advances: Vec::new(), ..plan.clone() };
        if let Err(reply) = self.fill(&rest).await {
            self.abort().await;
            return reply;
        }
        self.end().await
    }

    /// Throws the open transaction away.
    pub async fn abandon(&mut self) {
        self.abort().await;
    }

    /// Takes a new session where the client of the old one was given up.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn renew(&mut self) -> Result<(), Error> {
        self.session = self.store.recorded_session().await?;
        Ok(())
    }

    async fn fill(&self, plan: &Plan) -> Result<(), Reply> {
        if !seeded::on(Bug::ProgressFirst) {
            self.advance(&plan.advances).await?;
        }
        self.fence(&plan.fences).await?;
        if !seeded::on(Bug::LedgerOutside) {
            self.mark(&plan.markers).await?;
        }
        let data = &*self.store.data;
        let checked: &[ReadById] = if seeded::on(Bug::ReadsUnchecked) { &[] } else { &plan.checks };
        if !checks::hold(data, &*self.session, checked).await.map_err(|error| fault(&error))? {
            return Err(Reply::Changed);
        }
        for (place, command) in plan.commands.iter().enumerate() {
            run(data, &*self.session, command).await.map_err(|problem| self.reply(problem, place, command))?;
        }
        self.keep(PARKED, &plan.parked).await?;
        self.keep(RECORDS, &plan.records).await
    }

    async fn advance(&self, advances: &[Advance]) -> Result<(), Reply> {
        if advances.is_empty() {
            return Ok(());
        }
        let statements: Vec<Bson> =
            advances.iter().map(|advance| Bson::Document(advance.statement(&self.store.group))).collect();
        let command = raw(&doc! { "update": PROGRESS, "updates": statements })?;
        let reply = self.own(PROGRESS, command).await?;
        if matched(&reply) == advances.len() as u64 { Ok(()) } else { Err(Reply::LostClaim) }
    }

    /// Whether no sweep of the ledger has changed what was known when events were taken for new ones. Where a partition
    /// begins, a write tells, which a sweep that comes later waits for.
    async fn fence(&self, fences: &[Fence]) -> Result<(), Reply> {
        if fences.is_empty() {
            return Ok(());
        }
        let filter = |fence: &&Fence| fence.filter(&self.store.group);
        let (begin, stand): (Vec<&Fence>, Vec<&Fence>) = fences.iter().partition(|fence| fence.begins);
        if !begin.is_empty() {
            let statement = |q: Document| Bson::Document(doc! { "q": q, "u": { "$inc": { "begun": 1_i64 } } });
            let statements: Vec<Bson> = begin.iter().map(filter).map(statement).collect();
            let reply = self.own(GROUPS, raw(&doc! { "update": GROUPS, "updates": statements })?).await?;
            if matched(&reply) != begin.len() as u64 {
                return Err(Reply::SeenBefore);
            }
        }
        for fence in &stand {
            let command = doc! { "find": GROUPS, "filter": filter(fence), "limit": 1_i64, "singleBatch": true };
            let reply = self.own(GROUPS, raw(&command)?).await?;
            if super::first_batch(&reply).map_err(|error| fault(&error))?.is_empty() {
                return Err(Reply::SeenBefore);
            }
        }
        Ok(())
    }

    async fn mark(&self, markers: &[Marker]) -> Result<(), Reply> {
        let mut buckets: BTreeMap<i64, RawArrayBuf> = BTreeMap::new();
        for marker in markers {
            buckets.entry(marker.bucket).or_default().push(ledger::document(marker));
        }
        for (bucket, documents) in buckets {
            self.insert_all(&ledger::collection(bucket), documents).await?;
        }
        Ok(())
    }

    async fn insert_all(&self, collection: &str, documents: RawArrayBuf) -> Result<(), Reply> {
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("insert"), collection);
        command.append(cstr!("documents"), documents);
        self.own(collection, command).await.map(|_| ())
    }

    /// Keeps documents, unless they are there: a record may be accounted for a second time where somebody has set
    /// progress back, and what is known of it stays.
    async fn keep(&self, collection: &str, documents: &[RawDocumentBuf]) -> Result<(), Reply> {
        let statement = |document: &RawDocumentBuf| {
            let id = document.get("_id").ok().flatten().map_or(RawBson::Null, RawBson::from);
            rawdoc! { "q": { "_id": id }, "u": { "$setOnInsert": document.clone() }, "upsert": true }
        };
        let mut rest = documents;
        while let Some(first) = rest.first() {
            let mut bytes = first.as_bytes().len();
            let fits = rest[1..].iter().take_while(|document| {
                bytes += document.as_bytes().len();
                bytes <= KEPT_BYTES
            });
            let (now, later) = rest.split_at(1 + fits.count());
            rest = later;
            let mut command = RawDocumentBuf::new();
            command.append(cstr!("update"), collection);
            command.append(cstr!("updates"), now.iter().map(statement).collect::<RawArrayBuf>());
            self.own(collection, command).await?;
        }
        Ok(())
    }

    /// A command on Weir's own database in the transaction.
    async fn own(&self, collection: &str, command: RawDocumentBuf) -> Result<Document, Reply> {
        let reply = self.session.run(&self.store.own, command).await;
        let reply = reply.map_err(|error| self.failed(error, Some(collection)))?;
        match first_write_error(&reply) {
            Some((_, DUPLICATE_KEY, _)) => Err(Reply::SeenBefore),
            Some((_, code, why)) if is_conflict(code) => Err(Reply::Conflict { collection: collection.into(), why }),
            Some((_, code, message)) => Err(Reply::Transient(format!("{collection}: {message} (code {code})"))),
            None => Ok(reply),
        }
    }

    /// An error of a command as a whole, other than a handler's.
    fn failed(&self, error: wire::Error, collection: Option<&str>) -> Reply {
        if error.abandoned {
            self.store.owner.rename();
            return Reply::Unknown(error.message);
        }
        match problem(error) {
            Problem::TooLarge(Bound::Size, why) => Reply::TooLarge(Bound::Size, why),
            Problem::Conflict(why) if collection.is_some() => {
                Reply::Conflict { collection: collection.unwrap_or_default().into(), why }
            }
            // Out of time is no handler's doing here: MongoDB is slow.
            Problem::Conflict(why) | Problem::Transient(why) | Problem::TooLarge(Bound::Time, why) => {
                Reply::Transient(why)
            }
            Problem::Abandoned(why) => Reply::Unknown(why),
            Problem::Write { why, .. } => Reply::Transient(format!("{why:?}")),
        }
    }

    fn reply(&self, problem: Problem, command: usize, of: &Command) -> Reply {
        match problem {
            Problem::Write { statement, why } => {
                let only = (of.statements.len() == 1).then_some(0);
                Reply::Failed(FailedWrite { command, statement: statement.or(only), why })
            }
            Problem::TooLarge(bound, message) => Reply::TooLarge(bound, message),
            Problem::Conflict(why) => Reply::Conflict { collection: Arc::clone(&of.collection), why },
            Problem::Transient(message) => Reply::Transient(message),
            Problem::Abandoned(why) => {
                self.store.owner.rename();
                Reply::Unknown(why)
            }
        }
    }

    async fn end(&self) -> Reply {
        let mut tries = 1;
        loop {
            let Err(error) = self.session.commit().await else { return Reply::Committed };
            if error.abandoned {
                self.store.owner.rename();
                return Reply::Unknown(error.message);
            }
            if error.transient && !error.unknown {
                return Reply::Transient(error.message);
            }
            if !error.unknown || tries == COMMIT_TRIES {
                self.store.owner.rename();
                return Reply::Unknown(error.message);
            }
            tries += 1;
        }
    }

    /// Nothing hangs on it: what is not aborted ends by MongoDB's own bound, and the next transaction of the session
    /// ends it too.
    async fn abort(&self) {
        if let Err(error) = self.session.abort().await {
            tracing::debug!(%error, "abort_failed");
        }
    }
}

impl Live {
    /// As [`super::Reader::find`], in the transaction.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn find(&self, query: &Query) -> Result<Vec<RawDocumentBuf>, Error> {
        find_in(&self.data, &*self.session, query).await
    }

    /// As [`super::Reader::count`], in the transaction.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn count(&self, query: &Query) -> Result<u64, Error> {
        count_in(&self.data, &*self.session, query).await
    }

    /// Does a write in the transaction and says what it did.
    ///
    /// # Errors
    /// [`Error::MustMatch`] where a must-match write matched nothing, and what MongoDB answers.
    pub async fn write(&self, write: &Write) -> Result<Effect, Error> {
        let command = Command {
            collection: Arc::clone(&write.collection),
            kind: write.kind,
            must_match: write.must_match,
            statements: write.statements.clone(),
            owners: Vec::new(),
        };
        match run(&self.data, &*self.session, &command).await {
            Ok(reply) => Ok(effect(command.kind, &reply)),
            Err(Problem::Write { why: WriteError::MustMatch, .. }) => Err(Error::MustMatch),
            Err(Problem::Write { why: WriteError::Refused { code, message }, .. }) => {
                Err(Error::Refused { code, message })
            }
            Err(Problem::TooLarge(bound, message)) => self.fault(Reply::TooLarge(bound, message.clone()), message),
            Err(Problem::Conflict(message)) => {
                let collection = Arc::clone(&write.collection);
                self.fault(Reply::Conflict { collection, why: message.clone() }, message)
            }
            Err(Problem::Transient(message) | Problem::Abandoned(message)) => Err(Error::Fault(message)),
        }
    }

    fn fault(&self, reply: Reply, message: String) -> Result<Effect, Error> {
        // Only the first tells: what follows it is that the transaction is gone.
        let _ = self.ended.set(reply);
        Err(Error::Fault(message))
    }

    /// What became of the transaction, where a write has ended it: it was too large, or another was faster.
    #[must_use]
    pub fn ended(&self) -> Option<&Reply> {
        self.ended.get()
    }
}

/// Why a write command of a handler's did not do what it should.
enum Problem {
    Write { statement: Option<usize>, why: WriteError },
    TooLarge(Bound, String),
    Conflict(String),
    Transient(String),
    Abandoned(String),
}

async fn run(database: &str, session: &dyn Transactions, command: &Command) -> Result<Document, Problem> {
    let (name, list) = match command.kind {
        Kind::Insert => (cstr!("insert"), cstr!("documents")),
        Kind::Update => (cstr!("update"), cstr!("updates")),
        Kind::Delete => (cstr!("delete"), cstr!("deletes")),
    };
    let mut body = RawDocumentBuf::new();
    body.append(name, &*command.collection);
    body.append(list, command.statements.iter().cloned().collect::<RawArrayBuf>());
    let reply = session.run(database, body).await.map_err(problem)?;
    if let Some((statement, code, message)) = first_write_error(&reply) {
        return Err(if is_conflict(code) {
            Problem::Conflict(message)
        } else if let Some(bound) = bound(code).filter(|_| !OF_A_DOCUMENT.contains(&code)) {
            Problem::TooLarge(bound, message)
        } else if is_passing(code) {
            Problem::Transient(message)
        } else {
            Problem::Write { statement, why: WriteError::Refused { code, message } }
        });
    }
    // Statements that must match are single ones, so that their number and `n` tell; a multi statement stands alone.
    if command.must_match && matched(&reply) < command.statements.len() as u64 {
        return Err(Problem::Write { statement: None, why: WriteError::MustMatch });
    }
    Ok(reply)
}

fn problem(error: wire::Error) -> Problem {
    if error.abandoned {
        return Problem::Abandoned(error.message);
    }
    match error.code {
        Some(code) if is_conflict(code) => Problem::Conflict(error.message),
        _ if error.transient || error.denied => Problem::Transient(error.message),
        Some(code) if let Some(bound) = bound(code) => Problem::TooLarge(bound, error.message),
        Some(code) if is_passing(code) => Problem::Transient(error.message),
        Some(code) => Problem::Write { statement: None, why: WriteError::Refused { code, message: error.message } },
        None if error.oversized => Problem::TooLarge(Bound::Size, error.message),
        None => Problem::Transient(error.message),
    }
}

/// An error of a read that MongoDB has answered before.
fn fault(error: &Error) -> Reply {
    Reply::Transient(error.to_string())
}

/// Which of MongoDB's bounds of a transaction a code tells of.
fn bound(code: i32) -> Option<Bound> {
    if OVER_TIME.contains(&code) {
        Some(Bound::Time)
    } else if OVER_SIZE.contains(&code) || OF_A_DOCUMENT.contains(&code) {
        Some(Bound::Size)
    } else {
        None
    }
}

/// `WriteConflict`. A `NoSuchTransaction` that follows another error says nothing of its own.
fn is_conflict(code: i32) -> bool {
    code == 112
}

fn raw(document: &Document) -> Result<RawDocumentBuf, Reply> {
    RawDocumentBuf::try_from(document).map_err(|error| Reply::Transient(error.to_string()))
}

/// The first error of a reply: where, its code, its words. `ok: 1` says nothing of it.
pub(super) fn first_write_error(reply: &Document) -> Option<(Option<usize>, i32, String)> {
    if seeded::on(Bug::WriteErrorsIgnored) {
        return None;
    }
    let error = match reply.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
        Some(error) => error.as_document()?,
        None => reply.get_document("writeConcernError").ok()?,
    };
    let index = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok());
    let message = error.get_str("errmsg").unwrap_or("no message").to_owned();
    Some((index, error.get_i32("code").unwrap_or_default(), message))
}

fn matched(reply: &Document) -> u64 {
    unsigned(reply, "n")
}

fn unsigned(reply: &Document, name: &str) -> u64 {
    match reply.get(name) {
        Some(Bson::Int32(n)) => u64::try_from(*n).unwrap_or(0),
        Some(Bson::Int64(n)) => u64::try_from(*n).unwrap_or(0),
        _ => 0,
    }
}

fn effect(kind: Kind, reply: &Document) -> Effect {
    let n = matched(reply);
    match kind {
        Kind::Insert => Effect { inserted: n, ..Effect::default() },
        Kind::Delete => Effect { deleted: n, ..Effect::default() },
        Kind::Update => {
            let upserted = reply.get_array("upserted").ok().and_then(|list| list.first()).and_then(Bson::as_document);
            Effect {
                // MongoDB counts an inserted document as matched here.
                matched: n - u64::from(upserted.is_some()).min(n),
                modified: unsigned(reply, "nModified"),
                upserted_id: upserted.and_then(|entry| entry.get("_id")).cloned(),
                ..Effect::default()
            }
        }
    }
}
