//! The connection between a simulated process and the simulated MongoDB, and what may happen on it.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf, doc};
use weir_core::store::wire::{Answer, Error, Found, MAX_TIME, Transactions, Wire};

use crate::command::{self, Outcome};
use crate::kernel::{Kernel, Slot, lock};
use crate::mongo::{Mongo, OUT_OF_TIME, Place, id_bytes};
use crate::stops::{self, Heard};

/// How often each fault happens, per thousand commands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// The connection is lost before the command is sent.
    pub(crate) before: u64,
    /// The command arrives after its sender has seen the connection break.
    pub(crate) late: u64,
    /// The command is executed, but its reply is lost.
    pub(crate) after: u64,
    /// The reply takes seconds.
    pub(crate) slow: u64,
}

/// The connection of one process.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) kernel: Kernel,
    pub(crate) mongo: Arc<Mutex<Mongo>>,
    pub(crate) weather: Arc<Mutex<Weather>>,
    /// The partition whose handlers take seconds, if there is one.
    pub(crate) lingers: Arc<Mutex<Option<i32>>>,
    pub(crate) sessions: Arc<Mutex<u64>>,
    /// What its process has heard.
    pub(crate) heard: Heard,
}

impl fmt::Debug for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Line")
    }
}

/// A request to the server.
#[derive(Clone)]
enum Request {
    Command { database: String, command: RawDocumentBuf, place: Option<Place>, time: Duration },
    Commit { session: Vec<u8>, number: i64, majority: bool },
    Abort { session: Vec<u8>, number: i64 },
}

/// A request on its way.
struct Sent {
    request: Request,
    slot: Slot<Result<Document, Error>>,
    /// The reply does not come back.
    loses: bool,
    /// Since when it waits for somebody's transaction.
    waits_since: Option<Duration>,
}

fn lost(request: &Request) -> Error {
    let transaction = matches!(request, Request::Command { place: Some(_), .. });
    let unknown = matches!(request, Request::Commit { .. });
    let message = "the connection was lost".to_owned();
    Error { message, transient: transaction, retryable: !transaction, unknown, ..Error::default() }
}

impl Line {
    fn ask(&self, request: Request) -> Slot<Result<Document, Error>> {
        let slot = Slot::default();
        let weather = *lock(&self.weather);
        let roll = self.kernel.below(1_000);
        let there = self.kernel.between(0, 3);
        if roll < weather.before {
            self.kernel.count("fault: connection lost before");
            self.answer(there, &slot, Err(lost(&request)), None);
        } else if roll < weather.before + weather.late {
            self.kernel.count("fault: command arrives late");
            let late = self.kernel.between(100, 20_000);
            self.answer(there, &slot, Err(lost(&request)), None);
            self.arrive(late, Sent { request, slot: Slot::default(), loses: true, waits_since: None });
        } else {
            let loses = roll < weather.before + weather.late + weather.after;
            if loses {
                self.kernel.count("fault: reply lost");
            }
            self.arrive(there, Sent { request, slot: slot.clone(), loses, waits_since: None });
        }
        slot
    }

    /// Delivers the request to the server after that time.
    fn arrive(&self, after: Duration, sent: Sent) {
        let line = self.clone();
        self.kernel.after(after, move || line.serve(sent));
    }

    fn serve(self, sent: Sent) {
        let Sent { request, slot, loses, waits_since } = sent;
        let (reply, needs) = {
            let mut mongo = lock(&self.mongo);
            let before = mongo.clock();
            let (reply, needs) = match &request {
                Request::Command { database, command, place, .. } => {
                    match command::run(&mut mongo, database, command, place.as_ref()) {
                        Outcome::Blocked => {
                            self.replicate(&mongo, before);
                            let now = self.kernel.now();
                            let since = waits_since.unwrap_or(now);
                            mongo.waited(now.saturating_sub(since), command);
                            drop(mongo);
                            self.kernel.count("outcome: waited for a transaction");
                            let pause = self.kernel.between(5, 50);
                            return self.arrive(pause, Sent { request, slot, loses, waits_since: Some(since) });
                        }
                        // A write outside a transaction is acknowledged by a majority.
                        Outcome::Reply(reply) => {
                            (reply, (place.is_none() && mongo.clock() > before).then(|| mongo.clock()))
                        }
                    }
                }
                Request::Commit { session, number, majority } => match mongo.commit(session, *number) {
                    Ok(at) => (Ok(doc! { "ok": 1 }), majority.then_some(at)),
                    Err(error) => (Err(error), None),
                },
                Request::Abort { session, number } => {
                    mongo.abort(session, *number);
                    (Ok(doc! { "ok": 1 }), None)
                }
            };
            self.replicate(&mongo, before);
            (reply, needs.map(|at| (at, mongo.term())))
        };
        let reply = if loses { Err(lost(&request)) } else { reply };
        let slow = self.kernel.chance(lock(&self.weather).slow);
        let back =
            if let (Request::Command { time, .. }, Err(Error { code: Some(OUT_OF_TIME), .. })) = (&request, &reply) {
                *time
            } else if slow {
                self.kernel.between(500, 4_000)
            } else {
                self.kernel.between(0, 3)
            };
        self.answer(back, &slot, reply, needs.map(|needs| (needs, lost(&request))));
    }

