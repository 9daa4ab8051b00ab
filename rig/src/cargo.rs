//! Builds of the workspace's own packages.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{paths, process};

/// Cargo, run at the repository's root.
pub fn cargo() -> Command {
    cargo_in(&paths::root())
}

/// Cargo, run in a folder, without the package variables that the cargo running this task has set. Build scripts that
/// look at such variables would run again, and everything that depends on them would be recompiled.
pub fn cargo_in(folder: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    for (name, _) in env::vars_os() {
        let told =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if told {
            command.env_remove(name);
        }
    }
    command
}

/// Builds the release binaries: Weir, and the programs that measure it.
pub fn build_release() -> Result<()> {
    let mut command = cargo();
    command.args(["build", "--release", "--package", "weir", "--package", "bench", "--bins"]);
    process::run(&mut command, "the optimised build")
}

/// Builds the binary `weir`. It names the whole workspace and a small test, because features are then the same as those
/// of `cargo test` and nothing is built twice. So the binary has the points at which a proof makes it die, which do
/// nothing unless `WEIR_FAILPOINT` names one.
pub fn build_weir() -> Result<()> {
    process::run(weir().args(["--exclude", "bench"]), "the build of weir")
}

/// The same with the programs that measure.
pub fn build_weir_for_proofs() -> Result<()> {
    process::run(&mut weir(), "the build of weir")
}

fn weir() -> Command {
    let mut command = cargo();
    command.args(["build", "--workspace", "--bins", "--test", "tidy", "--features", "weir/proofs"]);
    command
}
