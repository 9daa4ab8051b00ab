//! The seeds that have failed before, in a file that is checked in. Every run begins with them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use anyhow::Context as _;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kept-seeds.txt");

/// Returns all of them.
pub(crate) fn seeds() -> anyhow::Result<Vec<u64>> {
    let text = fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let seed = line.split_whitespace().next().unwrap_or_default();
            seed.parse().with_context(|| format!("{FILE}: a line begins with a seed or with #: {line:?}"))
        })
        .collect()
}

/// Adds one.
pub(crate) fn add(seed: u64, why: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().append(true).open(FILE).with_context(|| format!("cannot open {FILE}"))?;
    writeln!(file, "{seed}  {}", why.lines().next().unwrap_or_default()).with_context(|| format!("cannot write {FILE}"))
}
