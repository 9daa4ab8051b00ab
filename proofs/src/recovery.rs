//! One of two hosts is stopped or killed in the middle of a transaction. The proof measures how soon the other commits
//! for its partitions, and checks that a stop makes nothing run again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::exactly::{self, Exactly};
use crate::hosts::Hosts;
use crate::load::{Amount, Load, Mix};
use crate::run::Run;
use crate::takeover::{self, Takeover};
use crate::verdict::Verdict;
use rig::{clock, interrupt};

const STOPPED: Duration = Duration::from_secs(3);
const KILLED: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_mins(2);
/// In the middle of a transaction: everything is written, nothing is committed.
const POINT: &str = "before-commit";

/// The handlers of each event type.
const HANDLERS: [(&str, &[&str]); 6] = [
    ("UserCreated", &["user-created", "user-statistics"]),
    ("UserUpdated", &["user-updated"]),
    ("ActivityCreated", &["activity-created"]),
    ("ParticipantJoined", &["participant-joined"]),
    ("ActivityUpdated", &["activity-updated"]),
    ("Tallies", &["tallies"]),
];

/// Handlers' runs and committed deliveries, summed over all hosts and their lives.
#[derive(Default)]
struct Counts {
    runs: BTreeMap<String, f64>,
    committed: BTreeMap<String, f64>,
}

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    // A host is killed when it passes `POINT` for this time.
    let (trials, lag, pass) = if run.quick { (1, 20, 5) } else { (6, 150, 20) };
    let since = clock::now_ms();
    let settings = vec![("PROCESSING_BATCH_SIZE", "100".to_owned())];
    let mut hosts = Hosts::new(run, run.handlers(["tallies"])?, 2, settings)?;
    hosts.up()?;

    let mut load = Load::start(run, run.pipeline(), Amount { mix: Mix::Tallied, lag, events: 0, seed: 51 })?;
    let mut counts = Counts::default();
    let mut stops = Vec::new();
    for trial in 0..trials {
        stops.push(stop(&mut hosts, &mut load, trial % 2, &mut counts)?);
    }
    load.stop()?;
    load.settled(run, PATIENCE, || hosts.alive())?;
    drop(load);
    for host in &hosts.all {
        counts.add(host.weir()?.metrics("weir_delivery_seconds_count")?, host.weir()?.metrics(COMMITTED)?);
    }
    let (again, wrong) = counts.judge(&exactly::compare(run, run.pipeline(), since)?);

    let mut load = Load::start(run, run.pipeline(), Amount { mix: Mix::Tallied, lag, events: 0, seed: 52 })?;
    let mut kills = Vec::new();
    for trial in 0..trials {
        if trial > 0 {
            takeover::shared(&mut load)?;
        }
        kills.push(kill(&mut hosts, &mut load, trial % 2, pass)?);
        if trial + 1 < trials {
            hosts.start(trial % 2, None)?;
        }
    }
    load.stop()?;
    load.settled(run, PATIENCE, || hosts.alive())?;
    hosts.stop()?;
    let found = exactly::compare(run, run.pipeline(), since)?;

    for wrong in &wrong {
        println!("  {wrong}");
    }
    let (stopped, killed) = (longest(&stops), longest(&kills));
    let in_time = run.quick || (stopped <= STOPPED && killed <= KILLED);
    Ok(Verdict {
        holds: found.holds() && wrong.is_empty() && again == 0.0 && in_time,
        figure: format!(
            "the other host committed within {:.1} s of a stop and {:.1} s of a kill in the middle of a transaction, \
             the longest of {trials} each; {again} deliveries ran again after {trials} stops; {} differences from \
             the model",
            stopped.as_secs_f64(),
            killed.as_secs_f64(),
            found.differences
        ),
        bound: format!("{} s after a stop, {} s after a kill; none ran again", STOPPED.as_secs(), KILLED.as_secs()),
        details: json!({
            "stops": seconds(&stops), "kills": seconds(&kills), "runs": counts.runs, "committed": counts.committed,
            "found": found,
        }),
    })
}

