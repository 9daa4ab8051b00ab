//! Commands that run to their end, with an error that shows what they printed.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command that prints to the terminal itself.
pub fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("{what}: cannot run {}", name(command)))?;
    if !status.success() {
        bail!("{what} failed: {} gave {status}", name(command));
    }
    Ok(())
}

/// Runs a command whose output goes to a log. The error shows the end of it.
pub fn logged(command: &mut Command, log: &Path, what: &str) -> Result<()> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let status = command
        .stdin(Stdio::null())
        .stderr(file.try_clone()?)
        .stdout(file)
        .status()
        .with_context(|| format!("{what}: cannot run {}", name(command)))?;
    if !status.success() {
        bail!("{what} failed: {} gave {status}; the end of {}:\n{}", name(command), log.display(), tail(log));
    }
    Ok(())
}

/// Returns what a command writes to stdout.
pub fn output(command: &mut Command, what: &str) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{what}: cannot run {}", name(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{what} failed: {} gave {}:\n{}", name(command), output.status, last_lines(&said));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{what} did not give text"))
}

/// Returns the last lines of a log, indented.
pub fn tail(log: &Path) -> String {
    match fs::read(log) {
        Ok(bytes) => last_lines(&String::from_utf8_lossy(&bytes)),
        Err(error) => format!("    (cannot be read: {error})"),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(15);
    lines[from..].iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
