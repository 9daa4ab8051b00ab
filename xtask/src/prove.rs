//! `cargo xtask prove`: builds what the proofs need, and runs them. The proofs are in the package `proofs`.

use std::process::Command;

use anyhow::Result;
use rig::{cargo, paths, prerequisites, process};

use crate::guests;

/// These need neither services nor handlers. Any other name is assumed to need both.
const ALONE: [&str; 3] = ["decoding", "simulation", "seeded-bugs"];

#[derive(clap::Args)]
pub(crate) struct Args {
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

/// Builds, and proves the named promises. Fails if one falls short.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.names.iter().any(|name| !ALONE.contains(&name.as_str())) {
        prerequisites::for_everything()?;
        guests::build()?;
    } else {
        prerequisites::for_builds()?;
    }
    if !args.list {
        println!("building weir and what the proofs need");
    }
    cargo::build_weir_for_proofs()?;
    let mut proofs = Command::new(paths::debug("proofs"));
    proofs.args(args.list.then_some("--list")).args(args.quick.then_some("--quick"));
    proofs.args(args.keep.then_some("--keep"));
    if let Some(instance) = &args.instance {
        proofs.args(["--instance", instance]);
    }
    for case in &args.cases {
        proofs.args(["--case", case]);
    }
    proofs.args(&args.names);
    process::run(&mut proofs, "the run of the proofs")
}
