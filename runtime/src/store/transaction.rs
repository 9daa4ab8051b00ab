//! One transaction: the fence, the marks, the checks, the writes, what is parked; and what MongoDB said to it.

use std::sync::Arc;

use bson::{Bson, Document, RawArrayBuf, RawDocumentBuf, cstr, doc};
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{ReadConcern, TransactionOptions, WriteConcern};
use mongodb::{ClientSession, Database};
use tokio::sync::Mutex;

use super::collections::{LEDGER, PARKED, PROGRESS, RECORDS};
use super::reader::{count_in, find_in, to_its_end};
use super::{
    Advance, Command, Effect, Error, FailedWrite, Kind, Marker, Plan, Query, Reply, Store, Write, WriteError, checks,
    ledger,
};

const DUPLICATE_KEY: i32 = 11_000;
/// A document or a command over 16 MiB, a transaction over the cache's or the oplog's bound, or over its time.
const TOO_LARGE: [i32; 5] = [10_334, 17_420, 257, 262, 290];
/// How often a commit of which nobody knows the result is sent again before a claim has to settle it.
const COMMIT_TRIES: u32 = 3;

/// The session in which a group's transactions run, one after the other.
#[derive(Debug)]
pub struct Session {
    store: Store,
    session: Arc<Mutex<ClientSession>>,
}

/// An open transaction, for an event that runs alone: reads see its writes, writes act at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    data: Database,
    session: Arc<Mutex<ClientSession>>,
}

impl Store {
    /// Opens a session for transactions and stores its id.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn session(&self) -> Result<Session, Error> {
        let session = self.client.start_session().await?;
        self.record_session(session.id()).await?;
        Ok(Session { store: self.clone(), session: Arc::new(Mutex::new(session)) })
    }
}

impl Session {
    /// Does everything that the plan says, or nothing of it.
    pub async fn commit(&mut self, plan: &Plan) -> Reply {
        let session = Arc::clone(&self.session);
        let mut session = session.lock().await;
        if let Err(error) = start(&mut session).await {
            return transient(error);
        }
        if let Err(reply) = self.fill(&mut session, plan).await {
            abort(&mut session).await;
            return reply;
        }
        commit(&mut session).await
    }

    /// Opens a transaction for an event that runs alone; its fence comes first.
    ///
    /// # Errors
    /// [`Reply::LostClaim`] and what MongoDB answers.
    pub async fn open(&mut self, advance: &Advance) -> Result<Live, Reply> {
        let session = Arc::clone(&self.session);
        let mut session = session.lock().await;
        start(&mut session).await.map_err(transient)?;
        if let Err(reply) = self.advance(&mut session, std::slice::from_ref(advance)).await {
            abort(&mut session).await;
            return Err(reply);
        }
        Ok(Live { data: self.store.data.clone(), session: Arc::clone(&self.session) })
    }

    /// Commits the transaction that is open, with the rest of the plan; its progress is already in it.
    pub async fn close(&mut self, plan: &Plan) -> Reply {
        let session = Arc::clone(&self.session);
        let mut session = session.lock().await;
        let rest = Plan { advances: Vec::new(), ..plan.clone() };
        if let Err(reply) = self.fill(&mut session, &rest).await {
            abort(&mut session).await;
            return reply;
        }
        commit(&mut session).await
    }

    /// Throws the open transaction away.
    pub async fn abandon(&mut self) {
        abort(&mut *self.session.lock().await).await;
    }

    async fn fill(&self, session: &mut ClientSession, plan: &Plan) -> Result<(), Reply> {
        self.advance(session, &plan.advances).await?;
        self.mark(session, &plan.markers).await?;
        if !checks::hold(&self.store.data, session, &plan.checks).await.map_err(|error| fault(&error))? {
            return Err(Reply::Changed);
        }
        for (place, command) in plan.commands.iter().enumerate() {
            run(&self.store.data, session, command)
                .await
                .map_err(|problem| problem.into_reply(place, command.statements.len()))?;
        }
        self.insert(session, PARKED, &plan.parked).await?;
        self.insert(session, RECORDS, &plan.records).await
    }

