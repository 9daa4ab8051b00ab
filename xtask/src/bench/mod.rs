//! `cargo xtask bench`: what Weir costs, compared with what MongoDB allows and what people write by hand.
//!
//! `rig::measure` does the measuring. This module decides what to measure and how to show the figures.

mod plot;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde::Serialize;

use rig::instance::{Service, Temporary};
use rig::measure::figures::{self, EmptyCall, Latency, Measure};
use rig::measure::stage::{Stage, Way};
use rig::measure::{QUIET, QUIET_BY_HAND, RATES, profile, programs};
use rig::pipeline::Pipeline;
use rig::{interrupt, paths, prerequisites};

use crate::guests;

const INSTANCE: &str = "bench";
#[allow(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Use a small backlog, one round and fewer samples: shows that it works, and measures nothing.
    #[arg(long)]
    quick: bool,
    /// Rounds, of which the medians are reported.
    #[arg(long)]
    repeat: Option<u32>,
    /// Events of the backlog.
    #[arg(long)]
    events: Option<u64>,
    /// Measure only some of: ceiling, weir-1 to weir-3, each of these with -cold appended, by-hand, latency,
    /// empty-call.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Draw a flame graph of a single host (needs Linux's perf).
    #[arg(long)]
    profile: bool,
    /// Measure the ordinary build: nothing is recompiled, and figures are lower.
    #[arg(long)]
    unoptimised: bool,
    /// A folder of the six handlers, if they need not be built.
    #[arg(long)]
    handlers: Option<PathBuf>,
    /// Another build of weir, one host of which runs in the same rounds to show what a change is worth.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Also write the plots for README to docs/bench.
    #[arg(long)]
    plots: bool,
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    quick: bool,
    optimised: bool,
    events: u64,
    mean_record_bytes: u64,
    /// The measures of each way, one per round.
    pub(crate) ways: BTreeMap<String, Vec<Measure>>,
    latency: Vec<Latency>,
    empty_call: Option<EmptyCall>,
    /// Why its figures do not count.
    void: Vec<String>,
}

/// Measures what the arguments ask for.
pub(crate) fn run(args: &Args) -> Result<()> {
    let only: Vec<&str> = args.only.iter().map(String::as_str).collect();
    let known: Vec<String> =
        Way::ALL.iter().map(|way| way.name()).chain(["latency".into(), "empty-call".into()]).collect();
    for name in &only {
        ensure!(known.iter().any(|known| known == name), "there is no {name:?} to measure: {}", known.join(", "));
    }
    let wanted = |name: &str| only.is_empty() || only.contains(&name);
    prerequisites::for_everything()?;
    if args.profile {
        profile::check()?;
    }
    let mut programs = programs(!args.unoptimised)?;
    programs.other = args.against.as_deref().map(Path::canonicalize).transpose()?;
    let handlers = match &args.handlers {
        Some(folder) => folder.canonicalize()?,
        None => guests::build()?.handlers,
    };
    let folder = paths::target().join("bench");
    paths::make(&folder)?;

    let temporary = Temporary::up_with(INSTANCE, false, &[Service::Kafka, Service::Mongod])?;
    let pipeline = Pipeline::documented(&temporary.instance.environment);
    let mut stage = Stage::new(&temporary.instance, pipeline, programs, &handlers)?;
    stage.profile = args.profile.then(|| folder.join("flame.svg"));
    let mut report = Report { quick: args.quick, optimised: !args.unoptimised, ..Report::default() };
    if wanted("empty-call") {
        report.empty_call = Some(stage.empty_call()?);
    }
    let ways: Vec<Way> = Way::ALL
        .into_iter()
        .filter(|way| if *way == Way::Other { args.against.is_some() && wanted("weir-1") } else { wanted(&way.name()) })
        .collect();
    if !ways.is_empty() {
        throughput(&stage, args, &ways, &mut report)?;
    }
    if wanted("latency") {
        stage.durable_outbox()?;
        let seconds = if args.quick { 5 } else { 60 };
        for rate in RATES {
            let samples = if args.quick { rate * seconds } else { (rate * seconds).max(3_000) };
            let latency = stage.latency(rate, samples)?;
            println!("  {}", table::latency(&latency));
            report.latency.push(latency);
        }
    }
    report.judge();
    finish(args, &report, &folder)
}

fn throughput(stage: &Stage<'_>, args: &Args, ways: &[Way], report: &mut Report) -> Result<()> {
    let events = args.events.unwrap_or(if args.quick { 6_000 } else { 100_000 });
    stage.patient_groups()?;
    let backlog = stage.backlog(events, if args.quick { 200 } else { 3_000 }.min(events - 1))?;
    (report.events, report.mean_record_bytes) = (events, backlog.mean_bytes);
    println!("  a backlog of {events} records of {} bytes on average", backlog.mean_bytes);
    for round in 1..=args.repeat.unwrap_or(if args.quick { 1 } else { 3 }) {
        for way in ways {
            interrupt::check()?;
            let measure = stage.run(*way, &backlog)?;
            println!("  round {round} {}", table::run(&way.name(), &measure));
            report.ways.entry(way.name()).or_default().push(measure);
        }
    }
    Ok(())
}

impl Report {
    /// Notes why its figures do not count, if they do not.
    fn judge(&mut self) {
        for (name, bound) in [("ceiling", QUIET), ("by-hand", QUIET_BY_HAND)] {
            if let Some(rate) = self.rate(name)
                && rate < bound
            {
                let text = format!("{name} comes to {rate:.0} events/s, and below {bound:.0} the machine is not quiet");
                self.void.push(text);
            }
        }
        if !self.optimised {
            self.void.push("the ordinary build was measured".to_owned());
        }
        if self.quick {
            self.void.push("a quick run is too short to measure anything".to_owned());
        }
    }

    /// Returns the median of a way's rounds, in events per second.
    pub(crate) fn rate(&self, way: &str) -> Option<f64> {
        figures::median(self.ways.get(way)?.iter().map(Measure::rate))
    }
}

fn finish(args: &Args, report: &Report, folder: &Path) -> Result<()> {
    fs::write(folder.join("bench.json"), serde_json::to_string_pretty(report)?)?;
    println!("\n{}", table::all(report));
    let plots = plot::all(report);
    for (name, svg) in &plots {
        fs::write(folder.join(name), svg)?;
    }
    if args.plots {
        let docs = paths::root().join("docs/bench");
        paths::make(&docs)?;
        plots.iter().try_for_each(|(name, svg)| fs::write(docs.join(name), svg))?;
    }
    println!("in {}: bench.json, {}", folder.display(), plots.keys().copied().collect::<Vec<_>>().join(", "));
    Ok(())
}
