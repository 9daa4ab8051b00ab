//! Older versions are upgraded, and newer ones are refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bson::{Document, RawDocumentBuf};
use futures_util::FutureExt as _;

use super::super::Options;
use super::super::wire::{self, Answer, Found, Transactions, Wire};
use super::*;

/// A database that holds only the version, and notes the other commands.
#[derive(Debug, Default)]
struct Database {
    version: Mutex<Option<i32>>,
    others: Mutex<Vec<String>>,
}

impl Wire for Database {
    fn run<'a>(&'a self, _: &'a str, command: RawDocumentBuf) -> Answer<'a, Document> {
        let command = Document::try_from(command).expect("a command");
        let (name, on) = command.iter().next().expect("a name");
        let mut version = self.version.lock().expect("no panic");
        let reply = match (name.as_str(), on.as_str()) {
            ("findAndModify", Some(FORMAT)) => {
                let now = *version.get_or_insert(FIRST);
                doc! { "value": { "_id": ID, "version": now } }
            }
            ("find", Some(FORMAT)) => {
                let found: Vec<_> = version.iter().map(|now| doc! { "_id": ID, "version": *now }).collect();
                doc! { "cursor": { "firstBatch": found } }
            }
            ("update", Some(FORMAT)) => {
                *version = version.map(|now| now + 1);
                doc! { "n": 1 }
            }
            _ => {
                self.others.lock().expect("no panic").push(format!("{name} {on}"));
                doc! { "n": 1 }
            }
        };
        Box::pin(async move { Ok(reply) })
    }

    fn read<'a>(&'a self, _: &'a str, _: RawDocumentBuf, _: Duration) -> Answer<'a, Found> {
        Box::pin(async { Err(wire::Error::default()) })
    }

    fn session(&self) -> Answer<'_, Arc<dyn Transactions>> {
        Box::pin(async { Err(wire::Error::default()) })
    }
}

const TWO: &[Step] = &[
    Step { what: "one", commands: || vec![doc! { "create": "a" }] },
    Step { what: "two", commands: || vec![doc! { "create": "b" }, doc! { "create": "c" }] },
];

fn of(version: Option<i32>) -> (Arc<Database>, Store) {
    let database = Arc::new(Database { version: Mutex::new(version), ..Database::default() });
    let names = |name: &str| name.to_owned();
    let options = Options { database: names("d"), own_database: names("w"), group: names("g"), owner: names("o") };
    (Arc::clone(&database), Store::new(database, &options))
}

/// Returns what the future gives. The database above never lets it wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the database answers at once")
}

#[test]
fn an_older_version_takes_the_steps_that_it_lacks() {
    for (found, others) in [
        (None, &["create \"a\"", "create \"b\"", "create \"c\""][..]),
        (Some(2), &["create \"b\"", "create \"c\""][..]),
        (Some(3), &[][..]),
    ] {
        let (database, store) = of(found);
        now(store.take(TWO)).expect("it is upgraded");
        assert_eq!(*database.version.lock().expect("no panic"), Some(3));
        assert_eq!(*database.others.lock().expect("no panic"), others);
    }
}

#[test]
fn a_newer_version_is_refused_and_nothing_is_changed() {
    let (database, store) = of(Some(4));
    let error = now(store.take(TWO)).expect_err("it is newer").to_string();
    assert!(error.contains("format version 4") && error.contains("up to 3") && error.contains("upgrade"), "{error}");
    assert!(database.others.lock().expect("no panic").is_empty());
    assert!(matches!(now(store.check_format()), Err(Error::Newer { found: 4, .. })));
    let (database, store) = of(None);
    now(store.check_format()).expect("none is the first");
    assert_eq!(*database.version.lock().expect("no panic"), None, "looking changes nothing");
}
