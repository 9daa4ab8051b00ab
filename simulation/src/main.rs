//! Weir's core against a simulated Kafka, MongoDB and clock: `cargo xtask simulate`.
//!
//! Each seed is a run with faults. After it the collections must be what the logs say, according to a model that shares
//! no code with Weir. The same seed gives the same run.

// A program for people prints to stdout.
#![allow(clippy::print_stdout)]
#![allow(
    clippy::missing_fields_in_debug,
    clippy::similar_names,
    clippy::single_match_else,
    clippy::struct_field_names,
    clippy::type_complexity,
    reason = "a test's own names and matches"
)]

mod broken;
mod bugs;
mod channel;
mod client;
mod command;
mod handlers;
mod host;
mod kafka;
mod kept;
mod kernel;
mod kinds;
mod model;
mod mongo;
mod raw;
mod requests;
mod run;
mod stops;
mod sweep;
mod verdict;
mod wire;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use serde_json::{Value, json};
use weir_core::seeded;

use crate::sweep::Swept;

/// A world consists of small documents, and with the C library a third of the time went into their memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs seeds.
#[derive(Parser)]
struct Line {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Switch on every seeded bug in turn. Each must be caught within the given number of seeds.
    #[arg(long)]
    bugs: bool,
    /// Only this bug, by its name.
    #[arg(long)]
    bug: Option<String>,
    /// Say what happened in the run, for a single seed.
    #[arg(long)]
    trace: bool,
    /// Write the results to this file, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

/// From this many seeds on, everything that can happen must have happened.
const ENOUGH: usize = 200;
/// How many of the failing seeds of a run are kept and named.
const KEPT_AT_ONCE: usize = 10;

/// Every count that a run without bugs must have seen.
const MUST_HAPPEN: [&str; 85] = [
    "case: many events at the ledger's floor",
    "case: topics by a pattern",
    "fault: a commit conflicts",
    "fault: a delivery kills the host",
    "fault: a hand-over's offsets are not committed",
    "fault: a handler is slow",
    "fault: a handler takes seconds",
    "fault: a new partition begins with an old event",
    "fault: a read takes too long",
    "fault: a retention changed at a restart",
    "fault: a right is missing",
    "fault: an old event in two partitions",
    "fault: assigned to two",
    "fault: callback lost",
    "fault: command arrives late",
    "fault: command interrupted",
    "fault: connection lost before",
    "fault: duplicate at a new offset",
    "fault: duplicate in another partition",
    "fault: failover",
    "fault: gap in offsets",
    "fault: host asked to stop",
    "fault: host killed",
    "fault: host stopped",
    "fault: hosts with different retentions",
    "fault: kafka does not answer",
    "fault: kafka's client takes no answer",
    "fault: kafka's client takes no assignment",
    "fault: log start passed progress",
    "fault: log truncated",
    "fault: mark of a transaction",
    "fault: marks of transactions removed",
    "fault: mongodb away",
    "fault: offset out of range",
    "fault: partitions grew",
    "fault: reply lost",
    "fault: rolled back",
    "fault: a handler has tripped",
    "fault: somebody discards",
    "fault: somebody pauses a handler",
    "fault: somebody retries",
    "fault: topic made anew",
    "fault: transaction too large",
    "fault: writeErrors",
    "letter: beyond-ledger",
    "letter: slow",
    "letter: too-large",
    "letter: unauthorized",
    "outcome: a claim came too late",
    "outcome: a document deleted",
    "outcome: a lane started",
    "outcome: a line sent away",
    "outcome: a paused handler goes on",
    "outcome: a read ended a batch",
    "outcome: a read was changed",
    "outcome: an event alone with two handlers",
    "outcome: an owner lost while it ran an event singly",
    "outcome: a later attempt succeeded",
    "outcome: a tripped handler succeeded",
    "outcome: asked for another attempt",
    "outcome: bucket dropped",
    "outcome: claimed anew",
    "outcome: conflict",
    "outcome: given back",
    "outcome: lease refused",
    "outcome: lease taken",
    "outcome: lost to another member",
    "outcome: needs a commit",
    "outcome: needs to be alone",
    "outcome: no-op update",
    "outcome: orphan killed",
    "outcome: partition stopped",
    "outcome: paused",
    "outcome: progress set past lost records",
    "outcome: resumed",
    "outcome: several documents deleted by one statement",
    "outcome: several documents updated by one statement",
    "outcome: stopped cleanly",
    "outcome: the committer took nothing",
    "outcome: the same refusal again",
    "outcome: three owners lost in a row, and none dead",
    "outcome: told to give up",
    "outcome: two owners lost in a row",
    "outcome: two owners lost in a row, and none dead",
    "outcome: waited for a transaction",
];

fn main() -> anyhow::Result<ExitCode> {
    let line = Line::parse();
    if line.trace {
        return Ok(trace(&line));
    }
    let report = if line.bugs || line.bug.is_some() { bugs::all(&line)? } else { unchanged(&line)? };
    if let Some(file) = &line.report {
        std::fs::write(file, report.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if report["holds"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs Weir as it is: no seed may fail, and everything must have happened. Seeds that fail are kept, and every later
/// run repeats them.
fn unchanged(line: &Line) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let kept = kept::seeds()?;
    let others = (line.from..line.from + line.seeds).filter(|seed| !kept.contains(seed));
    let seeds: Vec<u64> = kept.iter().copied().chain(others).collect();
    let Swept { failures, counts, latest, waited } = sweep::run(&seeds, None, |_| false);
    let seconds = begun.elapsed().as_secs_f64();
    for (what, count) in &counts {
        println!("{count:>10}  {what}");
    }
    println!("{} seeds, {} of them kept, in {seconds:.1} s, {} failed", seeds.len(), kept.len(), failures.len());
    println!(
        "the latest was settled {:.1} s after its storm, and the longest wait for a transaction took {:.1} s",
        latest.as_secs_f64(),
        waited.as_secs_f64()
    );
    for (seed, faults) in failures.iter().take(KEPT_AT_ONCE) {
        println!("seed {seed}:");
        for fault in faults.iter().take(KEPT_AT_ONCE) {
            println!("  {fault}");
        }
        println!("  again: cargo xtask simulate --seeds 1 --from {seed}");
        if !kept.contains(seed)
            && let Some(first) = faults.first()
        {
            kept::add(*seed, &first.to_string())?;
        }
    }
    let missing: Vec<_> = MUST_HAPPEN.iter().filter(|what| !counts.contains_key(*what)).collect();
    let enough = seeds.len() < ENOUGH || missing.is_empty();
    if !enough {
        println!("never happened: {missing:?}");
    }
    let failed: Vec<_> = failures.iter().map(|(seed, faults)| json!([seed, sweep::words(faults)])).collect();
    Ok(json!({
        "holds": enough && failures.is_empty(), "seeds": seeds.len(), "kept": kept.len(), "seconds": seconds,
        "failed": failed, "missing": missing, "counts": counts,
    }))
}

fn trace(line: &Line) -> ExitCode {
    seeded::set(line.bug.as_deref().and_then(bugs::named));
    let one = run::seed(line.from);
    let again = run::seed(line.from);
    println!("{:#?}", one.counts);
    for fault in &one.faults {
        println!("{fault}");
    }
    println!("settled at {:?}", one.settled);
    if one.fingerprint != again.fingerprint {
        println!("the second run was another one: {:x} and {:x}", one.fingerprint, again.fingerprint);
        return ExitCode::FAILURE;
    }
    if one.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
