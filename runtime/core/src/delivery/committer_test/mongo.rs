//! A MongoDB that holds no documents and accepts everything unless a test says otherwise.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};

use super::world::{Gate, Ticks, lock};
use crate::store::wire::{Answer, Error, Found, Transactions, Wire};

/// The handlers' database.
pub(super) const DATA: &str = "data";

const OUT_OF_TIME: i32 = 50;
const UNAUTHORIZED: i32 = 13;

/// What becomes of commands in the handlers' database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Reads have run out of time, except for a probe's.
    SlowReads,
    /// Weir's user has no right to any of them.
    NoRights,
    /// The connection is lost.
    Gone,
}

#[derive(Debug)]
pub(super) struct Mongo {
    clock: Ticks,
    /// How long a read takes in the handlers' database.
    pub(super) read_time: Mutex<Duration>,
    /// Holds up reads in the handlers' database.
    pub(super) reads: Gate,
    /// Holds up commits.
    pub(super) commits: Gate,
    pub(super) trouble: Mutex<Option<Trouble>>,
    /// Whether its server is gone whenever a read begins, and is back when it ends.
    pub(super) comes_and_goes: AtomicBool,
    server_changes: AtomicU64,
    /// The commands of each transaction that was committed.
    committed: Mutex<Vec<Vec<Document>>>,
}

impl Mongo {
    pub(super) fn new(clock: Ticks) -> Self {
        let (read_time, reads, commits, trouble) =
            (Mutex::default(), Gate::default(), Gate::default(), Mutex::default());
        let (comes_and_goes, server_changes, committed) =
            (AtomicBool::default(), AtomicU64::default(), Mutex::default());
        Self { clock, read_time, reads, commits, trouble, comes_and_goes, server_changes, committed }
    }

    pub(super) fn set(&self, trouble: Option<Trouble>) {
        *lock(&self.trouble) = trouble;
    }

    /// Returns the number of events in each transaction that was committed.
    pub(super) fn batches(&self) -> Vec<usize> {
        let markers = |command: &Document| {
            let is_ledger = command.get_str("insert").is_ok_and(|name| name.starts_with("ledger_"));
            if is_ledger { command.get_array("documents").map_or(0, Vec::len) } else { 0 }
        };
        lock(&self.committed).iter().map(|commands| commands.iter().map(markers).sum()).collect()
    }

    /// Returns the reasons of the deliveries that were parked.
    pub(super) fn parked(&self) -> Vec<String> {
        let committed = lock(&self.committed);
        let commands = committed.iter().flatten().filter(|command| command.get_str("update").ok() == Some("parked"));
        let statements = commands.filter_map(|command| command.get_array("updates").ok()).flatten();
        let reason = |statement: &bson::Bson| {
            let set = statement.as_document()?.get_document("u").ok()?.get_document("$setOnInsert").ok()?;
            set.get_str("reason").ok().map(str::to_owned)
        };
        statements.map(|statement| reason(statement).expect("a reason")).collect()
    }

    fn run(&self, database: &str, command: &RawDocumentBuf) -> Result<Document, Error> {
        self.fails(database, false)?;
        Ok(doc! { "ok": 1, "n": entries(command), "cursor": { "firstBatch": [] } })
    }

    async fn read(&self, database: &str, command: RawDocumentBuf) -> Result<Found, Error> {
        if database == DATA {
            self.clock.pass(*lock(&self.read_time));
            self.server_changes.fetch_add(u64::from(self.comes_and_goes.load(Ordering::Relaxed)), Ordering::Relaxed);
            self.reads.pass().await;
        }
        let is_probe = command.get_document("projection").is_ok();
        self.fails(database, !is_probe)?;
        Ok(Found::default())
    }

    fn fails(&self, database: &str, reads: bool) -> Result<(), Error> {
        let code = match *lock(&self.trouble) {
            Some(Trouble::SlowReads) if reads => Some(OUT_OF_TIME),
            Some(Trouble::NoRights) => Some(UNAUTHORIZED),
            Some(Trouble::Gone) => None,
            _ => return Ok(()),
        };
        if database != DATA {
            return Ok(());
        }
        Err(Error { code, message: "as the test says".to_owned(), ..Error::default() })
    }
}

/// The way to it.
#[derive(Debug)]
pub(super) struct Line(pub(super) Arc<Mongo>);

impl Wire for Line {
    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf) -> Answer<'a, Document> {
        Box::pin(async move { self.0.run(database, &command) })
    }

    fn read<'a>(&'a self, database: &'a str, command: RawDocumentBuf, _: Duration) -> Answer<'a, Found> {
        Box::pin(self.0.read(database, command))
    }

    fn session(&self) -> Answer<'_, Arc<dyn Transactions>> {
        let transaction =
            Transaction { mongo: Arc::clone(&self.0), open: AtomicBool::default(), ran: Mutex::default() };
        Box::pin(async { Ok(Arc::new(transaction) as Arc<dyn Transactions>) })
    }

    fn server_changes(&self) -> u64 {
        self.0.server_changes.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Transaction {
    mongo: Arc<Mongo>,
    open: AtomicBool,
    ran: Mutex<Vec<Document>>,
}

impl Transaction {
    fn begin(&self, open: bool) {
        lock(&self.ran).clear();
        self.open.store(open, Ordering::Relaxed);
    }
}

impl Transactions for Transaction {
    fn id(&self) -> Document {
        doc! { "id": 1 }
    }

    fn start<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        self.begin(true);
        Box::pin(async { Ok(()) })
    }

    fn run<'a>(&'a self, database: &'a str, command: RawDocumentBuf, _: Duration) -> Answer<'a, Document> {
        lock(&self.ran).push(Document::try_from(&command).expect("a command"));
        Box::pin(async move { self.mongo.run(database, &command) })
    }

    fn read<'a>(&'a self, database: &'a str, command: RawDocumentBuf, _: Duration) -> Answer<'a, Found> {
        Box::pin(self.mongo.read(database, command))
    }

    fn commit(&self) -> Answer<'_, ()> {
        Box::pin(async {
            assert!(self.open.load(Ordering::Relaxed), "an aborted transaction is not committed");
            self.mongo.commits.pass().await;
            lock(&self.mongo.committed).push(std::mem::take(&mut *lock(&self.ran)));
            self.begin(false);
            Ok(())
        })
    }

    fn abort(&self) -> Answer<'_, ()> {
        self.begin(false);
        Box::pin(async { Ok(()) })
    }
}

/// Returns the number of entries in a command's list.
fn entries(command: &RawDocumentBuf) -> i32 {
    let list = ["updates", "documents", "deletes"].into_iter().find_map(|name| command.get_array(name).ok());
    list.map_or(0, |list| i32::try_from(list.into_iter().count()).expect("a few"))
}
