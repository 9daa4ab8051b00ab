//! Files of seeds that are checked in: those that have failed before, with which every run begins, and for each seeded
//! bug the one that caught it last.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;

use anyhow::Context as _;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kept-seeds.txt");

const CATCHERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/catchers.txt");
/// The head of that file.
const ABOUT_CATCHERS: &str = "\
# BUG SEED: the seed that caught a seeded bug last time, which is tried first. `cargo xtask simulate --bugs` writes this
# file. If a seed no longer catches its bug, because Weir or the simulation has changed, the others are searched.
";

/// Reads the lines of a file that are neither empty nor comments. `form` is the form that `read` expects.
fn lines<T, All: FromIterator<T>>(file: &str, form: &str, read: impl Fn(&str) -> Option<T>) -> anyhow::Result<All> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| read(line).with_context(|| format!("{file}: {form}: {line:?}"))).collect()
}

/// Returns all that have failed.
pub(crate) fn seeds() -> anyhow::Result<Vec<u64>> {
    lines(FILE, "a line begins with a seed or with #", |line| line.split_whitespace().next()?.parse().ok())
}

/// Adds one.
pub(crate) fn add(seed: u64, why: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().append(true).open(FILE).with_context(|| format!("cannot open {FILE}"))?;
    writeln!(file, "{seed}  {}", why.lines().next().unwrap_or_default()).with_context(|| format!("cannot write {FILE}"))
}

/// Returns the seed that caught each bug last, by the bug's name.
pub(crate) fn catchers() -> anyhow::Result<BTreeMap<String, u64>> {
    lines(CATCHERS, "a line is BUG SEED", |line| {
        let (bug, seed) = line.split_once(' ')?;
        Some((bug.to_owned(), seed.parse().ok()?))
    })
}

/// Writes them, unless they are what the file holds already.
pub(crate) fn keep_catchers(catchers: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    if *catchers == self::catchers()? {
        return Ok(());
    }
    let lines: Vec<String> = catchers.iter().map(|(bug, seed)| format!("{bug} {seed}")).collect();
    let text = format!("{ABOUT_CATCHERS}{}\n", lines.join("\n"));
    fs::write(CATCHERS, text).with_context(|| format!("cannot write {CATCHERS}"))
}
