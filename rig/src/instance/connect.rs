//! Kafka Connect with Debezium, and the connector that `deploy/debezium` describes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Instance, kafka, ports};
use crate::{paths, process};

const CONNECTOR: &str = "deploy/debezium/postgres-event-outbox-connector.json";
/// The script that the container runs too.
const REGISTER: &str = "deploy/debezium/register.py";
/// The user that has the rights of deploy/roles/postgres.sql and no others.
const USER: &str = "debezium";

pub(crate) fn start(instance: &Instance) -> Result<()> {
    worker(instance)?;
    register(instance, &paths::root().join(CONNECTOR))
}

/// Registers a connector as the container does, pointed at this instance's PostgreSQL.
pub(crate) fn register(instance: &Instance, file: &Path) -> Result<()> {
    let ports = &instance.environment.ports;
    let mut register = Command::new("python3");
    register.arg(paths::root().join(REGISTER)).arg(file);
    register.env("CONNECT_URL", &instance.environment.connect);
    register.env("POSTGRES_HOST", "127.0.0.1").env("POSTGRES_PORT", ports.postgres.to_string());
    register.env("POSTGRES_USER", USER);
    process::output(&mut register, "the registration of the connector").map(|_| ())
}

/// Deletes a connector. Its slot and its topic stay.
pub(crate) fn delete(instance: &Instance, name: &str) -> Result<()> {
    let url = format!("{}/connectors/{name}", instance.environment.connect);
    let answer = agent().delete(&url).call()?;
    ensure!(answer.status().is_success(), "Connect answers {} to DELETE {url}", answer.status());
    Ok(())
}

/// Starts Connect without any connector.
pub(crate) fn worker(instance: &Instance) -> Result<()> {
    let daemon = instance.daemon("connect");
    if daemon.running().is_none() {
        ports::claim("Connect", instance.environment.ports.connect)?;
        let settings = instance.path("connect.properties");
        fs::write(&settings, properties(instance))?;
        let mut command = kafka::java(instance);
        command.args(["-Xmx384m", "org.apache.kafka.connect.cli.ConnectDistributed"]);
        daemon.start(command.arg(&settings))?;
    }
    let rest = &instance.environment.connect;
    let agent = agent();
    let answers = || agent.get(format!("{rest}/connectors")).call().is_ok_and(|answer| answer.status() == 200);
    daemon.wait(Duration::from_mins(4), || Ok(answers()))
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config.http_status_as_error(false).timeout_global(Some(Duration::from_mins(1))).build().new_agent()
}

/// Returns the connector's name and settings, pointed at this instance's PostgreSQL.
pub(crate) fn connector(instance: &Instance) -> Result<(String, Value)> {
    let file = paths::root().join(CONNECTOR);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut file: Value = serde_json::from_str(&text).context("the connector's file is not JSON")?;
    let name = file["name"].as_str().context("the connector has no name")?.to_owned();
    let mut config = file["config"].take();
    config["database.hostname"] = "127.0.0.1".into();
    config["database.user"] = USER.into();
    config["database.port"] = instance.environment.ports.postgres.to_string().into();
    Ok((name, config))
}

fn properties(instance: &Instance) -> String {
    format!(
        "bootstrap.servers={}
group.id=connect
listeners=http://127.0.0.1:{}
rest.advertised.host.name=127.0.0.1
plugin.path={}
plugin.discovery={}
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.storage.topic=connect-configs
config.storage.replication.factor=1
offset.storage.topic=connect-offsets
offset.storage.partitions=1
offset.storage.replication.factor=1
offset.flush.interval.ms=1000
status.storage.topic=connect-status
status.storage.partitions=1
status.storage.replication.factor=1
scheduled.rebalance.max.delay.ms=0
connector.client.config.override.policy=All
",
        instance.environment.kafka,
        instance.environment.ports.connect,
        instance.parts.plugins.display(),
        instance.parts.plugin_discovery,
    )
}