/// Deliveries that were committed, which is the only outcome allowed.
const COMMITTED: &str = "outcome=\"committed\"";

/// Stops one of two hosts with SIGTERM, and restarts it once the other has gone on.
fn stop(hosts: &mut Hosts<'_>, load: &mut Load, index: usize, counts: &mut Counts) -> Result<Takeover> {
    let before = takeover::shared(load)?;
    let since = Instant::now();
    let weir = hosts.all[index].weir()?;
    weir.signal(Signal::SIGTERM)?;
    // It answers until it has drained, so its last answer has everything.
    let mut last = None;
    while weir.alive().is_ok() {
        if let (Ok(runs), Ok(committed)) = (weir.metrics("weir_delivery_seconds_count"), weir.metrics(COMMITTED)) {
            last = Some((runs, committed));
        }
        interrupt::sleep(Duration::from_millis(2))?;
    }
    let (runs, committed) = last.context("a host that was asked to stop answered nothing more")?;
    counts.add(runs, committed);
    let stopped = since.elapsed();
    hosts.all[index].stopped()?;
    let takeover = takeover::by_the_other(load, &before, since)?;
    println!(
        "  stopped in {:.1} s; the other host committed for {} partitions after {:.1} s",
        stopped.as_secs_f64(),
        takeover.partitions,
        takeover.took.as_secs_f64()
    );
    hosts.start(index, None)?;
    Ok(takeover)
}

/// Makes one of two hosts die between the last write of a transaction and its commit. It is not started again.
fn kill(hosts: &mut Hosts<'_>, load: &mut Load, index: usize, pass: u64) -> Result<Takeover> {
    hosts.stop_one(index)?;
    hosts.start(index, Some((POINT, pass)))?;
    let begin = Instant::now();
    let mut before = load.state()?;
    while !hosts.all[index].killed()? {
        before = load.state()?;
        anyhow::ensure!(begin.elapsed() < PATIENCE, "{} was not killed by {POINT}", hosts.all[index].name());
        interrupt::sleep(Duration::from_millis(2))?;
    }
    let takeover = takeover::by_the_other(load, &before, Instant::now())?;
    println!(
        "  killed before a commit; the other host committed for {} partitions after {:.1} s",
        takeover.partitions,
        takeover.took.as_secs_f64()
    );
    hosts.bury(index);
    Ok(takeover)
}

impl Counts {
    fn add(&mut self, runs: BTreeMap<String, f64>, committed: BTreeMap<String, f64>) {
        for (sums, counts) in [(&mut self.runs, runs), (&mut self.committed, committed)] {
            for (handler, count) in counts {
                *sums.entry(handler).or_default() += count;
            }
        }
    }

    /// Returns how many deliveries ran without being committed by that run, and every count that the events do not
    /// explain.
    #[allow(
        clippy::float_cmp,
        clippy::cast_precision_loss,
        reason = "counts of this size are whole numbers of a double"
    )]
    fn judge(&self, found: &Exactly) -> (f64, Vec<String>) {
        let mut wrong = Vec::new();
        let mut again = 0.0;
        for (kind, handlers) in HANDLERS {
            let events = found.events.get(kind).copied().unwrap_or(0) as f64;
            for handler in handlers {
                let of = |counts: &BTreeMap<String, f64>| counts.get(*handler).copied().unwrap_or(0.0);
                let (runs, committed) = (of(&self.runs), of(&self.committed));
                again += runs - committed;
                if committed != events {
                    wrong.push(format!("{handler}: {committed} deliveries of {events} events were committed"));
                }
                if runs != committed {
                    wrong.push(format!("{handler} ran {runs} times for {committed} deliveries"));
                }
            }
        }
        (again, wrong)
    }
}

fn longest(takeovers: &[Takeover]) -> Duration {
    takeovers.iter().map(|takeover| takeover.took).max().unwrap_or(Duration::MAX)
}

fn seconds(takeovers: &[Takeover]) -> Vec<f64> {
    takeovers.iter().map(|takeover| takeover.took.as_secs_f64()).collect()
}
