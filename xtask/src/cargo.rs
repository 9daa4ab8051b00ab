//! Builds of the workspace's own packages.

use std::env;
use std::process::Command;

use anyhow::Result;

use crate::{paths, process};

/// Cargo, run at the repository's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root());
    command
}

/// Builds the binary `weir`. The whole workspace is named, and a small test with it, since features are then those of
/// `cargo test`: nothing is built twice.
pub(crate) fn build_weir() -> Result<()> {
    process::run(cargo().args(["build", "--workspace", "--bins", "--test", "tidy"]), "the build of weir")
}
