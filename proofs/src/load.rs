//! Records that keep Weir behind, and where it is: the process of `load.py`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;

use crate::run::Run;
use rig::instance::PARTITIONS;
use rig::pipeline::Pipeline;
use rig::{interrupt, python};

/// What was sent, and where each partition is.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct State {
    /// Events; each came once or more.
    pub(crate) events: u64,
    /// Records that repeat an event.
    pub(crate) repeated: u64,
    /// Whether no more will come, and Kafka has all.
    pub(crate) all_sent: bool,
    pub(crate) partitions: Vec<Partition>,
}

/// A partition of the topic.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Partition {
    /// Its progress.
    pub(crate) next: i64,
    pub(crate) epoch: i64,
    pub(crate) commits: i64,
    pub(crate) owner: Option<String>,
    /// How often it was claimed since it last committed.
    pub(crate) claims: i64,
    /// The offset after its last record.
    pub(crate) end: i64,
}

impl State {
    /// Records that are not accounted for.
    pub(crate) fn left(&self) -> i64 {
        self.partitions.iter().map(|partition| (partition.end - partition.next).max(0)).sum()
    }

    /// The most claims of a partition with records left that were not followed by a commit.
    pub(crate) fn claims_in_vain(&self) -> i64 {
        let behind = self.partitions.iter().filter(|partition| partition.next < partition.end);
        behind.map(|partition| partition.claims).max().unwrap_or(0)
    }

    /// All commits of all partitions.
    pub(crate) fn commits(&self) -> i64 {
        self.partitions.iter().map(|partition| partition.commits).sum()
    }
}

/// What the records are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mix {
    /// The reference mix, and events that are numbered for each aggregate.
    Tallied,
    /// The reference mix.
    Reference,
    /// Counts in documents that all partitions share.
    Counters,
}

/// How much is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) mix: Mix,
    /// Records that each partition is kept behind by.
    pub(crate) lag: u32,
    /// Events in all; 0 until it is told to stop.
    pub(crate) events: u64,
    pub(crate) seed: u64,
}

/// The process; it ends when the value goes.
pub(crate) struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Arc<Mutex<(u64, State)>>,
}

impl Load {
    /// How often it looks at progress.
    pub(crate) const STEP: Duration = Duration::from_millis(100);

    pub(crate) fn start(run: &Run<'_>, pipeline: &Pipeline, amount: Amount) -> Result<Self> {
        let mix = match amount.mix {
            Mix::Tallied => "tallied",
            Mix::Reference => "reference",
            Mix::Counters => "counters",
        };
        let settings = json!({
            "kafka": pipeline.kafka, "topic": pipeline.topic, "partitions": PARTITIONS, "mongodb": pipeline.mongodb,
            "own": pipeline.own, "group": pipeline.group, "mix": mix, "lag": amount.lag, "events": amount.events, "seed": amount.seed,
            "step_ms": Self::STEP.as_millis(),
        });
        let mut command = python::command(&run.instance.parts, "load.py", &[&settings.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start load.py")?;
        let said = Arc::new(Mutex::new((0, State::default())));
        if let Some(stdout) = child.stdout.take() {
            let said = Arc::clone(&said);
            thread::spawn(move || follow(stdout, &said));
        }
        Ok(Self { stdin: child.stdin.take(), child, said })
    }

    /// The last that it said; fails where it has ended.
    pub(crate) fn state(&mut self) -> Result<State> {
        if let Some(status) = self.child.try_wait()? {
            bail!("load.py has ended: {status}");
        }
        Ok(self.said.lock().unwrap_or_else(PoisonError::into_inner).1.clone())
    }

    /// What it sees that began to look after this call.
    pub(crate) fn fresh(&mut self) -> Result<State> {
        let number = |load: &Self| load.said.lock().unwrap_or_else(PoisonError::into_inner).0;
        let from = number(self);
        // What is said first may have been read before, by both of its threads.
        while number(self) < from + 3 {
            self.state()?;
            interrupt::sleep(Duration::from_millis(5))?;
        }
        self.state()
    }

    /// No new events from now on; what was to come again does.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let stdin = self.stdin.as_mut().context("load.py was told to end")?;
        stdin.write_all(b"stop\n").and_then(|()| stdin.flush()).context("load.py does not listen")
    }

    /// Waits until all is sent and accounted for; fails where nothing moves for `patience`, or where `check` does.
    pub(crate) fn settled(&mut self, patience: Duration, mut check: impl FnMut() -> Result<()>) -> Result<State> {
        let mut moved = (Instant::now(), 0);
        loop {
            let state = self.state()?;
            if state.all_sent && state.left() == 0 {
                return Ok(state);
            }
            let at: i64 = state.partitions.iter().map(|partition| partition.next).sum();
            if at != moved.1 {
                moved = (Instant::now(), at);
            } else if moved.0.elapsed() > patience {
                bail!(
                    "nothing has moved for {} s, and {} records are left: {:?}",
                    patience.as_secs(),
                    state.left(),
                    state.partitions
                );
            }
            check()?;
            interrupt::sleep(Self::STEP)?;
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(stdout: ChildStdout, said: &Mutex<(u64, State)>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(state) => {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                *said = (said.0 + 1, state);
            }
            Err(error) => eprintln!("load.py said what is no state: {error}: {line}"),
        }
    }
}
