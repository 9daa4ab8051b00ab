//! The write of one event in a batch of 500 always fails: that event alone is parked, and the rest costs one
//! transaction.

use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::hosts::Hosts;
use crate::run::Run;
use crate::verdict::Verdict;
use rig::instance::PARTITIONS;
use rig::pipeline::Pipeline;
use rig::python;

/// What one batch with a culprit cost.
#[derive(Debug, Serialize, Deserialize)]
struct Round {
    /// The culprit's place in the batch.
    place: u64,
    /// Commits of the batch, and of the delivery that it waited behind.
    commits: u64,
    batches: u64,
    /// Transactions that were redone: in strict order, and without the culprit.
    redone: u64,
    wrong: Vec<String>,
}

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let rounds = if run.quick { 3 } else { 50 };
    let Pipeline { kafka, mongodb, topic, data, own, .. } = run.pipeline();
    let prepared = json!({ "mongodb": mongodb, "data": data }).to_string();
    python::run(&run.instance.parts, "culprit.py", &["prepare", &prepared])?;
    // A parked delivery must not be retried while the proof looks at it.
    // The batch must collect behind a delivery that sleeps.
    let settings = [("RETRY_DELAY_SECONDS", "3600"), ("PROCESSING_BATCH_SIZE", "500"), ("WEIR_PATIENCE_MS", "5000")];
    let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
    let mut hosts = Hosts::new(run, run.handlers(["sleeps", "unique-value"])?, 1, settings)?;
    hosts.up()?;
    let settings = json!({
        "kafka": kafka, "mongodb": mongodb, "data": data, "own": own, "topic": topic, "partitions": PARTITIONS,
        "admin": hosts.all[0].weir()?.admin(), "seed": 31, "rounds": rounds,
    });
    let begin = Instant::now();
    let said = python::json(&run.instance.parts, "culprit.py", &["run", &settings.to_string()])?;
    let seconds = begin.elapsed().as_secs_f64();
    let found: Vec<Round> = serde_json::from_value(said).context("culprit.py wrote an unexpected form")?;
    hosts.stop()?;

    let wrong: Vec<&String> = found.iter().flat_map(|round| &round.wrong).collect();
    for each in wrong.iter().take(10) {
        println!("  {each}");
    }
    let redone: u64 = found.iter().map(|round| round.redone).sum();
    Ok(Verdict {
        holds: wrong.is_empty() && found.len() == rounds,
        figure: format!(
            "{} batches of 500 with a culprit each: {} things were wrong; {redone} transactions were redone to find \
             it and leave it out",
            found.len(),
            wrong.len()
        ),
        bound: "499 committed in one transaction, the culprit alone parked, with MongoDB's words".to_owned(),
        details: json!({ "rounds": found, "rounds_seconds": seconds }),
    })
}
