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

mod channel;
mod client;
mod command;
mod handlers;
mod host;
mod kafka;
mod kept;
mod kernel;
mod model;
mod mongo;
mod run;
mod verdict;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use serde_json::{Value, json};
use weir::seeded::{self, Bug};

use crate::kernel::lock;

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
const MUST_HAPPEN: [&str; 59] = [
    "fault: a commit conflicts",
    "fault: a delivery kills the host",
    "fault: a hand-over's offsets are not committed",
    "fault: a read takes too long",
    "fault: a right is missing",
    "fault: assigned to two",
    "fault: callback lost",
    "fault: command arrives late",
    "fault: command interrupted",
    "fault: connection lost before",
    "fault: duplicate at a new offset",
    "fault: failover",
    "fault: gap in offsets",
    "fault: host asked to stop",
    "fault: host killed",
    "fault: host stopped",
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
    "fault: topic made anew",
    "fault: transaction too large",
    "fault: writeErrors",
    "letter: beyond-ledger",
    "letter: slow",
    "letter: too-large",
    "letter: unauthorized",
    "outcome: a claim came too late",
    "outcome: a drop waited",
    "outcome: a read was changed",
    "outcome: an owner lost while it ran an event singly",
    "outcome: bucket dropped",
    "outcome: claimed anew",
    "outcome: conflict",
    "outcome: given back",
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
    "outcome: stopped cleanly",
    "outcome: the committer took nothing",
    "outcome: the same refusal again",
    "outcome: told to give up",
    "outcome: two owners lost in a row",
    "outcome: waited for a transaction",
];

fn main() -> anyhow::Result<ExitCode> {
    let line = Line::parse();
    if line.trace {
        return Ok(trace(&line));
    }
    let report = if line.bugs || line.bug.is_some() { bugs(&line) } else { unchanged(&line)? };
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
    let (failures, counts) = sweep(&seeds, None, usize::MAX);
    let seconds = begun.elapsed().as_secs_f64();
    for (what, count) in &counts {
        println!("{count:>10}  {what}");
    }
    println!("{} seeds, {} of them kept, in {seconds:.1} s, {} failed", seeds.len(), kept.len(), failures.len());
    for (seed, why) in failures.iter().take(KEPT_AT_ONCE) {
        println!("seed {seed}: {why}\n  again: cargo xtask simulate --seeds 1 --from {seed}");
        if !kept.contains(seed) {
            kept::add(*seed, why)?;
        }
    }
    let missing: Vec<_> = MUST_HAPPEN.iter().filter(|what| !counts.contains_key(*what)).collect();
    let enough = seeds.len() < ENOUGH || missing.is_empty();
    if !enough {
        println!("never happened: {missing:?}");
    }
    Ok(json!({
        "holds": enough && failures.is_empty(), "seeds": seeds.len(), "kept": kept.len(), "seconds": seconds,
        "failed": failures, "missing": missing, "counts": counts,
    }))
}

fn trace(line: &Line) -> ExitCode {
    seeded::set(line.bug.as_deref().and_then(bug));
    let one = run::seed(line.from);
    let again = run::seed(line.from);
    println!("{:#?}\n{:?}", one.counts, one.verdict);
    if one.fingerprint != again.fingerprint {
        println!("the second run was another one: {:x} and {:x}", one.fingerprint, again.fingerprint);
        return ExitCode::FAILURE;
    }
    if one.verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bug(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name)
}

/// Switches the bugs on in turn. Each must be caught, by a seed that passes without it.
fn bugs(line: &Line) -> Value {
    let chosen = Bug::ALL.into_iter().filter(|bug| line.bug.as_ref().is_none_or(|name| *name == format!("{bug:?}")));
    let seeds: Vec<u64> = (line.from..line.from + line.seeds).collect();
    let (mut caught, mut missed) = (Vec::new(), Vec::new());
    for name in chosen.map(|bug| format!("{bug:?}")) {
        let (failures, _) = sweep(&seeds, bug(&name), 1);
        let Some((seed, why)) = failures.into_iter().next() else {
            println!("{name}: NOT CAUGHT by {} seeds", seeds.len());
            missed.push(json!({ "bug": name, "why": format!("not caught by {} seeds", seeds.len()) }));
            continue;
        };
        match run::seed(seed).verdict {
            Ok(()) => {
                println!("{name}: caught by seed {seed}: {why}");
                caught.push(json!({ "bug": name, "seed": seed, "why": why }));
            }
            Err(why) => {
                println!("{name}: seed {seed} fails WITHOUT IT too: {why}");
                missed.push(json!({ "bug": name, "why": format!("seed {seed} fails without it too: {why}") }));
            }
        }
    }
    json!({ "holds": missed.is_empty() && !caught.is_empty(), "caught": caught, "missed": missed })
}

type Failures = Vec<(u64, String)>;

/// Runs seeds on all processors, until `enough` of them have failed.
fn sweep(seeds: &[u64], bug: Option<Bug>, enough: usize) -> (Failures, BTreeMap<&'static str, u64>) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Failures::new());
    let counts = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                seeded::set(bug);
                loop {
                    let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)).copied() else { return };
                    if lock(&failures).len() >= enough {
                        return;
                    }
                    let ended = run::seed(seed);
                    let mut all = lock(&counts);
                    for (what, count) in ended.counts {
                        *all.entry(what).or_default() += count;
                    }
                    drop(all);
                    if let Err(why) = ended.verdict {
                        lock(&failures).push((seed, why));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_default();
    failures.sort();
    (failures, counts.into_inner().unwrap_or_default())
}
