//! Processor time and memory of processes, as the kernel counts them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// The kernel's ticks per second in `/proc/PID/stat`: 100 on every Linux of this pipeline.
const TICKS: f64 = 100.0;

/// A process: a name, and the file that begins with its id.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    name: String,
    file: PathBuf,
}

impl FromStr for Process {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = text.split_once('=').ok_or("write NAME=FILE")?;
        Ok(Self { name: name.to_owned(), file: PathBuf::from(file) })
    }
}

/// What a process used between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Used {
    /// Seconds of processor time.
    pub(crate) cpu_seconds: f64,
    /// Its peak resident memory, in bytes.
    pub(crate) peak_bytes: u64,
}

/// Returns processor time so far, in seconds, by process. A process that does not run yet has used none.
pub(crate) fn cpu(processes: &[Process]) -> BTreeMap<String, f64> {
    processes.iter().map(|process| (process.name.clone(), seconds(process).unwrap_or(0.0))).collect()
}

/// Returns what each process has used since `before`.
///
/// # Errors
/// A process has ended.
pub(crate) fn since(processes: &[Process], before: &BTreeMap<String, f64>) -> Result<BTreeMap<String, Used>> {
    let used = |process: &Process| -> Result<Used> {
        let gone = || format!("{} has ended", process.name);
        let now = seconds(process).with_context(gone)?;
        let cpu_seconds = now - before.get(&process.name).copied().unwrap_or(0.0);
        Ok(Used { cpu_seconds, peak_bytes: peak_bytes(&id(process).with_context(gone)?).with_context(gone)? })
    };
    processes.iter().map(|process| Ok((process.name.clone(), used(process)?))).collect()
}

/// Returns this process's own processor time, in seconds.
pub(crate) fn own_cpu() -> f64 {
    of("self").unwrap_or(0.0)
}

/// Returns this process's peak resident memory, in bytes.
pub(crate) fn own_peak_bytes() -> u64 {
    peak_bytes("self").unwrap_or(0)
}

fn id(process: &Process) -> Option<String> {
    Some(fs::read_to_string(&process.file).ok()?.split_whitespace().next()?.to_owned())
}

fn seconds(process: &Process) -> Option<f64> {
    of(&id(process)?)
}

fn of(id: &str) -> Option<f64> {
    // The name in parentheses may contain anything. After it, user and system time are the 12th and 13th field.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

fn peak_bytes(id: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}
