//! A handler's command in a transaction, whether a batch or a handler that runs alone sends it. Pure.

use std::time::Duration;

use bson::{Document, RawArrayBuf, RawDocumentBuf, cstr};

use super::problem::{Problem, matched};
use super::wire::Transactions;
use super::{Command, Kind, WriteError};

/// Runs a handler's command in a transaction.
pub(super) async fn run(
    database: &str,
    session: &dyn Transactions,
    command: &Command,
    time: Duration,
) -> Result<Document, Problem> {
    let (name, list) = match command.kind {
        Kind::Insert => (cstr!("insert"), cstr!("documents")),
        Kind::Update => (cstr!("update"), cstr!("updates")),
        Kind::Delete => (cstr!("delete"), cstr!("deletes")),
    };
    let mut body = RawDocumentBuf::new();
    body.append(name, &*command.collection);
    body.append(list, command.statements.iter().cloned().collect::<RawArrayBuf>());
    let reply = session.run(database, body, time).await.map_err(Problem::of)?;
    if let Some(problem) = Problem::in_reply(&reply) {
        return Err(problem);
    }
    // A must-match statement affects a single document, so comparing the number of statements with `n` suffices. A
    // multi statement is the only one in its command.
    if command.must_match && matched(&reply) < command.statements.len() as u64 {
        return Err(Problem::Write { statement: None, why: WriteError::MustMatch });
    }
    Ok(reply)
}
