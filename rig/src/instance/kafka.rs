//! Kafka: broker and controller in one process, and the outbox's topic with its partitions.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;

use super::{Instance, ports};
use crate::{paths, process, python};

/// The topic that Debezium writes the outbox to.
pub const TOPIC: &str = "postgres.activity.event_outbox";
/// Its number of partitions, which the consumers of a group can share.
pub const PARTITIONS: u16 = 12;

/// The settings that a single broker needs, and those that keep it small.
pub const SINGLE_BROKER: &str = "\
num.partitions=1
num.network.threads=2
num.io.threads=4
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
";

pub(crate) fn start(instance: &Instance) -> Result<()> {
    let daemon = instance.daemon("kafka");
    let port = instance.environment.ports.kafka;
    if daemon.running().is_none() {
        ports::claim("Kafka", port)?;
        ports::claim("Kafka's controller", instance.environment.ports.kafka_controller)?;
        let settings = instance.path("kafka.properties");
        fs::write(&settings, properties(instance))?;
        if !instance.path("kafka").join("meta.properties").exists() {
            format(instance, &settings)?;
        }
        daemon.start(java(instance).arg("-Xmx384m").arg("kafka.Kafka").arg(&settings))?;
    }
    daemon.wait(Duration::from_secs(90), || Ok(ports::open(port)))?;
    make_topic(instance, TOPIC)
}

pub(crate) fn make_topic(instance: &Instance, topic: &str) -> Result<()> {
    let partitions = PARTITIONS.to_string();
    python::run(&instance.parts, "topic.py", &[&instance.environment.kafka, topic, &partitions]).map(drop)
}

/// Java with Kafka's classes, small and quick to start.
pub fn java(instance: &Instance) -> Command {
    let mut command = Command::new("java");
    let log4j = paths::root().join("deploy/local/log4j2.properties");
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.net.preferIPv4Stack=true"]);
    command.arg(format!("-Dlog4j2.configurationFile={}", log4j.display()));
    command.arg("-cp").arg(instance.parts.kafka.join("*"));
    command
}

fn format(instance: &Instance, settings: &Path) -> Result<()> {
    paths::remove(&instance.path("kafka"))?;
    let mut command = java(instance);
    // Any id will do for the cluster, because instances share nothing.
    command.args(["kafka.tools.StorageTool", "format", "-t", "V2VpcidzTG9jYWxLYWZrYQ", "-c"]).arg(settings);
    process::logged(&mut command, &instance.log("kafka-format"), "making Kafka's folder")
}

fn properties(instance: &Instance) -> String {
    let ports = &instance.environment.ports;
    let (broker, controller) = (ports.kafka, ports.kafka_controller);
    // A client connects to the address that the broker advertises, so clients of a proxy need a listener of their own.
    let (behind, proxy) = match (ports.kafka_behind_proxy, ports.kafka_proxy) {
        (0, _) => (String::new(), String::new()),
        (behind, proxy) => (format!("PROXIED://127.0.0.1:{behind},"), format!(",PROXIED://127.0.0.1:{proxy}")),
    };
    let wait_ms = if instance.patient_groups.load(Ordering::Relaxed) { 3_000 } else { 0 };
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={behind}PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}{proxy}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={}
log.segment.bytes=67108864
auto.create.topics.enable=true
group.initial.rebalance.delay.ms={wait_ms}
{SINGLE_BROKER}",
        instance.path("kafka").display()
    )
}
