//! How a process ends, in its log and in its record.

use std::sync::Mutex;

use bson::{Document, RawDocumentBuf, doc};

use super::*;
use crate::config::LogFormat;
use crate::logging::log::tests::logged;
use weir_core::store::wire::{self, Answer, Found, Transactions, Wire};

/// A MongoDB that notes what becomes of the process's record, or does not answer.
#[derive(Debug, Default)]
struct Owners {
    is_away: bool,
    changes: Mutex<Vec<Document>>,
}

impl Wire for Owners {
    fn run<'a>(&'a self, _: &'a str, command: RawDocumentBuf) -> Answer<'a, Document> {
        let command = Document::try_from(command).expect("a command");
        let list = command.get_array("updates").or_else(|_| command.get_array("deletes")).expect("a change");
        self.changes.lock().expect("no panic").extend(list.iter().filter_map(|change| change.as_document().cloned()));
        let reply = if self.is_away { Err(wire::Error::default()) } else { Ok(doc! { "ok": 1, "n": 1 }) };
        Box::pin(async { reply })
    }

    fn read<'a>(&'a self, _: &'a str, _: RawDocumentBuf, _: Duration) -> Answer<'a, Found> {
        Box::pin(async { Err(wire::Error::default()) })
    }

    fn session(&self) -> Answer<'_, Arc<dyn Transactions>> {
        Box::pin(async { Err(wire::Error::default()) })
    }
}

/// Returns what is logged at this end, and what becomes of the process's record.
fn at_end(ended: Result<bool, &str>, is_away: bool) -> (String, Document) {
    let owners = Arc::new(Owners { is_away, ..Owners::default() });
    let options = store::Options {
        database: "d".to_owned(),
        own_database: "w".to_owned(),
        group: "g".to_owned(),
        owner: "o".to_owned(),
    };
    let store = Store::new(Arc::clone(&owners) as Arc<dyn Wire>, &options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let log = logged(LogFormat::Json, "INFO", || runtime.block_on(last_word(&store, &ended)));
    let mut changes = std::mem::take(&mut *owners.changes.lock().expect("no panic"));
    assert_eq!(changes.len(), 1, "it has one record");
    (log, changes.remove(0))
}

#[test]
fn work_that_was_given_up_is_logged_and_the_next_owner_learns_of_it() {
    let (log, change) = at_end(Ok(false), false);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains(r#""level":"warning","event":"work_given_up: "#), "{log}");
    // The record stays, because it has the sessions to end. But the process counts as none that died.
    let left = doc! { "q": { "_id": "o" }, "u": { "$set": { "ended": true }, "$unset": { "running": "" } } };
    assert!(left.iter().all(|(name, value)| change.get(name) == Some(value)), "{change}");
}

#[test]
fn a_clean_end_leaves_neither_a_line_nor_a_record() {
    let (log, change) = at_end(Ok(true), false);
    assert_eq!(log, "");
    assert_eq!(change, doc! { "q": { "_id": "o" }, "limit": 1 });
}

#[test]
fn a_panic_counts_as_a_death_and_not_as_work_given_up() {
    let (log, change) = at_end(Err("a panic"), false);
    assert_eq!(log, "");
    assert_eq!(change.get_document("u").ok(), Some(&doc! { "$set": { "crashed": true } }));
}

#[test]
fn a_record_that_cannot_be_changed_keeps_no_process_from_its_end() {
    for ended in [Ok(true), Ok(false), Err("a panic")] {
        let (log, _) = at_end(ended, true);
        assert!(log.contains(r#""event":"owner_record_left""#), "{log}");
        assert_eq!(log.contains("work_given_up"), ended == Ok(false), "{log}");
    }
}
