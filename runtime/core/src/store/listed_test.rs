//! Listings are whole or refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};
use futures_util::FutureExt as _;

use super::wire::{self, Answer, Found, Transactions, Wire};
use super::*;

/// A database that answers each find with one document and this cursor, and notes the other commands.
#[derive(Debug)]
struct Database {
    cursor: i64,
    others: Mutex<Vec<Document>>,
}

impl Wire for Database {
    fn run<'a>(&'a self, _: &'a str, command: RawDocumentBuf) -> Answer<'a, Document> {
        let command = Document::try_from(command).expect("a command");
        let handler = doc! {
            "_id": 1, "team": "default", "name": "h", "generation": 1, "digest": "d", "events": [], "description": "",
        };
        let reply = if command.contains_key("find") {
            doc! { "cursor": { "id": self.cursor, "firstBatch": [handler] } }
        } else {
            self.others.lock().expect("no panic").push(command);
            doc! { "ok": 1 }
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

/// Lists the handlers, and returns what came of it and the other commands.
fn listed(cursor: i64) -> (Result<usize, String>, Vec<Document>) {
    let database = Arc::new(Database { cursor, others: Mutex::default() });
    let names = |name: &str| name.to_owned();
    let options = Options { database: names("d"), own_database: names("w"), group: names("g"), owner: names("o") };
    let store = Store::new(Arc::clone(&database) as Arc<dyn Wire>, &options);
    let handlers = store.handlers().now_or_never().expect("the database answers at once");
    let others = std::mem::take(&mut *database.others.lock().expect("no panic"));
    (handlers.map(|found| found.len()).map_err(|error| error.to_string()), others)
}

#[test]
fn what_one_reply_does_not_hold_is_refused_and_its_cursor_closed() {
    assert_eq!(listed(0), (Ok(1), Vec::new()));
    let (refused, others) = listed(77);
    assert_eq!(refused, Err("handlers has more than the 16 MiB of one reply of mongodb".to_owned()));
    assert_eq!(others, [doc! { "killCursors": "handlers", "cursors": [77_i64] }]);
}
