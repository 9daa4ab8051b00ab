//! The Python scripts beside this package, run with the clients of the cache's venv.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cache::Parts;
use crate::{paths, process};

/// Returns the command for a script.
pub fn command(parts: &Parts, script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(&parts.python);
    // Keep bytecode away from the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(paths::script(script)).args(arguments);
    command
}

/// Runs a script to its end, and returns what it wrote.
pub fn run(parts: &Parts, script: &str, arguments: &[&str]) -> Result<String> {
    process::output(&mut command(parts, script, arguments), script)
}

/// The same for a script that writes JSON.
pub fn json(parts: &Parts, script: &str, arguments: &[&str]) -> Result<Value> {
    let text = run(parts, script, arguments)?;
    serde_json::from_str(&text).with_context(|| format!("{script} did not write JSON: {text}"))
}
