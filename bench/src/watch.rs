//! Watches hosts work through a backlog, and measures the time from the first commit to the last by the progress in
//! MongoDB.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use mongodb::{Client, Collection};
use serde_json::{Value, json};

use crate::processes::{self, Process};

const STEP: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    mongodb: String,
    /// Weir's own database.
    #[arg(long)]
    database: String,
    #[arg(long)]
    group: String,
    /// Records in all partitions.
    #[arg(long)]
    events: i64,
    /// Start the time at the first commit after this many hosts own partitions.
    #[arg(long, default_value_t = 1)]
    hosts: usize,
    /// Fail if nothing moves for this many seconds.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Processes whose use to report: NAME=FILE, a file with the process id.
    #[arg(long)]
    process: Vec<Process>,
}

/// How far a group is.
struct State {
    done: i64,
    commits: i64,
    owners: usize,
}

/// The first commit that counts.
struct First {
    at: Instant,
    state: State,
    cpu: BTreeMap<String, f64>,
}

pub(crate) async fn run(args: &Args) -> Result<Value> {
    let client = Client::with_uri_str(&args.mongodb).await?;
    let progress = client.database(&args.database).collection::<Document>("progress");
    let mut first: Option<First> = None;
    let (mut moved, mut last) = (Instant::now(), 0);
    loop {
        let state = look(&progress, &args.group).await?;
        if state.done != last {
            (moved, last) = (Instant::now(), state.done);
            if first.is_none() && state.owners >= args.hosts {
                first = Some(First { at: moved, state, cpu: processes::cpu(&args.process) });
            } else if state.done >= args.events {
                let parked = client.database(&args.database).collection::<Document>("parked");
                let parked = parked.count_documents(doc! {}).await?;
                return match first {
                    Some(first) => told(args, &first, &state, moved, parked),
                    None => bail!("all was done before {} hosts owned partitions", args.hosts),
                };
            }
        }
        ensure!(moved.elapsed().as_secs() < args.patience, "nothing has moved for {} s at {last}", args.patience);
        tokio::time::sleep(STEP).await;
    }
}

async fn look(progress: &Collection<Document>, group: &str) -> Result<State> {
    let found: Vec<Document> = progress.find(doc! { "_id.group": group }).await?.try_collect().await?;
    let sum = |name: &str| found.iter().filter_map(|found| found.get_i64(name).ok()).sum();
    let owners: BTreeSet<&str> = found.iter().filter_map(|found| found.get_str("owner").ok()).collect();
    Ok(State { done: sum("next"), commits: sum("commits"), owners: owners.len() })
}

fn told(args: &Args, first: &First, state: &State, end: Instant, parked: u64) -> Result<Value> {
    let used = processes::since(&args.process, &first.cpu)?;
    Ok(json!({
        "events": state.done - first.state.done,
        "seconds": (end - first.at).as_secs_f64(),
        "partition_commits": state.commits - first.state.commits,
        "processes": used,
        "parked": parked,
    }))
}
