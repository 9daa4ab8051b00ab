//! The process of `load.py`: records that keep Weir behind, and how far Weir is.

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
    /// Events, each of which was sent at least once.
    pub(crate) events: u64,
    /// Records that repeat an event.
    pub(crate) repeated: u64,
    /// Whether everything was sent and Kafka has it.
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
    /// How often it was claimed since its last commit.
    pub(crate) claims: i64,
    /// The offset after its last record.
    pub(crate) end: i64,
}

impl State {
    /// Returns how many records are not accounted for.
    pub(crate) fn left(&self) -> i64 {
        self.partitions.iter().map(|partition| (partition.end - partition.next).max(0)).sum()
    }

    /// Returns the most claims without a commit in between, of any partition that has records left.
    pub(crate) fn claims_in_vain(&self) -> i64 {
        let behind = self.partitions.iter().filter(|partition| partition.next < partition.end);
        behind.map(|partition| partition.claims).max().unwrap_or(0)
    }

    /// Returns the number of all commits of all partitions.
    pub(crate) fn commits(&self) -> i64 {
        self.partitions.iter().map(|partition| partition.commits).sum()
    }
}

/// What the records contain.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mix {
    /// The reference mix, and events that are numbered for each aggregate.
    Tallied,
    /// The reference mix.
    Reference,
    /// Counts in documents that all partitions share.
    Counters,
}

/// How much to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) mix: Mix,
    /// How many records each partition is kept behind by.
    pub(crate) lag: u32,
    /// Events in all, or 0 to go on until it is asked to stop.
    pub(crate) events: u64,
    pub(crate) seed: u64,
}

/// The process. It ends when the value is dropped.
pub(crate) struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Arc<Mutex<(u64, State)>>,
}

impl Load {
    /// How often it reads progress.
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

    /// Returns the last state that it wrote. Fails if it has ended.
    pub(crate) fn state(&mut self) -> Result<State> {
        if let Some(status) = self.child.try_wait()? {
            bail!("load.py has ended: {status}");
        }
        Ok(self.said.lock().unwrap_or_else(PoisonError::into_inner).1.clone())
    }

    /// Returns a state that `load.py` began to read after this call.
    pub(crate) fn fresh(&mut self) -> Result<State> {
        let number = |load: &Self| load.said.lock().unwrap_or_else(PoisonError::into_inner).0;
        let from = number(self);
        // Both of its threads may have read the first states before the call.
        while number(self) < from + 3 {
            self.state()?;
            interrupt::sleep(Duration::from_millis(5))?;
        }
        self.state()
    }

    /// Stops new events. Repeats that are still due are sent.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let stdin = self.stdin.as_mut().context("load.py was already asked to end")?;
        stdin.write_all(b"stop\n").and_then(|()| stdin.flush()).context("load.py does not listen")
    }

    /// Waits until everything is sent and accounted for. Fails if nothing moves for `patience`, or if `check` fails.
    pub(crate) fn settled(
        &mut self,
        run: &Run<'_>,
        patience: Duration,
        mut check: impl FnMut() -> Result<()>,
    ) -> Result<State> {
        let mut moved = (Instant::now(), 0);
        loop {
            let state = self.state()?;
            if state.all_sent && state.left() == 0 {
                run.worked_off(patience)?;
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
        // Both fail if it has already ended, which is fine.
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
            Err(error) => eprintln!("load.py wrote a line that is no state: {error}: {line}"),
        }
    }
}
