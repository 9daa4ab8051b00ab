//! The project's own commands: `cargo xtask --help` lists them.
//!
//! There is one file per verb. The package stays light, so that it compiles in seconds and can say early what a machine
//! lacks: it uses `rig` without that package's clients of Kafka and MongoDB.

// A program for people prints to stdout.
#![allow(clippy::print_stdout)]

mod bench;
mod capture;
mod compose;
mod demo;
mod down;
mod fuzz;
mod guests;
mod image;
mod parts;
mod prove;
mod simulate;
mod sync_wit;
mod test;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rig::interrupt;

/// The commands of the Weir repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start PostgreSQL, Kafka, Connect with Debezium and MongoDB on this machine, without Docker.
    Up(up::Args),
    /// Stop what `up` started.
    Down(down::Args),
    /// Run every test, with the services that they need.
    Test(test::Args),
    /// Insert rows into PostgreSQL, and compare each document that arrives in MongoDB with a model.
    Demo(demo::Args),
    /// Record what the real Debezium writes in each form, for the fixtures of decoding.
    Capture(capture::Args),
    /// Prove a promise against the real services.
    Prove(prove::Args),
    /// Measure throughput, latency and what they cost.
    Bench(bench::Args),
    /// Run Weir's core against a simulated Kafka, MongoDB and clock, with faults from seeds.
    Simulate(simulate::Args),
    /// Feed made-up records, texts, calls and components to the code that parses them, guided by coverage, on nightly.
    Fuzz(fuzz::Args),
    /// Check docker-compose.yml with Compose itself.
    Compose,
    /// Build the image of the Dockerfile with buildah, on bases made from Debian's packages.
    Image,
    /// Build the six handlers and the guests that tests need.
    Guests,
    /// Copy the contract to the packages that need a copy of it.
    SyncWit(sync_wit::Args),
}

fn main() -> ExitCode {
    let done = interrupt::watch().and_then(|()| run(Line::parse().verb));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Up(args) => up::run(&args),
        Verb::Down(args) => down::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Capture(args) => capture::run(&args),
        Verb::Prove(args) => prove::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Simulate(args) => simulate::run(&args),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Compose => compose::run(),
        Verb::Image => image::run(),
        Verb::Guests => guests::build().map(|built| {
            println!("handlers: {}\nbehaviours: {}", built.handlers.display(), built.behaviours.display());
        }),
        Verb::SyncWit(args) => sync_wit::run(&args),
    }
}
