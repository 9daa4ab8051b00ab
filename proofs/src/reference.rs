//! The reference page's row, inserted exactly as it is there, then updates of its status, and a delete.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use rig::clients;
use serde_json::json;

use crate::run::Run;
use crate::verdict::Verdict;
use rig::progress::Progress;
use rig::rows::{self, Rows};
use rig::{clock, comparison, interrupt};

const ROWS_BEFORE: u64 = 20;
const LIMIT: Duration = Duration::from_mins(1);

type Documents = BTreeMap<String, Vec<Document>>;

const INSERT: &str = r#"
INSERT INTO activity.event_outbox (event_id, aggregate_id, aggregate_type, event_type, payload, status)
VALUES (uuidv7(), uuidv7(), 'User', 'UserCreated',
        '{"email": "test@example.com", "username": "testuser", "first_name": "Test", "last_name": "User"}', 'pending')
"#;

/// Selects that row among those inserted before it.
const THE_ROW: &str = "payload @> '{\"email\": \"test@example.com\"}'";

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let since = clock::now_ms();
    let weir = run.host(&run.handlers([])?)?;
    let mut before = Rows::insert(run.instance, run.pipeline(), ROWS_BEFORE, 0, 7)?;
    while !before.done()? {
        interrupt::sleep(Duration::from_millis(50))?;
    }
    weir.settled(ROWS_BEFORE, LIMIT, &mut Progress::default())?;
    let users = total_users(run)?;

    touch_one(run, INSERT)?;
    run.settled(ROWS_BEFORE + 1, LIMIT)?;
    let compared = comparison::compare(run.instance, run.pipeline(), since)?;
    let more = total_users(run)? - users;
    ensure!(more == 1, "total_users is {more} more instead of 1");
    let inserted = documents(run)?;
    println!("  the row produced its document, and total_users is 1 more");

    for status in ["processing", "processed"] {
        touch_one(run, &format!("UPDATE activity.event_outbox SET status = '{status}' WHERE {THE_ROW}"))?;
    }
    run.settled(ROWS_BEFORE + 3, LIMIT)?;
    unchanged(&inserted, &documents(run)?, "the updates of the row's status")?;
    println!("  two updates of its status changed nothing");

    touch_one(run, &format!("DELETE FROM activity.event_outbox WHERE {THE_ROW}"))?;
    run.settled(ROWS_BEFORE + 4, LIMIT)?;
    unchanged(&inserted, &documents(run)?, "the delete of the row")?;
    println!("  its delete changed nothing");

    weir.stop()?;
    Ok(Verdict {
        holds: true,
        figure: format!(
            "{} documents equal to the model, 1 more user, nothing changed by 2 updates and a delete",
            compared.total()
        ),
        bound: "every document equal, exactly 1 more, nothing changed".to_owned(),
        details: json!({ "documents": compared.documents }),
    })
}

fn touch_one(run: &Run<'_>, statement: &str) -> Result<()> {
    let touched = rows::sql(run.instance, run.pipeline(), statement)?;
    ensure!(touched == 1, "the statement affected {touched} rows instead of one: {statement}");
    Ok(())
}

/// Returns every document of every collection of the handlers, ordered by id.
fn documents(run: &Run<'_>) -> Result<Documents> {
    let names = run.block(run.world.data.list_collection_names())?;
    names
        .into_iter()
        .map(|name| {
            let mut found = run.block(clients::find(&run.world.data(&name), doc! {}))?;
            found.sort_by_key(|document| document.get("_id").map(ToString::to_string));
            Ok((name, found))
        })
        .collect()
}

fn total_users(run: &Run<'_>) -> Result<i32> {
    let found = run.block(run.world.data("statistics").find_one(doc! { "_id": "global_stats" }))?;
    Ok(found.context("there are no statistics")?.get_i32("total_users")?)
}

fn unchanged(before: &Documents, after: &Documents, what: &str) -> Result<()> {
    ensure!(before == after, "{what} changed documents: before {before:?}, after {after:?}");
    Ok(())
}
