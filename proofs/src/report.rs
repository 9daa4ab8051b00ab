//! The result of a proof, for people and as a file.

use std::fs;
use std::time::Instant;

use anyhow::Result;
use rig::paths;
use serde::Serialize;

use crate::table::Proof;
use crate::verdict::Verdict;

/// The outcome of one run of a proof: `target/prove/NAME.json`.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    name: &'a str,
    promise: &'a str,
    quick: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

impl<'a> Report<'a> {
    /// Runs a proof and takes the time.
    pub(crate) fn of(proof: &'a Proof, quick: bool, run: impl FnOnce() -> Result<Verdict>) -> Self {
        let begin = Instant::now();
        let (verdict, error) = match run() {
            Ok(verdict) => (Some(verdict), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let seconds = begin.elapsed().as_secs_f64();
        Self { name: proof.name, promise: proof.promise, quick, seconds, error, verdict }
    }

    /// Returns whether the promise is kept.
    pub(crate) fn holds(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.holds)
    }

    /// Returns the result in a line, for people.
    pub(crate) fn in_a_line(&self) -> String {
        let (name, seconds) = (self.name, self.seconds);
        let times = if self.quick { "; quick: no bound on time" } else { "" };
        let word = if self.holds() { "holds" } else { "FALLS SHORT" };
        let found = match &self.verdict {
            Some(Verdict { figure, bound, .. }) => format!("{figure} (bound: {bound}; {seconds:.0} s{times})"),
            None => format!("{} ({seconds:.0} s)", self.error.as_deref().unwrap_or_default()),
        };
        format!("{name} {word}: {found}")
    }

    /// Writes it for programs.
    pub(crate) fn write(&self) -> Result<()> {
        let folder = paths::target().join("prove");
        paths::make(&folder)?;
        fs::write(folder.join(format!("{}.json", self.name)), serde_json::to_string_pretty(self)?)?;
        Ok(())
    }
}
