//! What the cases run on: records, groups with databases of their own, and hosts with or without the handler that
//! misbehaves.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rig::clients::World;
use rig::instance::{PARTITIONS, ports};
use rig::pipeline::Pipeline;
use rig::weir::Weir;
use rig::{measure, paths, python};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases;
use crate::run::Run;

/// The handler that misbehaves until a good version replaces it.
pub(super) const HANDLER: &str = "tallies";
const BAD: &str = "tallies-badly";
/// Events of each of its aggregates.
const EACH: u32 = 5;
const SEED: u32 = 91;
const READY: Duration = Duration::from_mins(1);

/// The handlers of a host.
#[derive(Debug, Clone, Copy)]
pub(super) enum Handlers {
    /// The six, for which the events of another handler are nobody's.
    Six,
    /// With the version that misbehaves.
    Bad,
    /// With the version that replaces it.
    Good,
}

/// Records of the reference mix, of which a share is for the handler that misbehaves.
pub(super) struct Records {
    topic: String,
    /// Where they are.
    pub(super) file: PathBuf,
    /// How many there are.
    pub(super) events: i64,
    made: Made,
}

/// What backlog.py says of them.
#[derive(Deserialize)]
struct Made {
    types: BTreeMap<String, i64>,
    last: Vec<Last>,
}

/// The last event of a partition that the six handle.
#[derive(Deserialize)]
pub(super) struct Last {
    pub(super) aggregate_type: String,
    pub(super) aggregate_id: String,
    pub(super) event_id: String,
}

impl Records {
    /// Returns how many of them are for the handler that misbehaves.
    pub(super) fn tallies(&self) -> i64 {
        self.made.types.get("Tallies").copied().unwrap_or(0)
    }

    /// Returns how many users they create.
    pub(super) fn users(&self) -> i64 {
        self.made.types.get("UserCreated").copied().unwrap_or(0)
    }

    /// Returns the last event of each partition that the six handle.
    pub(super) fn last(&self) -> &[Last] {
        &self.made.last
    }
}

/// The place of all cases.
pub(super) struct Scene<'a> {
    pub(super) run: &'a Run<'a>,
    weir: PathBuf,
    folder: PathBuf,
    made: Cell<u32>,
}

impl<'a> Scene<'a> {
    /// Builds the host that is measured, and fills a folder for each set of handlers.
    pub(super) fn set(run: &'a Run<'a>) -> Result<Self> {
        let weir = if run.quick { paths::weir() } else { measure::programs(true)?.weir };
        let folder = run.world.handlers.clone();
        let scene = Self { run, weir, folder, made: Cell::new(0) };
        for handlers in [Handlers::Six, Handlers::Bad, Handlers::Good] {
            scene.fill(handlers)?;
        }
        Ok(scene)
    }

    fn fill(&self, handlers: Handlers) -> Result<()> {
        let folder = self.handlers(handlers);
        paths::remove(&folder)?;
        paths::make(&folder)?;
        self.run.built.put_the_six(&folder)?;
        match handlers {
            Handlers::Six => Ok(()),
            Handlers::Good => self.run.built.put(&folder, [HANDLER]),
            Handlers::Bad => {
                self.run.built.put(&folder, [BAD])?;
                let named = |name: &str| folder.join(format!("{name}.wasm"));
                fs::rename(named(BAD), named(HANDLER)).context("the bad version cannot take the good one's name")
            }
        }
    }

    fn handlers(&self, handlers: Handlers) -> PathBuf {
        self.folder.join(match handlers {
            Handlers::Six => "six",
            Handlers::Bad => "bad",
            Handlers::Good => "good",
        })
    }

    /// Returns a name that no topic, group or database has yet.
    fn fresh(&self) -> String {
        self.made.set(self.made.get() + 1);
        format!("{}_{}", self.run.pipeline().name, self.made.get())
    }

    /// Makes records of a topic of their own, and sends them if `sent`. The handler has a share of them, and misbehaves
    /// in these ways.
    pub(super) fn records(&self, events: i64, share: f64, hows: &[&str], sent: bool) -> Result<Records> {
        let topic = self.fresh();
        self.run.block(self.run.world.kafka.create(&topic, i32::from(PARTITIONS), &[]))?;
        let file = self.run.instance.path(&format!("records-{topic}.jsonl"));
        let kafka = if sent { &*self.run.pipeline().kafka } else { "" };
        let settings = json!({
            "file": file, "events": events, "seed": SEED, "partitions": PARTITIONS, "kafka": kafka, "topic": topic,
            "tallied": { "share": share, "hows": hows, "each": EACH },
        });
        let made = self.script("backlog.py", &settings)?;
        let made = serde_json::from_value(made).context("backlog.py gave another form")?;
        Ok(Records { topic, file, events, made })
    }

    /// Makes a group with databases of its own for the records, and puts into them what the bad version needs.
    pub(super) fn site(&self, records: &Records, hows: &[&str]) -> Result<World> {
        let group = self.fresh();
        let (data, own) = (format!("{group}_data"), format!("{group}_weir"));
        let of = &self.run.world;
        let world = World {
            kafka: of.kafka.clone(),
            mongodb: of.mongodb.clone(),
            data: of.mongodb.database(&data),
            own: of.mongodb.database(&own),
            handlers: of.handlers.clone(),
            pipeline: Pipeline { topic: records.topic.clone(), group, data, own, ..of.pipeline.clone() },
        };
        cases::prepare(self.run, &world, hows)?;
        Ok(world)
    }

    /// Starts a host, and waits until it is ready if `ready` is set.
    pub(super) fn start(&self, site: &World, handlers: Handlers, ready: bool) -> Result<Weir> {
        let mut command = site.pipeline.command(&self.weir, &self.handlers(handlers));
        self.settings(&mut command);
        let weir = Weir::launch(self.run.daemon("weir"), ports::more(1)?[0], &mut command)?;
        if ready {
            weir.ready(READY)?;
        }
        Ok(weir)
    }

    /// Returns a command of a person who looks after the site's group.
    pub(super) fn command(&self, site: &World, arguments: &[&str]) -> Command {
        let run = site.pipeline.command(&self.weir, &self.handlers(Handlers::Good));
        let mut command = Command::new(&self.weir);
        command.current_dir(self.handlers(Handlers::Good)).args(arguments);
        command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// Weir's own defaults, so that a failed delivery is retried and holds its aggregate. The quick form has less time.
    fn settings(&self, command: &mut Command) {
        command.env_remove("MAX_RETRIES").env_remove("ON_DEAD");
        if self.run.quick {
            command.env("RETRY_DELAY_SECONDS", "1").env("SHUTDOWN_TIMEOUT_SECONDS", "2");
        }
    }

    /// Drops a site's databases.
    pub(super) fn remove(&self, site: &World) -> Result<()> {
        self.run.block(site.data.drop())?;
        Ok(self.run.block(site.own.drop())?)
    }

    /// Removes records, with their topic and the last site that used them.
    pub(super) fn forget(&self, site: &World, records: &Records) -> Result<()> {
        paths::remove(&records.file)?;
        self.run.block(site.remove())
    }

    /// Runs a script.
    pub(super) fn script(&self, script: &str, settings: &Value) -> Result<Value> {
        python::json(&self.run.instance.parts, script, &[&settings.to_string()])
    }
}
