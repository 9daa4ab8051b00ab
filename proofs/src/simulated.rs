//! The simulation: no seed may fail with Weir as it is, and one must fail with a seeded bug.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::verdict::Verdict;
use rig::paths;

/// How long 10,000 seeds may take.
const BOUND_SECONDS: f64 = 300.0;
/// The number of seeds within which a bug must be caught.
const SEEDS_FOR_A_BUG: u64 = 4_000;

pub(crate) fn seeds(quick: bool) -> Result<Verdict> {
    let seeds: u64 = if quick { 600 } else { 10_000 };
    let found = simulate(&["--seeds", &seeds.to_string()])?;
    let seconds = found["seconds"].as_f64().context("the simulation reported no time")?;
    let failed = found["failed"].as_array().map_or(0, Vec::len);
    let missing = found["missing"].as_array().map_or(0, Vec::len);
    Ok(Verdict {
        holds: found["holds"] == true && (quick || seconds <= BOUND_SECONDS),
        figure: format!(
            "{} seeds in {seconds:.0} s, {failed} failed, {missing} of the faults and outcomes never happened",
            found["seeds"]
        ),
        bound: format!("0, 0; {BOUND_SECONDS:.0} s for 10,000 seeds"),
        details: found,
    })
}

pub(crate) fn bugs(_quick: bool) -> Result<Verdict> {
    let found = simulate(&["--bugs", "--seeds", &SEEDS_FOR_A_BUG.to_string()])?;
    let count = |name: &str| found[name].as_array().map_or(0, Vec::len);
    let (caught, missed) = (count("caught"), count("missed"));
    Ok(Verdict {
        holds: found["holds"] == true && missed == 0 && caught > 0,
        figure: format!("{caught} of {} bugs were caught, each by a seed that passes without it", caught + missed),
        bound: format!("all, by {SEEDS_FOR_A_BUG} seeds each at most"),
        details: found,
    })
}

/// Runs the simulation, and returns its report. Its output for people goes to the terminal.
fn simulate(arguments: &[&str]) -> Result<Value> {
    let folder = paths::target().join("prove");
    paths::make(&folder)?;
    let report = folder.join("simulation-report.json");
    paths::remove(&report)?;
    let mut command = Command::new(paths::simulation());
    command.args(arguments).arg("--report").arg(&report);
    let status = command.status().context("the simulation cannot be run")?;
    let text = fs::read_to_string(&report).with_context(|| format!("the simulation gave {status} and no report"))?;
    let found = serde_json::from_str(&text).context("the simulation's report is not valid")?;
    paths::remove(&report)?;
    Ok(found)
}
