//! The contract's `documents` interface. It checks and counts what a handler asks of MongoDB, and keeps it or passes it
//! on.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::RawDocumentBuf;

use super::State;
use super::bindings::weir::handler::{documents, types};
use super::cause::{Abandoned, CallError};
use weir_core::call::Fault;
use weir_core::documents::request::{self, Origin, Verb};
use weir_core::documents::view::Source;
use weir_core::documents::{Code, Refusal, ejson};
use weir_core::store::{self, FaultKind, Query, Write};

/// How much longer than its own time limit MongoDB's reply may take, because MongoDB checks the limit only now and
/// then, and replies take time to arrive.
const GRACE: Duration = Duration::from_secs(2);

type Answer<T> = Result<T, CallError>;

/// A call that has been counted: its function, and the bytes of its texts.
#[derive(Clone, Copy)]
struct Asked {
    verb: Verb,
    bytes: usize,
}

impl types::Host for State {
    fn convert_error(&mut self, error: CallError) -> wasmtime::Result<types::Error> {
        match error {
            CallError::Refused(refusal) => {
                self.refused(&refusal);
                Ok(types::Error { code: refusal.code.as_str().to_owned(), message: refusal.text() })
            }
            CallError::Ended(error) => Err(error),
        }
    }
}

impl documents::Host for State {
    async fn find_one(&mut self, name: String, filter: String, options: Option<String>) -> Answer<Option<String>> {
        let asked = self.asked(Verb::FindOne, &[&name, &filter], options.as_ref())?;
        let query = self.query(asked, &name, &filter, options.as_deref())?;
        let found = self.read(Verb::FindOne, query).await?;
        found.first().map(|document| self.give(document)).transpose()
    }

    async fn find(&mut self, name: String, filter: String, options: Option<String>) -> Answer<Vec<String>> {
        let asked = self.asked(Verb::Find, &[&name, &filter], options.as_ref())?;
        let mut query = self.query(asked, &name, &filter, options.as_deref())?;
        let most = self.budget.found_documents;
        let wanted = query.limit.filter(|limit| *limit > 0).unwrap_or(u32::MAX);
        query.limit = Some(wanted.min(most.saturating_add(1)));
        let found = self.read(Verb::Find, query).await?;
        if found.len() > most as usize {
            let fact = format!("find in {name}: found_documents: more than {most} documents");
            return Err(Refusal { hint: Some("ask with a limit"), ..Refusal::limit(fact) }.into());
        }
        found.iter().map(|document| self.give(document)).collect()
    }

    async fn count(&mut self, name: String, filter: String, options: Option<String>) -> Answer<u64> {
        let asked = self.asked(Verb::Count, &[&name, &filter], options.as_ref())?;
        let query = self.query(asked, &name, &filter, options.as_deref())?;
        let source = self.reads_from(&query)?;
        let time = self.time_left(Verb::Count, &name)?;
        match source {
            Source::Reader(reader) => self.wait(Verb::Count, &name, time, reader.count(&query, time)).await,
            Source::Live(live) => self.wait(Verb::Count, &name, time, live.count(&query, time)).await,
        }
    }

    async fn insert_one(&mut self, name: String, document: String, options: Option<String>) -> Answer<u32> {
        let asked = self.asked(Verb::InsertOne, &[&name, &document], options.as_ref())?;
        let documents = [document];
        self.write(asked, &name, 1, |call, origin| request::insert(call, origin, &documents, options.as_deref())).await
    }

    async fn insert_many(&mut self, name: String, documents: Vec<String>, options: Option<String>) -> Answer<u32> {
        let texts: Vec<&str> = documents.iter().map(String::as_str).chain([name.as_str()]).collect();
        let asked = self.asked(Verb::InsertMany, &texts, options.as_ref())?;
        self.write(asked, &name, documents.len(), |call, origin| {
            request::insert(call, origin, &documents, options.as_deref())
        })
        .await
    }

    async fn update_one(
        &mut self,
        name: String,
        filter: String,
        update: String,
        options: Option<String>,
    ) -> Answer<u32> {
        self.update(Verb::UpdateOne, name, filter, update, options).await
    }

    async fn update_many(
        &mut self,
        name: String,
        filter: String,
        update: String,
        options: Option<String>,
    ) -> Answer<u32> {
        self.update(Verb::UpdateMany, name, filter, update, options).await
    }

    async fn replace_one(
        &mut self,
        name: String,
        filter: String,
        document: String,
        options: Option<String>,
    ) -> Answer<u32> {
        let asked = self.asked(Verb::ReplaceOne, &[&name, &filter, &document], options.as_ref())?;
        self.write(asked, &name, 1, |call, _| request::replace(call, &filter, &document, options.as_deref())).await
    }

    async fn delete_one(&mut self, name: String, filter: String, options: Option<String>) -> Answer<u32> {
        self.delete(Verb::DeleteOne, name, filter, options).await
    }

