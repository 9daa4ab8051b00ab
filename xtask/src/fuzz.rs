//! `cargo xtask fuzz`: runs the coverage-guided targets of `fuzz/` with cargo-fuzz on nightly.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use rig::{paths, process};

/// The targets, as `fuzz/Cargo.toml` names them.
const TARGETS: [&str; 5] = ["record", "extended-json", "bson", "request", "component"];

/// How to install what is needed.
const INSTALL: &str = "rustup toolchain install nightly && cargo install cargo-fuzz@0.13.2 --locked";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The target. Without it, every target runs in turn.
    #[arg(value_parser = TARGETS)]
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let found = nightly().args(["fuzz", "--version"]).output().is_ok_and(|output| output.status.success());
    if !found {
        bail!("cargo-fuzz does not run on nightly; to install both: {INSTALL}");
    }
    let named = args.target.as_deref();
    TARGETS.into_iter().filter(|target| named.is_none_or(|named| named == *target)).try_for_each(|target| {
        println!("{target}: {} s", args.seconds);
        fuzz(target, args.seconds)
    })
}

/// Runs a target. Its discoveries are kept in the cache, so that the next run begins with them. The corpus in the
/// repository stays as it is.
fn fuzz(target: &str, seconds: u64) -> Result<()> {
    let discovered = paths::cache()?.join("fuzz").join(target);
    fs::create_dir_all(&discovered).with_context(|| format!("cannot make {}", discovered.display()))?;
    let mut command = nightly();
    // Weir has no unsafe code of its own, and the address sanitizer cannot cope with the address space that wasmtime
    // reserves.
    command.args(["fuzz", "run", "--dev", "--sanitizer=none", target]).arg(&discovered);
    command.arg(paths::root().join("fuzz/corpus").join(target));
    command.args(["--", "-timeout=30", "-rss_limit_mb=2048", "-max_len=65536"]);
    command.arg(format!("-max_total_time={seconds}"));
    let dictionary = paths::root().join("fuzz/dictionaries").join(target);
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let hint = format!("keep the input as fuzz/cases/{target}/NAME, with the fix");
    process::run(&mut command, &format!("the fuzz target {target}")).context(hint)
}

/// Returns nightly's cargo, whatever the repository's toolchain is and whichever cargo runs this task.
fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).current_dir(paths::root());
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    command
}
