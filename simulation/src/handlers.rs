//! The simulated handlers: what they do for each event type, through the same view that the sandbox's guests get.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bson::{Bson, Document, doc};
use weir_core::call::{Action, Failure, Fault, Run, Verdict};
use weir_core::delivery::Handlers;
use weir_core::delivery::hop::Later;
use weir_core::delivery::{Identity, OnDead, RetryPolicy, Routes};
use weir_core::documents::view::{Needs, Source, View};
use weir_core::documents::{Code, Mode, Refusal};
use weir_core::event::Event;
use weir_core::store::{self, FaultKind, Query, Write};

use crate::kernel::{Kernel, lock};
use crate::kinds::{
    COUNTS, EventKind, FRAGILE, LONG, READS, RETRIES, TOTALS, failures_of, handler_name, handlers_of, last_row,
    line_of, shared_entry, shared_id,
};
use crate::requests::{ask, by_id, insert, remove, remove_all, update, update_all};
use crate::stops::Heard;

fn policy(handler: i32, retries: u32) -> RetryPolicy {
    RetryPolicy {
        max_retries: if handler == FRAGILE { RETRIES } else { retries },
        // By the clock of events, which runs far ahead of the world's, this is about a second.
        delay: Duration::from_mins(50),
        longest_delay: Duration::from_hours(3),
        longest_time: Duration::from_hours(100_000),
        on_dead: if handler == FRAGILE { OnDead::Hold } else { OnDead::Skip },
        ..RetryPolicy::default()
    }
}

/// How long a delivery waits for MongoDB.
const TIME: Duration = Duration::from_secs(2);

/// The handlers of one process.
pub(crate) struct Simulated {
    routes: Routes,
    kernel: Kernel,
    lingers: Arc<Mutex<Option<i32>>>,
    heard: Heard,
    /// Nothing sends its lines away.
    is_quick: bool,
    /// Ends the process at once.
    die: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Simulated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Simulated")
    }
}

impl Simulated {
    pub(crate) fn new(
        kernel: Kernel,
        lingers: Arc<Mutex<Option<i32>>>,
        heard: Heard,
        die: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        // Each process has a policy of its own for the handlers whose dead deliveries hold nothing.
        let retries = if kernel.chance(250) { RETRIES } else { 0 };
        let identity = |id: i32| {
            let (line, policy) = (line_of(id), policy(id, retries));
            Arc::new(Identity { id, generation: 1, name: handler_name(id).into(), version: "v".into(), line, policy })
        };
        let all = [identity(COUNTS), identity(READS), identity(TOTALS), identity(FRAGILE)];
        let mut routes = Routes::default();
        for kind in EventKind::ALL {
            for handler in all.iter().filter(|handler| handlers_of(kind).contains(&handler.id)) {
                routes.register(kind.name(), handler);
            }
        }
        let is_quick = kernel.chance(500);
        Self { routes, kernel, lingers, heard, is_quick, die }
    }

