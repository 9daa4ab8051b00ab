//! One transaction: the fence, markers, checks, writes and parked deliveries, and MongoDB's answer. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document, RawArrayBuf, RawBson, RawDocumentBuf, cstr, doc, rawdoc};
use serde::Serialize;

use super::codes::{DUPLICATE_KEY, WRITE_CONFLICT};
use super::collections::{GROUPS, PARKED, RECORDS};
use super::command::run;
use super::live::Live;
use super::plan::advances;
use super::problem::{Problem, first_write_error, matched};
use super::wire::{self, MAX_TIME, Transactions};
use super::{
    Command, Error, FailedWrite, FaultKind, FaultyCommand, Fence, FloorFence, Marker, ParkedChange, Plan, ReadById,
    Reply, Store, checks, ledger,
};
use crate::failpoint;
use crate::seeded::{self, Bug};

/// The longest time for one command of the handlers. Three tries of it must not delay the others for long.
const HANDLERS_TIME: Duration = Duration::from_secs(10);
/// The most bytes of documents that one command keeps, unless a single document is larger.
const KEPT_BYTES: usize = 12 << 20;
/// How often a commit with an unknown result is sent before a claim has to settle it.
const COMMIT_TRIES: u32 = 3;
/// How often an abort is sent that is not answered.
const ABORT_TRIES: u32 = 3;

/// The session in which a group's transactions run, one after another.
#[derive(Debug)]
pub struct Session {
    store: Store,
    session: Arc<dyn Transactions>,
}

impl Store {
    /// Opens a session for transactions and stores its id.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
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
    /// Commits everything in the plan, or nothing.
    pub async fn commit(&mut self, plan: &Plan) -> Reply {
        if let Err(reply) = self.begin(plan).await {
            return reply;
        }
        failpoint::pass("before-commit");
        self.end().await
    }

    /// Returns MongoDB's answer to the plan without committing anything.
    pub async fn probe(&mut self, plan: &Plan) -> Reply {
        if let Err(reply) = self.begin(plan).await {
            return reply;
        }
        self.abort().await;
        Reply::Committed
    }