    async fn advance(&self, session: &mut ClientSession, advances: &[Advance]) -> Result<(), Reply> {
        if advances.is_empty() {
            return Ok(());
        }
        let statements: Vec<Bson> =
            advances.iter().map(|advance| Bson::Document(advance.statement(&self.store.group))).collect();
        let reply = self.own(session, doc! { "update": PROGRESS, "updates": statements }).await?;
        match first_write_error(&reply) {
            Some((_, code, message)) => Err(refused_own(PROGRESS, code, &message)),
            None if matched(&reply) == advances.len() as u64 => Ok(()),
            None => Err(Reply::LostClaim),
        }
    }

    async fn mark(&self, session: &mut ClientSession, markers: &[Marker]) -> Result<(), Reply> {
        if markers.is_empty() {
            return Ok(());
        }
        let documents: RawArrayBuf = markers.iter().map(ledger::document).collect();
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("insert"), LEDGER);
        command.append(cstr!("documents"), documents);
        let reply = self.store.own.run_raw_command(command).session(session).await.map_err(|error| own(&error))?;
        match first_write_error(&reply) {
            Some((_, DUPLICATE_KEY, _)) => Err(Reply::SeenBefore),
            Some((_, code, message)) => Err(refused_own(LEDGER, code, &message)),
            None => Ok(()),
        }
    }

    /// Inserts into a collection of Weir's own. A parked delivery has an `_id` of its own making, so one that is there
    /// already means that this event is accounted for; a record may be there for another handler's sake.
    async fn insert(
        &self,
        session: &mut ClientSession,
        collection: &str,
        documents: &[RawDocumentBuf],
    ) -> Result<(), Reply> {
        if documents.is_empty() {
            return Ok(());
        }
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("insert"), collection);
        command.append(cstr!("documents"), documents.iter().cloned().collect::<RawArrayBuf>());
        let reply = self.store.own.run_raw_command(command).session(session).await.map_err(|error| own(&error))?;
        match first_write_error(&reply) {
            Some((_, DUPLICATE_KEY, _)) => Err(Reply::SeenBefore),
            Some((_, code, message)) => Err(refused_own(collection, code, &message)),
            None => Ok(()),
        }
    }

    async fn own(&self, session: &mut ClientSession, command: Document) -> Result<Document, Reply> {
        self.store.own.run_command(command).session(session).await.map_err(|error| own(&error))
    }
}

impl Live {
    /// As [`super::Reader::find`], in the transaction.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn find(&self, query: &Query) -> Result<Vec<RawDocumentBuf>, Error> {
        let (live, query) = (self.clone(), query.clone());
        to_its_end(async move { find_in(&live.data, &mut *live.session.lock().await, &query).await }).await
    }

    /// As [`super::Reader::count`], in the transaction.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn count(&self, query: &Query) -> Result<u64, Error> {
        let (live, query) = (self.clone(), query.clone());
        to_its_end(async move { count_in(&live.data, &mut *live.session.lock().await, &query).await }).await
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
        let live = self.clone();
        to_its_end(async move {
            let mut session = live.session.lock().await;
            match run(&live.data, &mut session, &command).await {
                Ok(reply) => Ok(effect(command.kind, &reply)),
                Err(Problem::Write { why: WriteError::MustMatch, .. }) => Err(Error::MustMatch),
                Err(Problem::Write { why: WriteError::Refused { code, message }, .. }) => {
                    Err(Error::Refused { code, message })
                }
                Err(Problem::TooLarge(message) | Problem::Transient(message)) => Err(Error::Fault(message)),
            }
        })
        .await
    }
}

/// Why a write command of a handler's did not do what it should.
enum Problem {
    Write { statement: Option<usize>, why: WriteError },
    TooLarge(String),
    Transient(String),
}