    async fn handle(&self, to: i32, event: &Event, attempt: u32, view: &mut View) -> Result<(), Verdict> {
        let kind = EventKind::of(&event.event_type);
        let aggregate = event.aggregate_id.as_str();
        let number: i64 = event.payload.parse().unwrap_or(-1);
        match (kind, to) {
            (EventKind::Count | EventKind::Deadly | EventKind::Stuck | EventKind::Effect, TOTALS) => {
                let write = update("totals", "all", &doc! { "$inc": { "n": 1 } }, true, false);
                act(view, write).await.map(|_| ())
            }
            (EventKind::Change, READS) => change(view, "changed", aggregate, Bson::Int64(number)).await,
            (EventKind::Shared, _) => {
                let entry = Bson::String(shared_entry(aggregate, number));
                change(view, "shared", &shared_id(number), entry).await
            }
            (EventKind::Count | EventKind::Change, _) => {
                let to = doc! { "$inc": { "n": 1 }, "$push": { "seen": number } };
                act(view, update("counts", aggregate, &to, true, false)).await.map(|_| ())
            }
            (EventKind::Make, _) => {
                let to = doc! { "$inc": { "made": 1 } };
                act(view, update("made", aggregate, &to, true, false)).await.map(|_| ())
            }
            (EventKind::Must, _) => {
                let to = doc! { "$push": { "seen": number } };
                act(view, update("made", aggregate, &to, false, true)).await.map(|_| ())
            }
            (EventKind::Effect, _) => effect(view, aggregate, number).await,
            (EventKind::Query, _) => query(view, aggregate, number).await,
            (EventKind::Once, _) => {
                let made = doc! { "_id": aggregate, "by": number };
                act(view, insert("once", aggregate, &made)).await.map(|_| ())
            }
            (EventKind::Flaky, _) if i64::from(attempt) <= failures_of(number) => {
                self.kernel.count("outcome: asked for another attempt");
                Err(failed(Action::Retry))
            }
            (EventKind::Flaky, _) => {
                let seen = format!("{number}:{attempt}");
                let to = doc! { "$inc": { "n": 1 }, "$push": { "seen": seen } };
                act(view, update("fragile", aggregate, &to, true, false)).await.map(|_| ())
            }
            (EventKind::Reject | EventKind::Broken, _) => Err(failed(Action::Reject)),
            (EventKind::Skip, _) => Err(failed(Action::Skip)),
            (EventKind::Huge, TOTALS) => {
                let made = doc! { "_id": number, "huge": true };
                act(view, insert("huge", &number.to_string(), &made)).await.map(|_| ())
            }
            // The innocent one of the two writes more.
            (EventKind::Huge, _) => {
                let to = doc! { "$inc": { "n": 1 }, "$push": { "seen": number }, "$set": { "text": LONG } };
                act(view, update("beside", aggregate, &to, true, false)).await.map(|_| ())
            }
            (EventKind::Tally, _) => {
                let to = doc! { "$inc": { "n": 1 }, "$push": { "seen": number } };
                act(view, update("tallies", aggregate, &to, true, false)).await.map(|_| ())
            }
            (EventKind::Row | EventKind::Raise | EventKind::Clear, _) => rows(view, kind, aggregate, number).await,
            (EventKind::Stuck, _) => {
                self.some_alone(view, number).await?;
                let made = doc! { "_id": number, "stuck": true };
                act(view, insert("huge", &number.to_string(), &made)).await.map(|_| ())
            }
            (EventKind::Falls, _) => self.falls(view, aggregate, number).await,
            (EventKind::Slow, _) => {
                self.some_alone(view, number).await?;
                read(view, ask("slow", &doc! { "never": true })).await.map(|_| ())
            }
            (EventKind::Secret, _) => {
                self.some_alone(view, number).await?;
                read(view, ask("secret", &doc! { "any": true })).await.map(|_| ())
            }
            (EventKind::Deadly, _) => {
                self.kernel.count("fault: a delivery kills the host");
                (self.die)();
                std::future::pending().await
            }
            (EventKind::Unwanted, _) => Ok(()),
        }
    }

    /// Returns how long a delivery runs besides what it does.
    fn takes(&self, event: &Event) -> Duration {
        if lock(&self.lingers).is_some_and(|partition| is_of(event, partition)) {
            self.kernel.count("fault: a handler takes seconds");
            self.kernel.between(1_000, 4_000)
        } else if !self.is_quick && self.kernel.chance(5) {
            self.kernel.count("fault: a handler is slow");
            self.kernel.between(260, 900)
        } else if self.kernel.chance(100) {
            self.kernel.between(1, 30)
        } else {
            Duration::ZERO
        }
    }