    /// Schedules that a majority gets what was written since `before`.
    fn replicate(&self, mongo: &Mongo, before: u64) {
        if mongo.clock() > before {
            let (to, term, line) = (mongo.clock(), mongo.term(), self.clone());
            // Now and then the other members lag, so that more is lost with a primary.
            let lag = if self.kernel.chance(50) { self.kernel.between(20, 150) } else { self.kernel.between(1, 6) };
            self.kernel.after(lag, move || lock(&line.mongo).replicated(to, term));
        }
    }

    /// Fills in the reply once a majority has what it needs. It is an error if the primary is lost meanwhile.
    fn answer(
        &self,
        after: Duration,
        slot: &Slot<Result<Document, Error>>,
        reply: Result<Document, Error>,
        needs: Option<((u64, u64), Error)>,
    ) {
        let (line, slot) = (self.clone(), slot.clone());
        self.kernel.after(after, move || {
            if let Some(((at, term), error)) = needs {
                let (majority, now) = {
                    let mongo = lock(&line.mongo);
                    (mongo.majority(), mongo.term())
                };
                if now != term {
                    return slot.fill(Err(error));
                }
                if majority < at {
                    return line.answer(Duration::from_millis(1), &slot, reply, Some(((at, term), error)));
                }
            }
            slot.fill(reply);
        });
    }
}

/// Returns the documents of a reply, as they arrived.
fn found(reply: &Document) -> Found {
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let documents = batch.into_iter().flatten().filter_map(Bson::as_document);
    let documents = documents.map(|document| RawDocumentBuf::try_from(document).expect("what is stored is BSON"));
    Found { documents: documents.collect(), more: false }
}

impl Wire for Line {
    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf) -> Answer<'a, Document> {
        let hears = stops::asks(&command);
        if stops::tells(&command) {
            self.kernel.count("outcome: a tripped handler succeeded");
        }
        let asked = self.ask(Request::Command { database: database.to_owned(), command, place: None, time: MAX_TIME });
        Box::pin(async move {
            let reply = asked.await?;
            if hears {
                self.heard.note(&reply, self.kernel.now());
            }
            Ok(reply)
        })
    }

    fn read<'a>(&'a self, database: &'a str, command: RawDocumentBuf, time: Duration) -> Answer<'a, Found> {
        let asked = self.ask(Request::Command { database: database.to_owned(), command, place: None, time });
        Box::pin(async { Ok(found(&asked.await?)) })
    }

    fn session(&self) -> Answer<'_, Arc<dyn Transactions>> {
        let number = {
            let mut sessions = lock(&self.sessions);
            *sessions += 1;
            *sessions
        };
        let id = Bson::Int64(i64::try_from(number).unwrap_or(0));
        let session = SimulatedSession { line: self.clone(), id, state: Mutex::default() };
        Box::pin(async move { Ok(Arc::new(session) as Arc<dyn Transactions>) })
    }
}

#[derive(Debug)]
struct SimulatedSession {
    line: Line,
    id: Bson,
    state: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    number: i64,
    begun: bool,
    majority: bool,
}

impl Transactions for SimulatedSession {
    fn id(&self) -> Document {
        doc! { "id": self.id.clone() }
    }

    fn start<'a>(&'a self, w: &'a str) -> Answer<'a, ()> {
        let mut state = lock(&self.state);
        *state = Progress { number: state.number + 1, begun: false, majority: w == "majority" };
        Box::pin(async { Ok(()) })
    }

    fn read<'a>(&'a self, database: &'a str, command: RawDocumentBuf, time: Duration) -> Answer<'a, Found> {
        let reply = self.run(database, command, time);
        Box::pin(async { Ok(found(&reply.await?)) })
    }

    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf, time: Duration) -> Answer<'a, Document> {
        let place = {
            let mut state = lock(&self.state);
            let first = !std::mem::replace(&mut state.begun, true);
            Place { session: id_bytes(&self.id), number: state.number, first }
        };
        Box::pin(self.line.ask(Request::Command { database: database.to_owned(), command, place: Some(place), time }))
    }

    fn commit(&self) -> Answer<'_, ()> {
        let (number, majority) = {
            let state = lock(&self.state);
            (state.number, state.majority)
        };
        let asked = self.line.ask(Request::Commit { session: id_bytes(&self.id), number, majority });
        Box::pin(async move { asked.await.map(|_| ()) })
    }

    fn abort(&self) -> Answer<'_, ()> {
        let number = lock(&self.state).number;
        let asked = self.line.ask(Request::Abort { session: id_bytes(&self.id), number });
        Box::pin(async move { asked.await.map(|_| ()) })
    }
}
