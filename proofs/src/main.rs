//! Weir's promises. Each is tested on the real services or the simulated ones, and has a figure and a bound.
//! `cargo xtask prove NAME` builds what is needed and runs this program.
//!
//! # How to add a proof
//!
//! 1. One file, `proofs/src/NAME.rs`, with `pub(crate) fn run(run: &Run<'_>) -> Result<Verdict>`. It starts hosts, does
//!    whatever the promise is about, and returns a [`verdict::Verdict`]: whether the promise holds, the figure that was
//!    measured, and the bound for it. An error counts as a failure too, so use `?` and `ensure!` freely.
//! 2. One row in [`table::PROOFS`]: the name, the promise in one sentence, and how it is run ([`table::Way`]): most proofs
//!    name the services that they need and share them with the other proofs of the run.
//! 3. A quick form (`run.quick`) that takes at most 30 seconds besides the services' start and still fails if the
//!    promise is broken. It need not measure time.
//!
//! # What a proof works with
//!
//! The services are started once, when the first proof of a run needs them. Each [`run::Run`] has a world that keeps
//! its proof apart from the others: a fresh topic, group and databases, and with Connect an outbox and a connector too.
//! So a proof takes names from `run.pipeline()` and never hard-codes one.
//!
//! - `run.handlers(["echo"])` fills the world's folder with the six handlers and some behaviours. `run.host(&folder)`
//!   starts a host and waits until it is ready. `run.command(&folder)` returns just the command, so that you can change
//!   settings and start it with `Weir::launch(run.daemon("weir-2"), port, &mut command)`.
//! - `run.world` has clients: `run.block(run.world.send(records))`, `run.block(run.world.own("parked").find_one(…))`.
//! - `run.settled(…)` and `load.settled(…)` wait until everything is accounted for.
//! - `rig::proxy::Proxy` delays, hangs or cuts connections to MongoDB, and `run.instance.kafka_proxy()` those to Kafka.
//!   A proof that stops a service of a shared instance must start it again. One that does more harm is `Way::Apart`.
//!
//! What several proofs have in common is in [`hosts`] (hosts that may die), [`load`] (records that keep hosts behind),
//! [`deaths`], [`exactly`] and [`counts`] (what must have become of the records), and [`chance`].

// A program for people prints to stdout.
#![allow(clippy::print_stdout)]

mod chance;
mod containment;
mod counts;
mod culprit;
mod deaths;
mod decoding;
mod exactly;
mod exactly_once;
mod faults;
mod hand_over;
mod hostile_records;
mod hosts;
mod isolation;
mod latency;
mod ledger_floor;
mod load;
mod outage;
mod reads;
mod recovery;
mod reference;
mod replica_set;
mod report;
mod run;
mod secured;
mod simulated;
mod stalls;
mod table;
mod takeover;
mod throughput;
mod verdict;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use rig::instance::{Instance, Service, Temporary};
use rig::{interrupt, prerequisites};

use crate::report::Report;
use crate::run::Run;
use crate::table::{PROOFS, Proof, Way};

const INSTANCE: &str = "prove";
/// The proof for which `--case` chooses.
const WITH_CASES: &str = "isolation";

/// Proves promises. `cargo xtask prove` builds what this program needs.
#[derive(Parser)]
struct Line {
    /// The promises to prove; --list shows them.
    #[arg(required_unless_present = "list")]
    names: Vec<String>,
    /// List the promises.
    #[arg(long)]
    list: bool,
    /// Run the smaller and shorter forms, which show correctness but hold no time to its bound.
    #[arg(long)]
    quick: bool,
    /// Run this case only, of a proof that has several. May be repeated.
    #[arg(long = "case")]
    cases: Vec<String>,
    /// Leave the services running, to look at what they hold.
    #[arg(long)]
    keep: bool,
    /// Use this instance, which stays up, instead of a fresh one.
    #[arg(long)]
    instance: Option<String>,
}

fn main() -> ExitCode {
    match interrupt::watch().and_then(|()| prove(&Line::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Proves the named promises. Fails if one falls short.
fn prove(line: &Line) -> Result<()> {
    if line.list {
        for proof in PROOFS {
            println!("{:<14} {}", proof.name, proof.promise);
        }
        return Ok(());
    }
    let chosen = line.names.iter().map(|name| find(name)).collect::<Result<Vec<_>>>()?;
    if !line.cases.is_empty() && chosen.iter().any(|proof| proof.name != WITH_CASES) {
        bail!("only {WITH_CASES} has cases");
    }
    if chosen.iter().any(|proof| !matches!(proof.way, Way::Alone(_))) {
        prerequisites::for_services()?;
    }
    let mut shared = Shared { line, instance: None };
    let mut short = Vec::new();
    for proof in chosen {
        println!("\n{}: {}", proof.name, proof.promise);
        let report = match proof.way {
            Way::Alone(run) => Report::of(proof, line.quick, || run(line.quick)),
            Way::Own(start) => {
                let started = start();
                Report::of(proof, line.quick, || started?(line.quick))
            }
            Way::Apart(services, run) => {
                let instance = Temporary::up_with(&format!("{INSTANCE}-{}", proof.name), line.keep, services);
                let instance = instance.as_ref().map(|it| &it.instance);
                let world = instance.map_err(|error| anyhow!("{error:#}"));
                let world = world.and_then(|it| Run::new(proof.name, line.quick, it, services));
                Report::of(proof, line.quick, || run(&world?))
            }
            Way::Real(services, run) => {
                // Neither the start of the services nor that of an outbox's connector counts towards the proof's time.
                let world = shared.with(services).and_then(|it| Run::new(proof.name, line.quick, it, services));
                Report::of(proof, line.quick, || run(&world?.only(&line.cases)))
            }
        };
        println!("{}", report.in_a_line());
        report.write()?;
        if !report.holds() {
            short.push(report.in_a_line());
        }
    }
    // Repeat them at the end, because the end of a long log is the part that is kept.
    if short.is_empty() { Ok(()) } else { bail!("not proved:\n{}", short.join("\n")) }
}

fn find(name: &str) -> Result<&'static Proof> {
    let proof = PROOFS.iter().find(|proof| proof.name == name);
    proof.with_context(|| format!("there is no proof {name:?}: cargo xtask prove --list names them"))
}

/// The instance that proofs share. It is started when the first of them needs it.
struct Shared<'a> {
    line: &'a Line,
    instance: Option<Temporary>,
}

impl Shared<'_> {
    /// Returns the instance with these services up and as they are by default, whatever an earlier proof did to them.
    fn with(&mut self, services: &[Service]) -> Result<&Instance> {
        if self.instance.is_none() {
            let Line { keep, instance, .. } = self.line;
            self.instance = Some(Temporary::shared_or_fresh(instance.as_deref(), INSTANCE, *keep, &[])?);
        }
        let instance = &self.instance.as_ref().context("there is no instance")?.instance;
        instance.restore()?;
        instance.ensure(services)?;
        Ok(instance)
    }
}
