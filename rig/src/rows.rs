//! Rows for the outbox: the generator's process, and single statements.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::instance::Instance;
use crate::pipeline::Pipeline;
use crate::python;

/// A generator that is inserting rows. Dropping it ends the generator.
pub struct Rows {
    child: Child,
    inserted: Arc<AtomicU64>,
}

impl Rows {
    /// Begins to insert that many rows of the reference mix, `rate` per second (0: as fast as possible).
    pub fn insert(instance: &Instance, pipeline: &Pipeline, events: u64, rate: u64, seed: u64) -> Result<Self> {
        let (events, rate, seed) = (events.to_string(), rate.to_string(), seed.to_string());
        let uri = &pipeline.postgres;
        let arguments = ["--uri", uri, "--events", &events, "--rate", &rate, "--seed", &seed];
        let mut command = python::command(&instance.parts, "generate.py", &arguments);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start generate.py")?;
        let inserted = Arc::new(AtomicU64::new(0));
        if let Some(said) = child.stdout.take() {
            let inserted = Arc::clone(&inserted);
            thread::spawn(move || follow(said, &inserted));
        }
        Ok(Self { child, inserted })
    }

    /// Returns how many rows are inserted.
    pub fn inserted(&self) -> u64 {
        self.inserted.load(Ordering::Relaxed)
    }

    /// Returns whether all rows are inserted. Fails if the generator has failed.
    pub fn done(&mut self) -> Result<bool> {
        match self.child.try_wait()? {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => bail!("the rows could not be inserted: generate.py gave {status}"),
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // Both fail if it has already ended, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(said: ChildStdout, inserted: &AtomicU64) {
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        let line: Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(count) = line["inserted"].as_u64() {
            inserted.store(count, Ordering::Relaxed);
        }
    }
}

/// Runs one statement, and returns how many rows it affected.
pub fn sql(instance: &Instance, pipeline: &Pipeline, statement: &str) -> Result<u64> {
    let text = python::run(&instance.parts, "outbox.py", &["sql", &pipeline.postgres, statement])?;
    text.trim().parse().with_context(|| format!("outbox.py did not say how many rows: {text}"))
}
