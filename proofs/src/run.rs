//! What a proof gets.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bson::doc;
use rig::clients::World;
use rig::guests::Guests;
use rig::instance::{Daemon, Instance, Outbox, PARTITIONS, Service};
use rig::pipeline::Pipeline;
use rig::weir::Weir;
use rig::{interrupt, paths};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The services, which other proofs of the same run share, and a world that belongs to this proof alone.
pub(crate) struct Run<'a> {
    /// Whether to run the quick form.
    pub(crate) quick: bool,
    /// The cases to run, of a proof that has some. None are named for all of them.
    pub(crate) cases: Vec<String>,
    /// The components that were built.
    pub(crate) built: Guests,
    /// The running services. A proof that stops one of them must start it again.
    pub(crate) instance: &'a Instance,
    /// A fresh topic, group and databases, with clients.
    pub(crate) world: World,
    runtime: Runtime,
    _outbox: Option<Outbox<'a>>,
}

impl<'a> Run<'a> {
    /// Makes a fresh world for a proof. If the proof needs Connect, the world has an outbox whose rows come to its
    /// topic.
    pub(crate) fn new(name: &str, quick: bool, instance: &'a Instance, services: &[Service]) -> Result<Self> {
        let pipeline = Pipeline::fresh(&instance.environment, name);
        let folder = instance.path("worlds").join(&pipeline.name);
        let runtime = Runtime::new().context("no runtime for the clients")?;
        let world = runtime.block_on(World::new(pipeline, folder, i32::from(PARTITIONS)))?;
        let outbox =
            services.contains(&Service::Connect).then(|| Outbox::make(instance, &world.pipeline)).transpose()?;
        let (cases, built) = (Vec::new(), Guests::built());
        Ok(Self { quick, cases, built, instance, world, runtime, _outbox: outbox })
    }

    /// The same for these cases only, or for all if none is named.
    pub(crate) fn only(mut self, cases: &[String]) -> Self {
        self.cases = cases.to_vec();
        self
    }

    /// Waits for a call to one of the world's clients.
    pub(crate) fn block<T>(&self, call: impl IntoFuture<Output = T>) -> T {
        self.runtime.block_on(call.into_future())
    }

    /// The world's names and addresses.
    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.world.pipeline
    }

    /// Fills the world's folder with the six handlers and some behaviours, and nothing else.
    pub(crate) fn handlers<'b>(&self, behaviours: impl IntoIterator<Item = &'b str>) -> Result<PathBuf> {
        let folder = &self.world.handlers;
        paths::remove(folder)?;
        paths::make(folder)?;
        self.built.put_the_six(folder)?;
        self.built.put(folder, behaviours)?;
        Ok(folder.clone())
    }

    /// Returns `weir run` for the world.
    pub(crate) fn command(&self, handlers: &Path) -> Command {
        self.pipeline().command(&paths::weir(), handlers)
    }

    /// Returns a process of the world. It ends with the instance at the latest.
    pub(crate) fn daemon(&self, name: &str) -> Daemon {
        self.instance.daemon(&format!("{name}-{}", self.pipeline().name))
    }

    /// Starts a host of the world, and waits until it is ready.
    pub(crate) fn host(&self, handlers: &Path) -> Result<Weir> {
        Weir::start(self.instance, self.pipeline(), handlers)
    }

    /// Waits until the topic holds that many distinct changes of the outbox (a connector may send one again after a
    /// crash), and the group's progress is at the end of every partition.
    pub(crate) fn settled(&self, changes: u64, limit: Duration) -> Result<Value> {
        let (kafka, topic) = (&self.world.kafka, &self.pipeline().topic);
        let begun = Instant::now();
        let mut distinct = 0;
        let records = loop {
            let ends = self.block(kafka.ends(topic))?;
            if ends.iter().sum::<i64>() >= i64::try_from(changes)? {
                let records = self.block(kafka.records(topic))?;
                distinct = distinct_changes(records.iter().filter_map(|record| record.value.as_deref()));
                if distinct as u64 >= changes {
                    break records.len();
                }
            }
            let seconds = limit.as_secs();
            ensure!(begun.elapsed() < limit, "{distinct} of {changes} changes came to Kafka in {seconds} s");
            interrupt::sleep(Duration::from_millis(200))?;
        };
        self.caught_up(limit.saturating_sub(begun.elapsed()))?;
        self.worked_off(limit.saturating_sub(begun.elapsed()))?;
        Ok(json!({ "records": records, "changes": distinct }))
    }

    /// Waits until nothing that is parked waits for its turn. Progress passes events that a slow handler has not handled
    /// yet, and its lane works them off.
    pub(crate) fn worked_off(&self, limit: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let waiting = self.block(self.world.own("parked").count_documents(doc! { "state": "waiting" }))?;
            if waiting == 0 {
                return Ok(());
            }
            let seconds = limit.as_secs();
            ensure!(begun.elapsed() < limit, "{waiting} parked deliveries wait for their turn after {seconds} s");
            interrupt::sleep(Duration::from_millis(100))?;
        }
    }

    /// Waits until the group's progress is at the end of every partition.
    fn caught_up(&self, limit: Duration) -> Result<()> {
        let ends = self.block(self.world.kafka.ends(&self.pipeline().topic))?;
        let begun = Instant::now();
        loop {
            let progress = self.block(self.world.progress())?;
            let behind = (0..).zip(&ends).map(|(partition, end)| end - progress.get(&partition).copied().unwrap_or(0));
            let left: i64 = behind.filter(|records| *records > 0).sum();
            if left == 0 {
                return Ok(());
            }
            let seconds = limit.as_secs();
            ensure!(begun.elapsed() < limit, "{left} records were not accounted for after {seconds} s");
            interrupt::sleep(Duration::from_millis(100))?;
        }
    }
}

/// Counts changes. A change is identified by its row, its operation and its place in PostgreSQL's log.
fn distinct_changes<'v>(values: impl Iterator<Item = &'v [u8]>) -> usize {
    let change = |value: &[u8]| {
        let value: Value = serde_json::from_slice(value).unwrap_or_default();
        let row = if value["after"].is_object() { &value["after"] } else { &value["before"] };
        format!("{} {} {}", row["event_id"], value["op"], value["source"]["lsn"])
    };
    values.map(change).collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::distinct_changes;

    #[test]
    fn a_change_that_comes_again_counts_once() {
        let values = [
            r#"{"before": null, "after": {"event_id": "a"}, "op": "c", "source": {"lsn": 1}}"#,
            r#"{"before": null, "after": {"event_id": "a"}, "op": "c", "source": {"lsn": 1}}"#,
            r#"{"before": null, "after": {"event_id": "a"}, "op": "u", "source": {"lsn": 2}}"#,
            r#"{"before": {"event_id": "a"}, "after": null, "op": "d", "source": {"lsn": 3}}"#,
            r#"{"before": {"event_id": "b"}, "after": null, "op": "d", "source": {"lsn": 3}}"#,
        ];
        assert_eq!(distinct_changes(values.iter().map(|value| value.as_bytes())), 4);
    }
}
