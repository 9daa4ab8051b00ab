//! The time from the commit of a row in PostgreSQL to the document's change at a majority of MongoDB.
//!
//! It begins with PostgreSQL's own time of the commit (`track_commit_timestamp`) and ends when the change stream's
//! event arrives here. Both clocks belong to the same machine.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use bson::Document;
use futures_util::StreamExt as _;
use mongodb::Client;
use mongodb::change_stream::event::ChangeStreamEvent;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_postgres::NoTls;

const CONNECTIONS: usize = 4;
/// How long the last events may take.
const PATIENCE: Duration = Duration::from_secs(30);
const INSERT: &str = "INSERT INTO activity.event_outbox (event_id, aggregate_id, aggregate_type, event_type, payload) \
                      VALUES ($1::text::uuid, $2::text::uuid, $3, $4, $5::text::jsonb)";
const COMMITTED: &str = "SELECT event_id::text, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint \
                         FROM activity.event_outbox WHERE event_id::text = ANY($1)";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file of the rows, one line of JSON each.
    #[arg(long)]
    rows: PathBuf,
    /// Rows per second.
    #[arg(long)]
    rate: f64,
    /// How many of the first rows do not count.
    #[arg(long, default_value_t = 0)]
    warm_up: usize,
    #[arg(long)]
    postgres: String,
    #[arg(long)]
    mongodb: String,
    /// The handlers' database.
    #[arg(long)]
    database: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Row {
    event_id: String,
    aggregate_id: String,
    aggregate_type: String,
    event_type: String,
    payload: String,
}

pub(crate) async fn run(args: &Args) -> Result<Value> {
    let text = std::fs::read_to_string(&args.rows).context("the rows cannot be read")?;
    let rows: Vec<Row> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(rows.len() > args.warm_up, "there are no more rows than those to warm up with");
    let client = Client::with_uri_str(&args.mongodb).await?;
    let mut changes = client.database(&args.database).watch().await?;
    let count = rows.len();
    let seen = tokio::spawn(async move {
        let mut seen = HashMap::new();
        while seen.len() < count {
            let Ok(change) = timeout(PATIENCE, changes.next()).await else { break };
            let change = change.context("the change stream has ended")??;
            if let Some(id) = event_of(&change) {
                seen.entry(id).or_insert_with(now_us);
            }
        }
        Ok::<_, anyhow::Error>(seen)
    });
    insert(args, &rows).await?;
    let seen = seen.await??;
    let committed = committed(args, &rows).await?;
    let mut took = Vec::new();
    for row in rows.iter().skip(args.warm_up) {
        let from = committed.get(&row.event_id).with_context(|| format!("{} has no time of commit", row.event_id))?;
        let Some(to) = seen.get(&row.event_id) else { bail!("{} of {count} events came to MongoDB", seen.len()) };
        took.push(to - from);
    }
    took.sort_unstable();
    Ok(json!({
        "rate": args.rate,
        "samples": took.len(),
        "fewest_us": took[0],
        "most_us": took[took.len() - 1],
        // Per mille of the samples, so that a curve can be drawn.
        "per_mille_us": (0..=1000).map(|share| took[share * (took.len() - 1) / 1000]).collect::<Vec<i64>>(),
    }))
}

/// Returns the event that a change of a document belongs to, if its handler notes it.
fn event_of(change: &ChangeStreamEvent<Document>) -> Option<String> {
    let inserted = change.full_document.as_ref();
    let inserted =
        inserted.and_then(|document| document.get_document("metadata").ok()?.get_str("source_event_id").ok());
    let updated = change.update_description.as_ref();
    let updated = updated.and_then(|update| {
        let fields = &update.updated_fields;
        let nested = || fields.get_document("metadata").ok()?.get_str("last_event_id").ok();
        fields.get_str("metadata.last_event_id").ok().or_else(nested)
    });
    updated.or(inserted).map(str::to_owned)
}

/// Inserts the rows at their times, each in a transaction of its own. Rows of one aggregate stay in their order.
async fn insert(args: &Args, rows: &[Row]) -> Result<()> {
    let begin = Instant::now() + Duration::from_millis(100);
    let mut lanes = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (lane, mut rows) = mpsc::channel::<Row>(1_000);
        let client = connect(&args.postgres).await?;
        let insert = client.prepare(INSERT).await?;
        lanes.push(lane);
        tasks.push(tokio::spawn(async move {
            while let Some(row) = rows.recv().await {
                let Row { event_id, aggregate_id, aggregate_type, event_type, payload } = &row;
                client
                    .execute(&insert, &[event_id, aggregate_id, aggregate_type, event_type, payload])
                    .await
                    .context("a row cannot be inserted")?;
            }
            Ok::<_, anyhow::Error>(())
        }));
    }
    let mut due = begin;
    for row in rows {
        sleep_until(due).await;
        due += Duration::from_secs_f64(1.0 / args.rate);
        let mut hash = DefaultHasher::new();
        row.aggregate_id.hash(&mut hash);
        let lane = usize::try_from(hash.finish() % CONNECTIONS as u64)?;
        lanes[lane].send(row.clone()).await.context("rows are no longer inserted")?;
    }
    drop(lanes);
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn committed(args: &Args, rows: &[Row]) -> Result<HashMap<String, i64>> {
    let client = connect(&args.postgres).await?;
    let mut committed = HashMap::new();
    for rows in rows.chunks(1_000) {
        let ids: Vec<&str> = rows.iter().map(|row| row.event_id.as_str()).collect();
        for found in client.query(COMMITTED, &[&ids]).await? {
            committed.insert(found.get(0), found.get(1));
        }
    }
    Ok(committed)
}

async fn connect(uri: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(uri, NoTls).await.context("PostgreSQL cannot be reached")?;
    tokio::spawn(connection);
    Ok(client)
}

#[allow(clippy::disallowed_methods, reason = "measured against PostgreSQL's clock, which is the machine's")]
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
