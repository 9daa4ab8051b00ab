//! What measurements run on: an instance, the programs of one build, and a backlog that every run works through again.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::figures::{EmptyCall, Latency, Measure};
use super::profile;
use crate::instance::{Instance, PARTITIONS, Service, ports};
use crate::pipeline::Pipeline;
use crate::weir::Weir;
use crate::{cache, paths, process, python};

const READY: Duration = Duration::from_mins(1);
/// The handler that owns the hot document, in which every new user is counted.
const HOT: &str = "user-statistics.wasm";
/// Rows before those that count, during which connections are made and code is loaded.
const WARM_UP: u64 = 200;

/// The programs that are measured, and the one that measures.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Weir itself.
    pub weir: PathBuf,
    /// `weir-bench`.
    pub tool: PathBuf,
    /// Another build of Weir, to see what a change is worth.
    pub other: Option<PathBuf>,
}

/// A way to work through the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What MongoDB allows, with or without the hot document.
    Ceiling {
        /// With the hot document.
        hot: bool,
    },
    /// A number of hosts, with or without the hot document.
    Weir {
        /// The number of hosts.
        hosts: usize,
        /// With the hot document.
        hot: bool,
    },
    /// One host of another build.
    Other,
    /// The consumer that people write by hand.
    ByHand,
}

impl Way {
    /// All ways, in the order of a round.
    pub const ALL: [Self; 10] = [
        Self::Ceiling { hot: true },
        Self::Weir { hosts: 1, hot: true },
        Self::Other,
        Self::Weir { hosts: 2, hot: true },
        Self::Weir { hosts: 3, hot: true },
        Self::Ceiling { hot: false },
        Self::Weir { hosts: 1, hot: false },
        Self::Weir { hosts: 2, hot: false },
        Self::Weir { hosts: 3, hot: false },
        Self::ByHand,
    ];

    /// Returns its name in tables and for `--only`.
    pub fn name(self) -> String {
        match self {
            Self::Ceiling { hot: true } => "ceiling".to_owned(),
            Self::Ceiling { hot: false } => "ceiling-cold".to_owned(),
            Self::Weir { hosts, hot: true } => format!("weir-{hosts}"),
            Self::Weir { hosts, hot: false } => format!("weir-{hosts}-cold"),
            Self::Other => "other-build".to_owned(),
            Self::ByHand => "by-hand".to_owned(),
        }
    }
}

/// The place of the measurements.
pub struct Stage<'a> {
    instance: &'a Instance,
    pipeline: Pipeline,
    programs: Programs,
    handlers: PathBuf,
    without_hot: PathBuf,
    runs: Cell<u32>,
    /// The file for the profile of a single host, if one is wanted.
    pub profile: Option<PathBuf>,
}

/// Records in Kafka, and the same in a file.
#[derive(Debug, Clone)]
pub struct Backlog {
    file: PathBuf,
    /// How many there are.
    pub events: u64,
    /// The mean size of one.
    pub mean_bytes: u64,
    /// How many of them the handwritten consumer gets.
    pub by_hand: u64,
}

#[derive(Deserialize)]
struct Made {
    mean_bytes: u64,
}

/// What the watch of hosts reports besides their measure.
#[derive(Deserialize)]
struct Watched {
    parked: u64,
}

impl<'a> Stage<'a> {
    /// Starts nothing yet. `handlers` is a folder of the six. Names of groups and databases derive from the pipeline's
    /// names.
    pub fn new(instance: &'a Instance, pipeline: Pipeline, programs: Programs, handlers: &Path) -> Result<Self> {
        let without_hot = instance.path(&format!("handlers-without-hot-{}", pipeline.name));
        paths::remove(&without_hot)?;
        paths::make(&without_hot)?;
        for entry in fs::read_dir(handlers).context("there are no handlers")? {
            let file = entry?;
            if file.file_name() != HOT {
                fs::copy(file.path(), without_hot.join(file.file_name()))?;
            }
        }
        let handlers = handlers.to_owned();
        Ok(Self { instance, pipeline, programs, handlers, without_hot, runs: Cell::new(0), profile: None })
    }