    async fn delete_many(&mut self, name: String, filter: String, options: Option<String>) -> Answer<u32> {
        self.delete(Verb::DeleteMany, name, filter, options).await
    }

    async fn effect_of(&mut self, write: u32) -> Answer<documents::Effect> {
        self.called()?;
        self.only_in_delivery("documents.effect-of")?;
        self.not_refused()?;
        let (number, count) = (write as usize, self.written());
        if number >= count {
            let message = format!("effect-of: this delivery has no write {write}, it has {count}");
            return Err(Refusal::invalid(message).into());
        }
        let effect = self.view()?.effect(number).cloned();
        let effect = effect.map_err(|needs| self.abandoned(Abandoned::Needs(needs)))?;
        let left = self.boundary_left();
        let upserted_id = effect.upserted_id.as_ref().map(|id| ejson::bson_to_canonical(id, left)).transpose();
        let (inserted, matched) = (effect.inserted, effect.matched);
        let (modified, deleted) = (effect.modified, effect.deleted);
        let upserted_id = upserted_id.map_err(|error| self.unprintable(&error, left))?;
        self.crossed(upserted_id.as_ref().map_or(0, String::len))?;
        Ok(documents::Effect { inserted, matched, modified, deleted, upserted_id })
    }
}

impl State {
    async fn update(
        &mut self,
        verb: Verb,
        name: String,
        filter: String,
        update: String,
        options: Option<String>,
    ) -> Answer<u32> {
        let asked = self.asked(verb, &[&name, &filter, &update], options.as_ref())?;
        self.write(asked, &name, 1, |call, origin| request::update(call, origin, &filter, &update, options.as_deref()))
            .await
    }

    async fn delete(&mut self, verb: Verb, name: String, filter: String, options: Option<String>) -> Answer<u32> {
        let asked = self.asked(verb, &[&name, &filter], options.as_ref())?;
        self.write(asked, &name, 1, |call, _| request::delete(call, &filter, options.as_deref())).await
    }

    /// Counts a call and the bytes of its texts. Fails if an earlier call of the delivery was refused.
    fn asked(&mut self, verb: Verb, texts: &[&str], options: Option<&String>) -> Answer<Asked> {
        self.called()?;
        let bytes = texts.iter().map(|text| text.len()).sum::<usize>() + options.map_or(0, String::len);
        self.crossed(bytes)?;
        self.only_in_delivery(verb.as_str())?;
        self.not_refused()?;
        Ok(Asked { verb, bytes })
    }

    fn query(&mut self, asked: Asked, name: &str, filter: &str, options: Option<&str>) -> Answer<Query> {
        let collection = self.scene.grants.check(asked.verb, name)?;
        let query = request::find(&self.call(asked.verb, collection), filter, options)?;
        self.holds(asked, query.bytes())?;
        Ok(self.view()?.settle(query))
    }

