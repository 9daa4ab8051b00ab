//! `cargo xtask prove`: each promise is run, against the real services or the simulated ones, and said with its figure
//! and its bound.

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
mod hostile;
mod hosts;
mod latency;
mod load;
mod outage;
mod proxy;
mod reads;
mod recovery;
mod reference;
mod replica_set;
mod secured;
mod simulated;
mod takeover;
mod throughput;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::guests::Built;
use crate::instance::{Instance, Service, TOPIC, Temporary};
use crate::{cargo, guests, paths, prerequisites, python, weir};

const INSTANCE: &str = "prove";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The promises to prove; --list names them.
    #[arg(required_unless_present = "list")]
    names: Vec<String>,
    /// Name the promises.
    #[arg(long)]
    list: bool,
    /// Smaller and shorter: shows that it is correct, and holds no time against its bound.
    #[arg(long)]
    quick: bool,
    /// Leave the services of the last proof running, to look at what they hold.
    #[arg(long)]
    keep: bool,
}

/// A promise and what shows it.
struct Proof {
    name: &'static str,
    promise: &'static str,
    way: Way,
}

/// What shows a promise.
enum Way {
    /// Weir itself, with these services of a fresh instance.
    Real(&'static [Service], fn(&Run<'_>) -> Result<Verdict>),
    /// What needs no service; told whether it is to be quick.
    Alone(fn(bool) -> Result<Verdict>),
}

/// What a proof needs that puts records into Kafka by itself.
const WITHOUT_OUTBOX: [Service; 2] = [Service::Kafka, Service::Mongod];

const PROOFS: [Proof; 15] = [
    Proof {
        name: "decoding",
        promise: "every record that Debezium was recorded to write decodes as the row says that was inserted",
        way: Way::Alone(|_| decoding::run()),
    },
    Proof {
        name: "reference",
        promise: "a row inserted by SQL gives its documents once; updates and a delete of it change nothing",
        way: Way::Real(&Service::ALL, reference::run),
    },
    Proof {
        name: "containment",
        promise: "what a handler does wrong meets its limit, and harms neither the host nor another handler",
        way: Way::Real(&Service::ALL, containment::run),
    },
    Proof {
        name: "outage",
        promise: "Kafka or MongoDB being away changes no document and costs no delivery an attempt",
        way: Way::Real(&Service::ALL, outage::run),
    },
    Proof {
        name: "exactly-once",
        promise: "each event takes effect once and in its aggregate's order, whatever is killed and whatever comes twice",
        way: Way::Real(&WITHOUT_OUTBOX, exactly_once::run),
    },
    Proof {
        name: "faults",
        promise: "each event takes effect once and in order, whoever stands still, restarts or loses a connection",
        way: Way::Real(&[Service::Kafka], faults::run),
    },
    Proof {
        name: "recovery",
        promise: "when a host dies or is stopped, another goes on soon; a stop makes no delivery run again",
        way: Way::Real(&WITHOUT_OUTBOX, recovery::run),
    },
    Proof {
        name: "reads",
        promise: "to read a document, change it and write it back loses no update; the reference mix runs in batches",
        way: Way::Real(&WITHOUT_OUTBOX, reads::run),
    },
    Proof {
        name: "hand-over",
        promise: "where a predecessor was killed between its writes and its commit, Weir goes on and doubles nothing",
        way: Way::Real(&WITHOUT_OUTBOX, hand_over::run),
    },
    Proof {
        name: "culprit",
        promise: "a write that always fails is found in its batch, parked alone, and costs the rest one transaction",
        way: Way::Real(&WITHOUT_OUTBOX, culprit::run),
    },
    Proof {
        name: "simulation",
        promise: "the same holds in any order of things: faults from seeds, a simulated Kafka, MongoDB and clock, a model",
        way: Way::Alone(simulated::seeds),
    },
    Proof {
        name: "seeded-bugs",
        promise: "the simulation finds what is wrong: each bug that is put in is caught, by a seed that passes without it",
        way: Way::Alone(simulated::bugs),
    },
    Proof {
        name: "secured",
        promise: "TLS, logins and certificates work with the rights of deploy/roles, and what is refused is said",
        way: Way::Real(&[], secured::run),
    },
    Proof {
        name: "throughput",
        promise: "one host comes near what MongoDB allows, and far above a consumer written by hand",
        way: Way::Real(&WITHOUT_OUTBOX, throughput::run),
    },
    Proof {
        name: "latency",
        promise: "a committed row is a readable document soon, with every commit on the disk",
        way: Way::Real(&WITHOUT_OUTBOX, latency::run),
    },
];

