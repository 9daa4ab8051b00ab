//! `cargo xtask simulate`: Weir's core against a simulated Kafka, MongoDB and clock.

use anyhow::Result;

use rig::{cargo, paths, process};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Switch on every seeded bug in turn: each must be caught.
    #[arg(long)]
    bugs: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    cargo::build_weir()?;
    let mut command = std::process::Command::new(paths::simulation());
    command.args(["--seeds", &args.seeds.to_string(), "--from", &args.from.to_string()]);
    if args.bugs {
        command.arg("--bugs");
    }
    process::run(&mut command, "the simulation")
}