    /// Restarts Kafka so that groups wait for their members. Otherwise the first of several hosts would work through
    /// much of the backlog before the others have joined.
    pub fn patient_groups(&self) -> Result<()> {
        self.instance.make_groups_patient();
        self.instance.stop(Service::Kafka)?;
        self.instance.start(Service::Kafka)
    }

    /// Puts the reference mix into Kafka, once for all runs.
    pub fn backlog(&self, events: u64, by_hand: u64) -> Result<Backlog> {
        let file = self.instance.path("backlog.jsonl");
        let Pipeline { kafka, topic, .. } = &self.pipeline;
        let settings = json!({
            "file": file, "events": events, "seed": 61, "partitions": PARTITIONS, "kafka": kafka, "topic": topic,
        });
        let made: Made = serde_json::from_value(self.script("backlog.py", &settings)?)?;
        Ok(Backlog { file, events, mean_bytes: made.mean_bytes, by_hand })
    }

    /// Runs one way once.
    pub fn run(&self, way: Way, backlog: &Backlog) -> Result<Measure> {
        match way {
            Way::Ceiling { hot } => self.ceiling(backlog, hot),
            Way::Weir { hosts, hot } => self.hosts(backlog, &self.programs.weir, hosts, hot),
            Way::Other => {
                let other =
                    self.programs.other.as_ref().context("there is no other build: --against names its weir")?;
                self.hosts(backlog, other, 1, true)
            }
            Way::ByHand => self.by_hand(backlog),
        }
    }

    fn ceiling(&self, backlog: &Backlog, hot: bool) -> Result<Measure> {
        let mut command = self.tool("ceiling");
        command.arg("--records").arg(&backlog.file).args(["--database", &self.fresh()]);
        command.args(["--mongodb", &self.pipeline.mongodb]);
        command.arg("--handlers").arg(if hot { &self.handlers } else { &self.without_hot });
        self.processes(&mut command, ["mongod"]);
        said(&process::output(&mut command, "the bare ceiling")?)
    }

    fn hosts(&self, backlog: &Backlog, weir: &Path, count: usize, hot: bool) -> Result<Measure> {
        let (data, mongodb) = (self.fresh(), &*self.pipeline.mongodb);
        let own = format!("{data}_own");
        let names: Vec<String> = (1..=count).map(|number| format!("weir-{number}")).collect();
        let mut watch = self.tool("watch");
        watch.args(["--mongodb", mongodb, "--database", &own, "--group", &data]);
        watch.args(["--events", &backlog.events.to_string(), "--hosts", &count.to_string()]);
        self.processes(&mut watch, names.iter().map(String::as_str).chain(["mongod", "kafka"]));
        // The watch must see the first commit.
        let watch = watch.stdout(Stdio::piped()).spawn().context("cannot watch")?;
        let handlers = if hot { &self.handlers } else { &self.without_hot };
        let mut hosts = Vec::new();
        for (name, port) in names.iter().zip(ports::more(count)?) {
            let mut command = self.host(weir, handlers, &data, &own);
            hosts.push(Weir::launch(self.instance.daemon(name), port, &mut command)?);
        }
        let profiling = match &self.profile {
            Some(svg) if count == 1 && hot => Some(profile::start(self.instance, &names[0], svg)?),
            _ => None,
        };
        let output = watch.wait_with_output()?;
        if let Some(profiling) = profiling {
            profiling.finish(&self.instance.parts)?;
        }
        hosts.iter().try_for_each(Weir::alive)?;
        ensure!(output.status.success(), "the run of {count} hosts came to no end");
        let text = String::from_utf8(output.stdout)?;
        let (measure, watched): (Measure, Watched) = (said(&text)?, said(&text)?);
        for host in hosts {
            host.stop()?;
        }
        self.drop_databases(&[&data, &own])?;
        if watched.parked > 0 {
            bail!("{} deliveries of the reference mix were parked: what was measured is another thing", watched.parked);
        }
        Ok(measure)
    }

