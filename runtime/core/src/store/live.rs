//! An open transaction, for an event that runs alone: reads see its writes, and writes take effect at once. Pure.
//!
//! Invariant: MongoDB aborts a transaction at the first statement that fails, so nothing is sent after that. Each later
//! call returns the same error, and the effect of the first failure on the transaction is remembered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf};

use super::command::run;
use super::problem::{Problem, matched, of_read, unsigned};
use super::reader::{count_in, find_in};
use super::wire::{self, Transactions};
use super::{Command, Effect, Error, FaultKind, FaultyCommand, Kind, Query, Reply, Write, WriteError};
use crate::seeded::{self, Bug};

/// An open transaction. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    data: Arc<str>,
    session: Arc<dyn Transactions>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// A statement is in flight, even if its caller no longer waits for it.
    busy: AtomicBool,
    /// The first statement that failed.
    failed: OnceLock<Failed>,
}

#[derive(Debug)]
struct Failed {
    error: Error,
    /// What became of the transaction, if the statement was not simply refused.
    reply: Option<Reply>,
}

impl Live {
    pub(super) fn new(data: Arc<str>, session: Arc<dyn Transactions>) -> Self {
        Self { data, session, state: Arc::default() }
    }

    /// Like [`super::Reader::find`], in the transaction.
    ///
    /// # Errors
    /// Fails if MongoDB refuses this command or does not answer it, or if an earlier statement failed.
    pub async fn find(&self, query: &Query, time: Duration) -> Result<Vec<RawDocumentBuf>, Error> {
        self.begin()?;
        let found = find_in(&self.data, &*self.session, query, time).await;
        self.read(query, found)
    }

    /// Like [`super::Reader::count`], in the transaction.
    ///
    /// # Errors
    /// Fails if MongoDB refuses this command or does not answer it, or if an earlier statement failed.
    pub async fn count(&self, query: &Query, time: Duration) -> Result<u64, Error> {
        self.begin()?;
        let found = count_in(&self.data, &*self.session, query, time).await;
        self.read(query, found)
    }

    fn read<T>(&self, query: &Query, found: Result<Result<T, Error>, wire::Error>) -> Result<T, Error> {
        self.end();
        match found {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(self.fail(error, None)),
            Err(error) => Err(match of_read(error) {
                Ok(error) => self.fail(error, None),
                Err(problem) => self.fail_with(problem, &query.collection),
            }),
        }
    }

    /// Runs a write in the transaction and returns its effect.
    ///
    /// # Errors
    /// [`Error::MustMatch`] if a must-match write matched nothing. Also fails if MongoDB refuses this command or does
    /// not answer it, or if an earlier statement failed.
    pub async fn write(&self, write: &Write, time: Duration) -> Result<Effect, Error> {
        self.begin()?;
        let command = Command {
            collection: Arc::clone(&write.collection),
            kind: write.kind,
            must_match: write.must_match,
            statements: write.statements.clone(),
            owners: Vec::new(),
        };
        let done = run(&self.data, &*self.session, &command, time).await;
        self.end();
        match done {
            Ok(reply) => Ok(effect(command.kind, &reply)),
            Err(problem) => Err(self.fail_with(problem, &write.collection)),
        }
    }

    fn begin(&self) -> Result<(), Error> {
        if let Some(failed) = self.state.failed.get()
            && !seeded::on(Bug::RefusalForgotten)
        {
            return Err(failed.error.clone());
        }
        self.state.busy.store(true, Ordering::Release);
        Ok(())
    }

    fn end(&self) {
        self.state.busy.store(false, Ordering::Release);
    }

    fn fail(&self, error: Error, reply: Option<Reply>) -> Error {
        let _ = self.state.failed.set(Failed { error: error.clone(), reply });
        error
    }

    fn fail_with(&self, problem: Problem, collection: &Arc<str>) -> Error {
        let faulty = |kind, why: &str| Reply::Faulty(FaultyCommand { command: 0, kind, why: why.to_owned() });
        let (error, reply) = match problem {
            Problem::Write { why: WriteError::MustMatch, .. } => (Error::MustMatch, None),
            Problem::Write { why: WriteError::Refused { code, message }, .. } => {
                (Error::Refused { code, message }, None)
            }
            Problem::TooLarge(why) => (Error::Fault(why.clone()), Some(Reply::TooLarge(why))),
            Problem::Conflict(why) => {
                let collection = Arc::clone(collection);
                (Error::Fault(why.clone()), Some(Reply::Conflict { collection, why }))
            }
            Problem::Fault(kind, why) => {
                let reply = faulty(kind, &why);
                let error = match kind {
                    FaultKind::Slow => Error::Slow(why),
                    FaultKind::Unauthorized => Error::Unauthorized(why),
                    FaultKind::Unanswered => Error::Fault(why),
                };
                (error, Some(reply))
            }
            Problem::Abandoned(why) => (Error::Slow(why.clone()), Some(Reply::Unknown(why))),
        };
        self.fail(error, reply)
    }

    /// Returns what became of the transaction if a statement has ended it and was not simply refused. A statement whose
    /// caller stopped waiting still has the session, so only a claim can end the transaction.
    #[must_use]
    pub fn ended(&self) -> Option<Reply> {
        if self.state.busy.load(Ordering::Acquire) {
            return Some(Reply::Unknown("a statement did not end in time".to_owned()));
        }
        self.state.failed.get()?.reply.clone()
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
                // MongoDB's count of matched documents includes the upserted one.
                matched: n - u64::from(upserted.is_some()).min(n),
                modified: unsigned(reply, "nModified"),
                upserted_id: upserted.and_then(|entry| entry.get("_id")).cloned(),
                ..Effect::default()
            }
        }
    }
}