/// What a proof runs with: a fresh instance that is up.
struct Run<'a> {
    quick: bool,
    built: &'a Built,
    instance: &'a Instance,
}

impl Run<'_> {
    /// Waits until Weir has accounted for that many changes of the outbox.
    fn settled(&self, changes: u64, limit: Duration) -> Result<Value> {
        let there = &self.instance.environment;
        let (changes, seconds) = (changes.to_string(), limit.as_secs().to_string());
        let arguments = [&there.kafka, &there.mongodb, weir::GROUP, TOPIC, &changes, &seconds];
        python::json(&self.instance.parts, "settled.py", &arguments)
    }

    /// A folder of the six handlers and some behaviours.
    fn handlers<'b>(&self, behaviours: impl IntoIterator<Item = &'b str>) -> Result<PathBuf> {
        let folder = self.instance.path("handlers");
        paths::remove(&folder)?;
        paths::make(&folder)?;
        for entry in fs::read_dir(&self.built.handlers).context("there are no handlers")? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "wasm") {
                copy(&file, &folder)?;
            }
        }
        for name in behaviours {
            copy(&self.built.behaviours.join(format!("{name}.wasm")), &folder)?;
        }
        Ok(folder)
    }
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a component has no name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

/// What a proof found.
#[derive(Debug, Serialize)]
struct Verdict {
    /// Whether the promise is kept.
    holds: bool,
    /// What was measured.
    figure: String,
    /// What it had to be.
    bound: String,
    /// What else was seen.
    details: Value,
}

#[derive(Serialize)]
struct Report<'a> {
    name: &'a str,
    promise: &'a str,
    quick: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

/// Runs the promises that are named; fails where one falls short.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.list {
        for proof in &PROOFS {
            println!("{:<14} {}", proof.name, proof.promise);
        }
        return Ok(());
    }
    let chosen = args.names.iter().map(|name| find(name)).collect::<Result<Vec<_>>>()?;
    // The others need neither services nor handlers.
    let real = chosen.iter().any(|proof| matches!(proof.way, Way::Real(..)));
    if real {
        prerequisites::for_everything()?;
    }
    println!("building weir and what the proofs need");
    cargo::build_weir_for_proofs()?;
    let built = if real { Some(guests::build()?) } else { None };
    let mut short = Vec::new();
    for proof in chosen {
        if !one(proof, args, built.as_ref())? {
            short.push(proof.name);
        }
    }
    if short.is_empty() { Ok(()) } else { bail!("not proved: {}", short.join(", ")) }
}

fn find(name: &str) -> Result<&'static Proof> {
    match PROOFS.iter().find(|proof| proof.name == name) {
        Some(proof) => Ok(proof),
        None => bail!("there is no proof {name:?}: cargo xtask prove --list names them"),
    }
}

fn one(proof: &'static Proof, args: &Args, built: Option<&Built>) -> Result<bool> {
    println!("\n{}: {}", proof.name, proof.promise);
    let begin = Instant::now();
    let found = attempt(proof, args, built);
    let seconds = begin.elapsed().as_secs_f64();
    let (verdict, error) = match found {
        Ok(verdict) => (Some(verdict), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let holds = verdict.as_ref().is_some_and(|verdict| verdict.holds);
    let times = if args.quick { "; quick: times are not held to" } else { "" };
    match (&verdict, &error) {
        (Some(Verdict { figure, bound, .. }), _) => {
            let word = if holds { "holds" } else { "FALLS SHORT" };
            println!("{} {word}: {figure} (bound: {bound}; {seconds:.0} s{times})", proof.name);
        }
        (None, error) => println!("{} FALLS SHORT: {}", proof.name, error.as_deref().unwrap_or_default()),
    }
    let report = Report { name: proof.name, promise: proof.promise, quick: args.quick, seconds, error, verdict };
    let folder = paths::target().join("prove");
    paths::make(&folder)?;
    fs::write(folder.join(format!("{}.json", proof.name)), serde_json::to_string_pretty(&report)?)?;
    Ok(holds)
}

fn attempt(proof: &Proof, args: &Args, built: Option<&Built>) -> Result<Verdict> {
    match proof.way {
        Way::Alone(run) => run(args.quick),
        Way::Real(services, run) => {
            let built = built.context("there are no handlers")?;
            let temporary = Temporary::up_with(INSTANCE, args.keep, services)?;
            run(&Run { quick: args.quick, built, instance: &temporary.instance })
        }
    }
}
