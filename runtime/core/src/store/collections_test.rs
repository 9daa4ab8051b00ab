//! A start with a large collection of failures that has no indexes yet.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bson::{Document, RawDocumentBuf};
use futures_util::FutureExt as _;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};

use super::super::Options;
use super::super::wire::{self, Answer, Found, Transactions, Wire};
use super::*;

/// A database that fails to index one collection, and notes what it was asked for.
#[derive(Debug)]
struct Database {
    not_indexed: &'static str,
    error: wire::Error,
    asked: Mutex<Vec<String>>,
}

impl Wire for Database {
    fn run<'a>(&'a self, _: &'a str, command: RawDocumentBuf) -> Answer<'a, Document> {
        let command = Document::try_from(command).expect("a command");
        let (name, on) = command.iter().next().expect("a name");
        let on = on.as_str().expect("a collection");
        self.asked.lock().expect("no panic").push(format!("{name} {on}"));
        let fails = (name.as_str(), on) == ("createIndexes", self.not_indexed);
        let reply = if fails { Err(self.error.clone()) } else { Ok(doc! { "ok": 1 }) };
        Box::pin(async move { reply })
    }

    fn read<'a>(&'a self, _: &'a str, _: RawDocumentBuf, _: Duration) -> Answer<'a, Found> {
        Box::pin(async { Err(wire::Error::default()) })
    }

    fn session(&self) -> Answer<'_, Arc<dyn Transactions>> {
        Box::pin(async { Err(wire::Error::default()) })
    }
}

/// Notes what is logged, each event in one line.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Logged {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
            write!(line, " {field}={value:?}").expect("memory");
        });
        self.0.lock().expect("no panic").push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Creates everything, and returns how that ended, what was asked of the database, and what was logged.
fn created(not_indexed: &'static str, error: wire::Error) -> (Result<(), Error>, Vec<String>, Vec<String>) {
    let database = Arc::new(Database { not_indexed, error, asked: Mutex::default() });
    let names = |name: &str| name.to_owned();
    let options = Options { database: names("d"), own_database: names("w"), group: names("g"), owner: names("o") };
    let store = Store::new(Arc::clone(&database) as Arc<dyn Wire>, &options);
    let logged = Logged::default();
    let ended = tracing::subscriber::with_default(logged.clone(), || {
        store.create_own_collections().now_or_never().expect("the database answers at once")
    });
    let asked = database.asked.lock().expect("no panic").clone();
    let lines = logged.0.lock().expect("no panic").clone();
    (ended, asked, lines)
}

/// MongoDB has ended the command, because its time was over.
fn out_of_time() -> wire::Error {
    wire::Error { code: Some(50), message: "operation exceeded time limit".to_owned(), ..wire::Error::default() }
}

#[test]
fn a_host_goes_on_without_indexes_that_take_too_long_and_says_so() {
    let unanswered = wire::Error { message: "no answer".to_owned(), abandoned: true, ..wire::Error::default() };
    for error in [out_of_time(), unanswered] {
        let why = error.message.clone();
        let (ended, asked, lines) = created(PARKED, error);
        ended.expect("it goes on");
        assert_eq!(asked.last().map(String::as_str), Some("createIndexes owners"), "what comes behind is created");
        let [line] = &lines[..] else { panic!("one line: {lines:?}") };
        assert!(line.starts_with("WARN ") && line.contains("message=parked_not_indexed"), "{line}");
        assert!(line.contains(&why) && line.contains("docs/operating.md"), "{line}");
    }
}

#[test]
fn any_other_failure_stops_it() {
    let refused = wire::Error { code: Some(85), message: "other options".to_owned(), ..wire::Error::default() };
    for (collection, error) in [(PARKED, refused), (HANDLERS, out_of_time()), (OWNERS, out_of_time())] {
        let (ended, asked, lines) = created(collection, error);
        ended.expect_err(collection);
        assert_eq!(asked.last(), Some(&format!("createIndexes {collection}")), "nothing follows");
        assert_eq!(lines, [""; 0]);
    }
}