    /// Asks for an effect for every second event, so that the rest of its delivery runs in a transaction.
    async fn some_alone(&self, view: &mut View, number: i64) -> Result<(), Verdict> {
        if number % 2 == 0 {
            let write = update("huge", "alone", &doc! { "$inc": { "n": 1 } }, true, false);
            let at = act(view, write).await?;
            view.effect(at).map_err(needs)?;
        }
        Ok(())
    }

    /// Goes on after a refused call, as a handler may, and ends as its last call did. That must be refused in the same
    /// words.
    async fn falls(&self, view: &mut View, aggregate: &str, number: i64) -> Result<(), Verdict> {
        let first = update("fallen", aggregate, &doc! { "$inc": { "n": 1 } }, true, false);
        let at = act(view, first).await?;
        view.effect(at).map_err(needs)?;
        let once = format!("once {aggregate}");
        let inserted = act(view, insert("fallen", &once, &doc! { "_id": &once, "by": number })).await;
        let Err(refused) = inserted else { return Ok(()) };
        let after = act(view, update("fallen", &once, &doc! { "$inc": { "n": 1 } }, true, false)).await;
        if matches!(refused, Verdict::Refused(_)) && after.as_ref().err() == Some(&refused) {
            self.kernel.count("outcome: the same refusal again");
        }
        after.map(|_| ())
    }
}

/// Whether the event is one of that partition.
fn is_of(event: &Event, partition: i32) -> bool {
    event.aggregate_id.strip_prefix('a').and_then(|rest| rest.split('-').next()) == Some(partition.to_string().as_str())
}

impl Handlers for Simulated {
    fn routes(&self) -> &Routes {
        &self.routes
    }

    fn deliver<'a>(
        &'a self,
        to: &'a Identity,
        event: Arc<Event>,
        (attempt, _now_ms): (u32, i64),
        mode: Mode,
    ) -> Later<'a, Run> {
        Box::pin(async move {
            self.heard.runs(to.id, self.kernel.now());
            let is_alone = matches!(mode, Mode::Alone(_));
            let patience = mode.patience().filter(|_| !self.is_quick);
            let mut view = View::new(mode);
            let takes = self.takes(&event);
            let verdict = if let Some(patience) = patience.filter(|patience| takes > *patience) {
                self.kernel.count("outcome: a line sent away");
                self.kernel.sleep(patience).await;
                Verdict::Slow
            } else {
                if !takes.is_zero() {
                    self.kernel.sleep(takes).await;
                }
                match self.handle(to.id, &event, attempt, &mut view).await {
                    Ok(()) => Verdict::Accepted,
                    Err(verdict) => verdict,
                }
            };
            match verdict {
                Verdict::NeedsCommit => self.kernel.count("outcome: needs a commit"),
                Verdict::NeedsAlone(_) => self.kernel.count("outcome: needs to be alone"),
                Verdict::Accepted if is_alone && to.id == TOTALS => {
                    self.kernel.count("outcome: an event alone with two handlers");
                }
                Verdict::Accepted if attempt > 1 => self.kernel.count("outcome: a later attempt succeeded"),
                Verdict::Fault(_) => self.kernel.count("outcome: fault of a read or write"),
                _ => {}
            }
            let (writes, reads) = view.into_parts();
            Run {
                verdict,
                writes,
                reads,
                log: Vec::new(),
                log_lines_dropped: 0,
                fuel: 0,
                running: Duration::ZERO,
                in_documents: Duration::ZERO,
            }
        })
    }
}

fn failed(action: Action) -> Verdict {
    let (error_type, message) = (String::new(), String::new());
    Verdict::Failed(Failure { action, error_type, message, trace: None, after_ms: None })
}

fn needs(needs: Needs) -> Verdict {
    match needs {
        Needs::Commit => Verdict::NeedsCommit,
        Needs::Alone(why) => Verdict::NeedsAlone(why),
    }
}