    /// Returns a host with the shipped settings and a group and databases of its own.
    fn host(&self, weir: &Path, handlers: &Path, data: &str, own: &str) -> Command {
        let (group, data, own) = (data.to_owned(), data.to_owned(), own.to_owned());
        Pipeline { group, data, own, ..self.pipeline.clone() }.command(weir, handlers)
    }

    fn by_hand(&self, backlog: &Backlog) -> Result<Measure> {
        let consumer = paths::root().join("bench/consumer");
        let python = cache::venv(&consumer.join("requirements.txt"))?;
        let name = self.fresh();
        let processes: Value =
            ["mongod", "kafka"].map(|name| (name.to_owned(), json!(self.pid_file(name)))).into_iter().collect();
        let there = &self.pipeline;
        let settings = json!({
            "kafka": there.kafka, "topic": there.topic, "group": name, "mongodb": there.mongodb, "database": name,
            "events": backlog.by_hand, "processes": processes,
        });
        let mut command = Command::new(python);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", paths::root().join("rig/python"));
        command.arg(consumer.join("consumer.py")).arg(settings.to_string());
        said(&process::output(&mut command, "the consumer written by hand")?)
    }

    /// Starts PostgreSQL and Connect so that every commit is synced to the disk and its time is kept.
    pub fn durable_outbox(&self) -> Result<()> {
        self.instance.make_durable();
        self.instance.start(Service::Postgres)?;
        self.instance.start(Service::Connect)
    }

    /// Inserts rows at a rate and times each to its document, with one host that has nothing else to do.
    pub fn latency(&self, rate: u64, samples: u64) -> Result<Latency> {
        let (data, file) = (self.fresh(), self.instance.path("rows.jsonl"));
        let own = format!("{data}_own");
        // Rows from before do not belong to this run.
        let settings = json!({ "file": file, "events": samples + WARM_UP, "seed": 70_000 + self.runs.get() });
        self.script("backlog.py", &settings)?;
        let port = ports::more(1)?[0];
        let mut command = self.host(&self.programs.weir, &self.handlers, &data, &own);
        command.env("KAFKA_AUTO_OFFSET_RESET", "latest");
        let host = Weir::launch(self.instance.daemon("weir-1"), port, &mut command)?;
        host.ready(READY)?;
        let there = &self.pipeline;
        let mut tool = self.tool("latency");
        tool.arg("--rows").arg(&file).args(["--rate", &rate.to_string(), "--warm-up", &WARM_UP.to_string()]);
        tool.args(["--postgres", &there.postgres, "--mongodb", &there.mongodb, "--database", &data]);
        let latency = said(&process::output(&mut tool, "timing rows")?);
        host.alive()?;
        host.stop()?;
        self.drop_databases(&[&data, &own])?;
        latency
    }

    /// Measures the cost of a call that does nothing.
    pub fn empty_call(&self) -> Result<EmptyCall> {
        said(&process::output(&mut self.tool("empty-call"), "calling an empty handler")?)
    }

    fn tool(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.programs.tool);
        command.arg(verb).stdin(Stdio::null());
        command
    }

    fn processes<'b>(&self, command: &mut Command, names: impl IntoIterator<Item = &'b str>) {
        for name in names {
            command.arg("--process").arg(format!("{name}={}", self.pid_file(name).display()));
        }
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.instance.path(&format!("{name}.pid"))
    }

    fn script(&self, script: &str, settings: &Value) -> Result<Value> {
        python::json(&self.instance.parts, script, &[&settings.to_string()])
    }

    fn drop_databases(&self, names: &[&str]) -> Result<()> {
        let mut command = self.tool("drop");
        command.args(["--mongodb", &self.pipeline.mongodb]).args(names);
        process::output(&mut command, "dropping databases").map(|_| ())
    }

    /// Returns a name that no group and no database has used yet.
    fn fresh(&self) -> String {
        self.runs.set(self.runs.get() + 1);
        format!("{}_{}", self.pipeline.name, self.runs.get())
    }
}

fn said<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text.trim()).with_context(|| format!("a measurement gave another form: {text}"))
}