impl Problem {
    fn into_reply(self, command: usize, statements: usize) -> Reply {
        match self {
            Self::Write { statement, why } => {
                let only = (statements == 1).then_some(0);
                Reply::Failed(FailedWrite { command, statement: statement.or(only), why })
            }
            Self::TooLarge(message) => Reply::TooLarge(message),
            Self::Transient(message) => Reply::Transient(message),
        }
    }
}

async fn run(database: &Database, session: &mut ClientSession, command: &Command) -> Result<Document, Problem> {
    let (name, list) = match command.kind {
        Kind::Insert => (cstr!("insert"), cstr!("documents")),
        Kind::Update => (cstr!("update"), cstr!("updates")),
        Kind::Delete => (cstr!("delete"), cstr!("deletes")),
    };
    let mut body = RawDocumentBuf::new();
    body.append(name, &*command.collection);
    body.append(list, command.statements.iter().cloned().collect::<RawArrayBuf>());
    let reply = database.run_raw_command(body).session(session).await.map_err(|error| problem(&error))?;
    if let Some((statement, code, message)) = first_write_error(&reply) {
        return Err(if is_conflict(code) {
            Problem::Transient(message)
        } else if TOO_LARGE[2..].contains(&code) {
            Problem::TooLarge(message)
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

fn problem(error: &mongodb::error::Error) -> Problem {
    if error.contains_label(TRANSIENT_TRANSACTION_ERROR) {
        return Problem::Transient(error.to_string());
    }
    match error.kind.as_ref() {
        mongodb::error::ErrorKind::Command(command) if TOO_LARGE.contains(&command.code) => {
            Problem::TooLarge(command.message.clone())
        }
        mongodb::error::ErrorKind::Command(command) => Problem::Write {
            statement: None,
            why: WriteError::Refused { code: command.code, message: command.message.clone() },
        },
        mongodb::error::ErrorKind::InvalidArgument { message, .. } => Problem::TooLarge(message.clone()),
        kind => Problem::Transient(kind.to_string()),
    }
}

/// An error of a command on Weir's own collections.
fn own(error: &mongodb::error::Error) -> Reply {
    match problem(error) {
        Problem::TooLarge(message) => Reply::TooLarge(message),
        Problem::Transient(message) => Reply::Transient(message),
        Problem::Write { why, .. } => Reply::Transient(format!("{why:?}")),
    }
}

/// An error of a read that MongoDB has answered before.
fn fault(error: &Error) -> Reply {
    Reply::Transient(error.to_string())
}

fn refused_own(collection: &str, code: i32, message: &str) -> Reply {
    Reply::Transient(format!("{collection}: {message} (code {code})"))
}

fn is_conflict(code: i32) -> bool {
    matches!(code, 112 | 251)
}

async fn start(session: &mut ClientSession) -> Result<(), mongodb::error::Error> {
    let options = TransactionOptions::builder()
        .read_concern(ReadConcern::snapshot())
        .write_concern(WriteConcern::majority())
        .build();
    session.start_transaction().with_options(options).await
}

fn transient(error: impl std::fmt::Display) -> Reply {
    Reply::Transient(error.to_string())
}

/// Nothing hangs on it: what is not aborted ends by MongoDB's own bound, and the next transaction of the session ends
/// it too.
async fn abort(session: &mut ClientSession) {
    if let Err(error) = session.abort_transaction().await {
        tracing::debug!(%error, "abort_failed");
    }
}

async fn commit(session: &mut ClientSession) -> Reply {
    let mut tries = 1;
    loop {
        let Err(error) = session.commit_transaction().await else { return Reply::Committed };
        let unknown = error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT);
        if error.contains_label(TRANSIENT_TRANSACTION_ERROR) && !unknown {
            return Reply::Transient(error.to_string());
        }
        if !unknown || tries == COMMIT_TRIES {
            return Reply::Unknown(error.to_string());
        }
        tries += 1;
    }
}

/// The first error of a reply: where, its code, its words. `ok: 1` says nothing of it.
fn first_write_error(reply: &Document) -> Option<(Option<usize>, i32, String)> {
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