fn trouble(collection: &Arc<str>, error: store::Error) -> Verdict {
    let refused = |code, message| Verdict::Refused(Refusal::new(code, message));
    let kind = match error {
        store::Error::Refused { message, .. } => return refused(Code::Refused, message),
        store::Error::MustMatch => return refused(Code::MustMatch, String::new()),
        store::Error::Slow(_) => FaultKind::Slow,
        store::Error::Unauthorized(_) => FaultKind::Unauthorized,
        _ => FaultKind::Unanswered,
    };
    Verdict::Fault(Fault { kind, collection: Some(Arc::clone(collection)), writes: false, message: error.to_string() })
}

/// Reads a document, changes it and writes it back.
async fn change(view: &mut View, collection: &str, id: &str, entry: Bson) -> Result<(), Verdict> {
    let found = read(view, by_id(collection, id)).await?;
    let old = found.first().cloned().unwrap_or_default();
    let mut seen = old.get_array("seen").cloned().unwrap_or_default();
    seen.push(entry);
    let to = doc! { "n": i32::try_from(seen.len()).unwrap_or(0), "seen": seen };
    act(view, update(collection, id, &to, true, false)).await.map(|_| ())
}

/// Makes, changes or removes documents of a list, some of them by other filters than an `_id`.
async fn rows(view: &mut View, kind: EventKind, aggregate: &str, number: i64) -> Result<(), Verdict> {
    let last = last_row(aggregate);
    match kind {
        EventKind::Row => {
            let row = doc! { "_id": number, "aggregate": aggregate, "n": 0 };
            act(view, insert("rows", &number.to_string(), &row)).await?;
            act(view, update("rows", &last, &doc! { "$set": { "by": number } }, true, false)).await?;
        }
        EventKind::Raise => drop(act(view, update_all("rows", aggregate, &doc! { "$inc": { "n": 1 } })).await?),
        _ if number % 2 == 0 => drop(act(view, remove_all("rows", aggregate)).await?),
        _ => drop(act(view, remove("rows", &last)).await?),
    }
    Ok(())
}

/// Decides on a write by the effect of an earlier write of its own.
async fn effect(view: &mut View, aggregate: &str, number: i64) -> Result<(), Verdict> {
    let first = update("effects", aggregate, &doc! { "$inc": { "n": 1 } }, true, false);
    let at = act(view, first).await?;
    let matched = view.effect(at).map_err(needs)?.matched;
    let seen = format!("{number}:{matched}");
    act(view, update("effects", aggregate, &doc! { "$push": { "seen": seen } }, false, false)).await.map(|_| ())
}

/// Counts with a query, and writes to what it has queried.
async fn query(view: &mut View, aggregate: &str, number: i64) -> Result<(), Verdict> {
    let before = i64::try_from(read(view, ask("queried", &doc! { "aggregate": aggregate })).await?.len()).unwrap_or(-1);
    let made = doc! { "_id": number, "aggregate": aggregate, "before": before };
    act(view, insert("queried", &number.to_string(), &made)).await.map(|_| ())
}

async fn read(view: &mut View, query: Query) -> Result<Vec<Document>, Verdict> {
    let found = match view.source(&query).map_err(needs)? {
        Source::Live(live) => live.find(&query, TIME).await.map_err(|error| trouble(&query.collection, error))?,
        Source::Reader(reader) => {
            let found = reader.find(&query, TIME).await.map_err(|error| trouble(&query.collection, error))?;
            view.found(query, &found);
            found
        }
    };
    Ok(found.iter().filter_map(|document| Document::try_from(document.as_ref()).ok()).collect())
}

/// Keeps a write, or performs it if the delivery runs alone. Returns its number.
async fn act(view: &mut View, write: Write) -> Result<usize, Verdict> {
    let effect = match view.acts_in().map_err(needs)? {
        Some(live) => Some(live.write(&write, TIME).await.map_err(|error| trouble(&write.collection, error))?),
        None => None,
    };
    view.wrote(write, effect);
    Ok(view.count() - 1)
}