    async fn begin(&self, plan: &Plan) -> Result<(), Reply> {
        if seeded::on(Bug::ProgressFirst) {
            let fences = plan.advances().cloned().map(Fence::Progress).collect();
            self.beside(&Plan { fences, ..Plan::default() }).await?;
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

    /// Runs part of a plan in a transaction of its own, for a seeded bug.
    async fn beside(&self, plan: &Plan) -> Result<(), Reply> {
        self.session.start("majority").await.map_err(|error| self.failed(error, None))?;
        if let Err(reply) = async {
            self.advance(&plan.fences).await?;
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

    /// Opens a transaction for an event that runs alone. Its fences by progress come first.
    ///
    /// # Errors
    /// [`Reply::LostClaim`]. Also fails if MongoDB refuses a command or does not answer.
    pub async fn open(&mut self, fences: &[Fence]) -> Result<Live, Reply> {
        self.session.start("majority").await.map_err(|error| self.failed(error, None))?;
        if let Err(reply) = self.advance(fences).await {
            self.abort().await;
            return Err(reply);
        }
        Ok(Live::new(Arc::clone(&self.store.data), Arc::clone(&self.session)))
    }

    /// Commits the open transaction with the rest of the plan. Its progress is already in the transaction.
    pub async fn close(&mut self, plan: &Plan) -> Reply {
        let mut rest = plan.clone();
        rest.drop_advances();
        if let Err(reply) = self.fill(&rest).await {
            self.abort().await;
            return reply;
        }
        self.end().await
    }

    /// Aborts the open transaction.
    pub async fn abandon(&mut self) {
        self.abort().await;
    }

    /// Leaves the open transaction to the next claim, which ends it. An operation that nobody waits for still has the
    /// session.
    pub fn forsake(&mut self) {
        self.store.owner.rename();
    }

    /// Opens a new session after the client of the old one was abandoned.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn renew(&mut self) -> Result<(), Error> {
        self.session = self.store.recorded_session().await?;
        Ok(())
    }

    async fn fill(&self, plan: &Plan) -> Result<(), Reply> {
        if !seeded::on(Bug::ProgressFirst) {
            self.advance(&plan.fences).await?;
        }
        if !seeded::on(Bug::FloorUnfenced) {
            self.check_floors(&plan.fences).await?;
        }
        if !seeded::on(Bug::LedgerOutside) {
            self.mark(&plan.markers).await?;
        }
        let data = &*self.store.data;
        let checked: &[ReadById] = if seeded::on(Bug::ReadsUnchecked) { &[] } else { &plan.checks };
        let held = checks::hold(data, &*self.session, checked).await;
        let held = held.or_else(|error| seeded::on(Bug::FailedCheckPasses).then_some(true).ok_or(error));
        if !held.map_err(|error| self.unchecked(error))? {
            return Err(Reply::Changed);
        }
        for (place, command) in plan.commands.iter().enumerate() {
            let done = run(data, &*self.session, command, HANDLERS_TIME).await;
            done.map_err(|problem| self.reply(problem, place, command))?;
        }
        self.keep(PARKED, &plan.parked, |_| 0).await?;
        self.keep(RECORDS, &plan.records, |part| part.users).await?;
        self.change_parked(&plan.changes).await
    }

    /// Advances the partitions, each only if its progress is still as it was under the claim. A statement must always
    /// change its document: an update without effect takes no conflict with another owner's.
    async fn advance(&self, fences: &[Fence]) -> Result<(), Reply> {
        let statements: Vec<Bson> =
            advances(fences).map(|advance| Bson::Document(advance.statement(&self.store.ownership))).collect();
        let partitions = statements.len() as u64;
        if partitions == 0 {
            return Ok(());
        }
        let collection = self.store.ownership.collection();
        let command = raw(&doc! { "update": collection, "updates": statements })?;
        let reply = self.own(collection, command).await?;
        if matched(&reply) == partitions { Ok(()) } else { Err(Reply::LostClaim) }
    }

    /// Checks that no sweep of the ledger has changed the state based on which events were treated as new. If a
    /// partition begins, the check is a write, which a later sweep waits for.
    async fn check_floors(&self, fences: &[Fence]) -> Result<(), Reply> {
        let floors = fences.iter().filter_map(|fence| match fence {
            Fence::Floor(floor) => Some(floor),
            Fence::Progress(_) => None,
        });
        let filter = |fence: &&FloorFence| fence.filter(&self.store.group);
        let (begin, stand): (Vec<&FloorFence>, Vec<&FloorFence>) = floors.partition(|fence| fence.begins);
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
            if super::first_batch(&reply).map_err(|error| Reply::Transient(error.to_string()))?.is_empty() {
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

    /// Keeps documents unless they exist already. If progress was reset by hand, a record may be accounted for a second
    /// time, and what is known of it must stay. `users` tells how many more documents need this one.
    async fn keep<T: Serialize>(
        &self,
        collection: &str,
        documents: &[T],
        users: impl Fn(&T) -> i32,
    ) -> Result<(), Reply> {
        let (mut statements, mut bytes) = (RawArrayBuf::new(), 0);
        for kept in documents {
            let document = bson::serialize_to_raw_document_buf(kept).map_err(unwritten)?;
            let more = document.as_bytes().len();
            if bytes > 0 && bytes + more > KEPT_BYTES {
                self.keep_now(collection, std::mem::take(&mut statements)).await?;
                bytes = 0;
            }
            bytes += more;
            let id = document.get("_id").ok().flatten().map_or(RawBson::Null, RawBson::from);
            let mut update = rawdoc! { "$setOnInsert": document };
            if users(kept) > 0 {
                update.append(cstr!("$inc"), rawdoc! { "users": users(kept) });
            }
            statements.push(rawdoc! { "q": { "_id": id }, "u": update, "upsert": true });
        }
        if bytes > 0 { self.keep_now(collection, statements).await } else { Ok(()) }
    }

    async fn keep_now(&self, collection: &str, statements: RawArrayBuf) -> Result<(), Reply> {
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("update"), collection);
        command.append(cstr!("updates"), statements);
        self.own(collection, command).await.map(drop)
    }

    /// Changes documents of `parked`, each of which must still be as it was, and drops the records that no document
    /// needs any more.
    async fn change_parked(&self, changes: &[ParkedChange]) -> Result<(), Reply> {
        let updates: Vec<Bson> = changes.iter().filter_map(ParkedChange::update).map(Bson::Document).collect();
        let released: Vec<&ParkedChange> = changes.iter().filter(|change| change.update().is_none()).collect();
        if !updates.is_empty() {
            let expected = updates.len() as u64;
            let reply = self.own(PARKED, raw(&doc! { "update": PARKED, "updates": updates })?).await?;
            if matched(&reply) != expected {
                return Err(Reply::SeenBefore);
            }
        }
        if released.is_empty() {
            return Ok(());
        }
        if !seeded::on(Bug::ReleasedTwice) {
            let deletes: Vec<Bson> =
                released.iter().map(|change| Bson::Document(doc! { "q": change.filter(), "limit": 1 })).collect();
            let reply = self.own(PARKED, raw(&doc! { "delete": PARKED, "deletes": deletes })?).await?;
            if matched(&reply) != released.len() as u64 {
                return Err(Reply::SeenBefore);
            }
        }
        let parts = || released.iter().flat_map(|change| change.record_parts());
        let fewer: Vec<Bson> = parts()
            .map(|id| {
                Bson::Document(doc! {
                    "q": { "_id": id, "users": { "$exists": true } }, "u": { "$inc": { "users": -1 } },
                })
            })
            .collect();
        self.own(RECORDS, raw(&doc! { "update": RECORDS, "updates": fewer })?).await?;
        let unused = |id| Bson::Document(doc! { "q": { "_id": id, "users": { "$lte": 0 } }, "limit": 1 });
        let unused: Vec<Bson> = parts().map(unused).collect();
        self.own(RECORDS, raw(&doc! { "delete": RECORDS, "deletes": unused })?).await.map(drop)
    }

    /// Runs a command on Weir's own database in the transaction.
    async fn own(&self, collection: &str, command: RawDocumentBuf) -> Result<Document, Reply> {
        let reply = self.session.run(&self.store.own, command, MAX_TIME).await;
        let reply = reply.map_err(|error| self.failed(error, Some(collection)))?;
        match first_write_error(&reply) {
            Some((_, DUPLICATE_KEY, _)) => Err(Reply::SeenBefore),
            Some((_, WRITE_CONFLICT, why)) => Err(Reply::Conflict { collection: collection.into(), why }),
            Some((_, code, message)) => Err(Reply::Transient(format!("{collection}: {message} (code {code})"))),
            None => Ok(reply),
        }
    }

    /// Classifies an error of a command as a whole, other than a handler's.
    fn failed(&self, error: wire::Error, collection: Option<&str>) -> Reply {
        match Problem::of(error) {
            Problem::TooLarge(why) => Reply::TooLarge(why),
            Problem::Conflict(why) if collection.is_some() => {
                Reply::Conflict { collection: collection.unwrap_or_default().into(), why }
            }
            Problem::Conflict(why) | Problem::Fault(_, why) => Reply::Transient(why),
            Problem::Abandoned(why) => {
                self.store.owner.rename();
                Reply::Unknown(why)
            }
            Problem::Write { why, .. } => Reply::Transient(format!("{why:?}")),
        }
    }

    /// Classifies the failure of a read that MongoDB answered before. Without an answer now, what was read counts as
    /// changed.
    fn unchecked(&self, error: wire::Error) -> Reply {
        match Problem::of(error) {
            Problem::Fault(FaultKind::Unanswered, why) => Reply::Unchecked(why),
            Problem::Conflict(why) => Reply::Transient(why),
            Problem::Abandoned(why) => {
                self.store.owner.rename();
                Reply::Unknown(why)
            }
            Problem::Fault(..) | Problem::Write { .. } | Problem::TooLarge(_) => Reply::Changed,
        }
    }

    fn reply(&self, problem: Problem, command: usize, of: &Command) -> Reply {
        match problem {
            Problem::Write { statement, why } => {
                let only = (of.statements.len() == 1).then_some(0);
                Reply::Failed(FailedWrite { command, statement: statement.or(only), why })
            }
            Problem::TooLarge(why) => Reply::TooLarge(why),
            Problem::Conflict(why) => Reply::Conflict { collection: Arc::clone(&of.collection), why },
            Problem::Fault(kind, why) => Reply::Faulty(FaultyCommand { command, kind, why }),
            Problem::Abandoned(why) => {
                self.store.owner.rename();
                Reply::Abandoned(FaultyCommand { command, kind: FaultKind::Slow, why })
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
            // If the server definitely refuses a commit, it has aborted the transaction. If that is ever wrong, the
            // fence shows it.
            if !error.unknown && (error.transient || error.code.is_some()) {
                return Reply::Uncommitted { code: error.code, why: error.message };
            }
            if !error.unknown || tries == COMMIT_TRIES {
                self.store.owner.rename();
                return Reply::Unknown(error.message);
            }
            tries += 1;
        }
    }

    /// A transaction that is not aborted ends with the next one of the session, or by MongoDB's own time limit of a
    /// minute. It would hold up the next claim of its partitions for as long, so this is tried more than once.
    async fn abort(&self) {
        for _ in 0..ABORT_TRIES {
            match self.session.abort().await {
                Err(error) if error.code.is_none() && !error.abandoned => tracing::debug!(%error, "abort_failed"),
                _ => return,
            }
        }
    }
}

fn raw(document: &Document) -> Result<RawDocumentBuf, Reply> {
    RawDocumentBuf::try_from(document).map_err(unwritten)
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of a result")]
fn unwritten(error: bson::error::Error) -> Reply {
    Reply::Transient(error.to_string())
}
