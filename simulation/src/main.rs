//! Weir's core against a simulated Kafka, MongoDB and clock: `cargo xtask simulate`.
//!
//! Each seed is a run with faults; after it the collections must be what the logs say, by a model that shares no code
//! with Weir. The same seed gives the same run.

// A program for people speaks on stdout.
#![allow(clippy::print_stdout)]
#![allow(
    clippy::missing_fields_in_debug,
    clippy::similar_names,
    clippy::single_match_else,
    clippy::struct_field_names,
    clippy::type_complexity,
    reason = "a test's own names and matches"
)]

mod command;
mod handlers;
mod host;
mod kafka;
mod kernel;
mod model;
mod mongo;
mod run;
mod verdict;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
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
    /// Switch every seeded bug on in turn: each must be caught, by at most so many seeds as are given.
    #[arg(long)]
    bugs: bool,
    /// Only this bug, by its name.
    #[arg(long)]
    bug: Option<String>,
    /// Say what happened in the run, for a single seed.
    #[arg(long)]
    trace: bool,
}

/// Every count that a run without bugs has to have seen.
const MUST_HAPPEN: [&str; 30] = [
    "fault: a delivery kills the host",
    "fault: assigned to two",
    "fault: callback lost",
    "fault: command arrives late",
    "fault: connection lost before",
    "fault: duplicate at a new offset",
    "fault: failover",
    "fault: gap in offsets",
    "fault: host killed",
    "fault: host stopped",
    "fault: kafka does not answer",
    "fault: log truncated",
    "fault: mongodb away",
    "fault: partitions grew",
    "fault: reply lost",
    "fault: rolled back",
    "fault: topic made anew",
    "fault: transaction too large",
    "fault: writeErrors",
    "outcome: bucket dropped",
    "outcome: claimed anew",
    "outcome: conflict",
    "outcome: given back",
    "outcome: lease taken",
    "outcome: needs a commit",
    "outcome: needs to be alone",
    "outcome: no-op update",
    "outcome: orphan killed",
    "outcome: partition stopped",
    "outcome: waited for a transaction",
];

fn main() -> ExitCode {
    let line = Line::parse();
    if line.trace {
        return trace(&line);
    }
    if line.bugs || line.bug.is_some() {
        return bugs(&line);
    }
    let begun = Instant::now();
    let (failures, counts) = sweep(line.from, line.seeds, None, usize::MAX);
    let seconds = begun.elapsed().as_secs_f64();
    for (what, count) in &counts {
        println!("{count:>10}  {what}");
    }
    println!("{} seeds in {seconds:.1} s, {} failed", line.seeds, failures.len());
    for (seed, why) in failures.iter().take(10) {
        println!("seed {seed}: {why}\n  again: cargo xtask simulate --seeds 1 --from {seed}");
    }
    let missing: Vec<_> = MUST_HAPPEN.iter().filter(|what| !counts.contains_key(*what)).collect();
    if line.seeds >= 200 && !missing.is_empty() {
        println!("never happened: {missing:?}");
        return ExitCode::FAILURE;
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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

/// Whether every bug is caught.
fn bugs(line: &Line) -> ExitCode {
    let chosen: Vec<Bug> =
        Bug::ALL.into_iter().filter(|bug| line.bug.as_ref().is_none_or(|name| *name == format!("{bug:?}"))).collect();
    let mut missed = 0;
    for bug in chosen {
        let (failures, _) = sweep(line.from, line.seeds, Some(bug), 1);
        match failures.first() {
            Some((seed, why)) => println!("{bug:?}: caught by seed {seed}: {why}"),
            None => {
                missed += 1;
                println!("{bug:?}: NOT CAUGHT by {} seeds", line.seeds);
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Failures = Vec<(u64, String)>;

/// Runs seeds on all processors, until so many have failed.
fn sweep(from: u64, seeds: u64, bug: Option<Bug>, enough: usize) -> (Failures, BTreeMap<&'static str, u64>) {
    let next = AtomicU64::new(from);
    let failures = Mutex::new(Failures::new());
    let counts = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                seeded::set(bug);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds || lock(&failures).len() >= enough {
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
