//! Every record of the captures, compared with expectations that were written by hand from the rows.
//!
//! A test of `weir` makes the comparison. This proof counts the files itself, so that a test that skips something
//! cannot pass for a proof.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::verdict::Verdict;
use rig::{cargo, paths, process};

const CAPTURES: &str = "runtime/tests/fixtures/captures";

/// The test's own report.
#[derive(Debug, Deserialize)]
struct Report {
    captures: u64,
    records: u64,
    decoded: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

pub(crate) fn run() -> Result<Verdict> {
    let expected = Expected::read(&paths::root().join(CAPTURES))?;
    let folder = paths::target().join("prove");
    paths::make(&folder)?;
    let file = folder.join("decoding-report.json");
    paths::remove(&file)?;
    let mut tests = cargo::cargo();
    // Name the whole workspace, because features are then the same as those of every other build. The filter leaves
    // only these tests.
    tests.args(["test", "--quiet", "--workspace", "--features", "weir/proofs", "--lib", "event::"]);
    tests.env("WEIR_DECODING_REPORT", &file);
    let done = process::run(&mut tests, "the tests of decoding");
    let Ok(text) = fs::read_to_string(&file) else {
        done?;
        bail!("the test of the captures wrote no report");
    };
    let report: Report = serde_json::from_str(&text).context("the report has an unexpected form")?;
    for wrong in report.wrong.iter().take(10) {
        println!("  {wrong}");
    }
    let events = report.decoded.get("event").copied().unwrap_or_default();
    let counted = report.captures == expected.captures
        && report.records == expected.records
        && report.wrong.is_empty()
        && report.decoded == expected.kinds;
    Ok(Verdict {
        holds: done.is_ok() && counted && events > 0,
        figure: format!(
            "{} records of {} captures were compared, {} times in all: {} decoded differently than expected",
            report.records,
            report.captures,
            report.decoded.values().sum::<u64>(),
            report.wrong.len()
        ),
        bound: format!(
            "{} records of {} captures, of which {} must give an event, and none otherwise",
            expected.records,
            expected.captures,
            expected.kinds.get("event").copied().unwrap_or_default()
        ),
        details: json!({ "expected": expected.kinds, "decoded": report.decoded, "wrong": report.wrong }),
    })
}

/// What the files contain.
#[derive(Debug, Default)]
struct Expected {
    captures: u64,
    records: u64,
    kinds: BTreeMap<String, u64>,
}

impl Expected {
    fn read(folder: &Path) -> Result<Self> {
        let mut expected = Self::default();
        let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        for name in names.iter().filter_map(|file| file.strip_suffix(".jsonl")).filter(|name| !name.contains('.')) {
            let records = lines(&folder.join(format!("{name}.jsonl")))?.len();
            expected.captures += 1;
            expected.records += records as u64;
            let own = format!("{name}.expected.jsonl");
            if !names.contains(&own) {
                bail!("the capture {name} has no expectations: write {own} from the rows that were inserted");
            }
            let of_it = |file: &&String| {
                let rest = file.strip_prefix(name).and_then(|rest| rest.strip_suffix(".expected.jsonl"));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            for file in names.iter().filter(of_it) {
                expected.add(file, &lines(&folder.join(file))?, records)?;
            }
        }
        Ok(expected)
    }

    fn add(&mut self, file: &str, lines: &[Value], records: usize) -> Result<()> {
        let lines: Vec<_> = lines.iter().filter(|line| line.get("settings").is_none()).collect();
        if lines.len() != records {
            bail!("{file} has {} expectations for {records} records", lines.len());
        }
        for line in lines {
            let kind = line.as_object().and_then(|line| line.keys().next()).context("an expectation is empty")?;
            *self.kinds.entry(kind.clone()).or_default() += 1;
        }
        Ok(())
    }
}

fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = |line: &str| serde_json::from_str(line).with_context(|| format!("{} is not JSON", path.display()));
    text.lines().map(line).collect()
}