    fn call<'a>(&self, verb: Verb, collection: &'a Arc<str>) -> request::Call<'a> {
        request::Call { verb, collection, expressions: self.budget.expressions }
    }

    /// Counts the bytes by which a call's arguments are longer as BSON than as text. The text is gone when the call
    /// returns, but the BSON may be held until the batch is committed.
    fn holds(&mut self, asked: Asked, bytes: usize) -> wasmtime::Result<()> {
        self.crossed(bytes.saturating_sub(asked.bytes))
    }

    /// Returns where a query may be answered from, or ends the call if the delivery must be run again.
    fn reads_from(&mut self, query: &Query) -> Answer<Source> {
        let source = self.view()?.source(query);
        source.map_err(|needs| self.abandoned(Abandoned::Needs(needs)))
    }

    async fn read(&mut self, verb: Verb, query: Query) -> Answer<Vec<RawDocumentBuf>> {
        let source = self.reads_from(&query)?;
        let time = self.time_left(verb, &query.collection)?;
        let reader = match source {
            Source::Live(live) => return self.wait(verb, &query.collection, time, live.find(&query, time)).await,
            Source::Reader(reader) => reader,
        };
        let found = self.wait(verb, &query.collection, time, reader.find(&query, time)).await?;
        self.view()?.found(query, &found);
        Ok(found)
    }

    /// Checks a write and keeps it, or executes it at once if the delivery is alone. Returns the write's number.
    async fn write(
        &mut self,
        asked: Asked,
        name: &str,
        statements: usize,
        build: impl FnOnce(&request::Call<'_>, &Origin<'_>) -> Result<Write, Refusal>,
    ) -> Answer<u32> {
        let verb = asked.verb;
        let collection = Arc::clone(self.scene.grants.check(verb, name)?);
        self.statements += statements as u64;
        if self.statements > self.budget.writes {
            let message =
                format!("{} in {name}: writes: more than {} in one delivery", verb.as_str(), self.budget.writes);
            return Err(Refusal::limit(message).into());
        }
        let write = self.checked(verb, &collection, build)?;
        self.holds(asked, write.bytes())?;
        let acts_in = self.view()?.acts_in().map_err(|needs| self.abandoned(Abandoned::Needs(needs)))?;
        let effect = match acts_in {
            Some(live) => {
                let time = self.time_left(verb, name)?;
                Some(self.wait(verb, name, time, live.write(&write, time)).await?)
            }
            None => None,
        };
        let number = u32::try_from(self.written()).unwrap_or(u32::MAX);
        self.view()?.wrote(write, effect);
        Ok(number)
    }

    fn checked(
        &self,
        verb: Verb,
        collection: &Arc<str>,
        build: impl FnOnce(&request::Call<'_>, &Origin<'_>) -> Result<Write, Refusal>,
    ) -> Result<Write, Refusal> {
        let event = self.scene.event.as_ref().map_or("", |event| event.id.as_str());
        let write = u32::try_from(self.written()).unwrap_or(u32::MAX);
        let (handler, source) = (&*self.scene.handler.id, self.scene.handler.installation.source_of_ids());
        build(&self.call(verb, collection), &Origin { event, handler, source, write })
    }

    /// Returns the time that is left of `documents_ms`.
    fn time_left(&mut self, verb: Verb, name: &str) -> Answer<Duration> {
        let left = self.budget.documents.saturating_sub(self.in_documents);
        if left.is_zero() {
            return Err(self.slow(verb, name));
        }
        Ok(left)
    }

    /// Waits for MongoDB, which was given `time` to answer. The wait does not count as running time.
    async fn wait<T>(
        &mut self,
        verb: Verb,
        name: &str,
        time: Duration,
        answer: impl Future<Output = Result<T, store::Error>>,
    ) -> Answer<T> {
        let begun = Instant::now();
        let answer = self.shared.meter.wait(tokio::time::timeout(time + GRACE, answer)).await;
        self.in_documents += begun.elapsed();
        let Ok(answer) = answer else { return Err(self.slow(verb, name)) };
        answer.map_err(|error| self.unanswered(verb, name, &error))
    }

    /// Turns an error from MongoDB into the error of the call.
    fn unanswered(&mut self, verb: Verb, name: &str, error: &store::Error) -> CallError {
        let called = format_args!("{} in {name}", verb.as_str());
        let refused = |code, message| CallError::Refused(Refusal::new(code, message));
        let kind = match error {
            store::Error::Refused { code, .. } => {
                let refusal = Refusal::refused(format!("{called}: {error}"));
                return CallError::Refused(Refusal { hint: store::remedy(*code, verb.writes()), ..refusal });
            }
            store::Error::MustMatch => {
                return refused(Code::MustMatch, format!("{called}: it had to match a document"));
            }
            store::Error::Undecodable(_) => return refused(Code::Undecodable, format!("{called}: {error}")),
            store::Error::Slow(_) => return self.slow(verb, name),
            store::Error::Unauthorized(_) => FaultKind::Unauthorized,
            _ => FaultKind::Unanswered,
        };
        self.fault(verb, name, kind, format!("{called}: {error}"))
    }

    fn slow(&mut self, verb: Verb, name: &str) -> CallError {
        let (used, limit) = (self.in_documents.as_millis(), self.budget.documents.as_millis());
        let called = verb.as_str();
        let message =
            format!("{called} in {name}: documents_ms: the delivery has waited {used} of {limit} ms for MongoDB");
        self.fault(verb, name, FaultKind::Slow, message)
    }

    fn fault(&mut self, verb: Verb, name: &str, kind: FaultKind, message: String) -> CallError {
        let fault = Fault { kind, collection: Some(Arc::from(name)), writes: verb.writes(), message };
        self.abandoned(Abandoned::Fault(fault))
    }

    /// Returns a found document as the text that the handler gets.
    fn give(&mut self, document: &RawDocumentBuf) -> Answer<String> {
        let left = self.boundary_left();
        let text = ejson::to_canonical(document, left).map_err(|error| self.unprintable(&error, left))?;
        self.crossed(text.len())?;
        Ok(text)
    }

    /// Returns how many more bytes of text the delivery may be given.
    fn boundary_left(&self) -> usize {
        usize::try_from(self.budget.boundary_bytes.saturating_sub(self.boundary_bytes)).unwrap_or(usize::MAX)
    }

    /// Returns the error for a document from MongoDB that cannot be given to the handler.
    fn unprintable(&mut self, error: &ejson::Unprintable, left: usize) -> CallError {
        match error {
            ejson::Unprintable::TooLong(_) => match self.crossed(left.saturating_add(1)) {
                Err(stopped) => stopped.into(),
                Ok(()) => Self::malformed(error),
            },
            error => Self::malformed(error),
        }
    }

    fn malformed(error: &impl std::fmt::Display) -> CallError {
        let message = format!("a document found cannot be decoded: {error}");
        CallError::Refused(Refusal::new(Code::Undecodable, message))
    }
}
