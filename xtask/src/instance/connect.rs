//! Kafka Connect with Debezium, and the connector that `deploy/debezium` describes.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Instance, kafka, ports};
use crate::{paths, python};

const CONNECTOR: &str = "deploy/debezium/postgres-event-outbox-connector.json";

pub(super) fn start(instance: &Instance) -> Result<()> {
    worker(instance)?;
    let daemon = instance.daemon("connect");
    let rest = &instance.environment.connect;
    let agent = agent();
    let (name, config) = connector(instance)?;
    let mut answer = agent.put(format!("{rest}/connectors/{name}/config")).send_json(&config)?;
    if !answer.status().is_success() {
        bail!("Connect refused the connector: {}", answer.body_mut().read_to_string()?);
    }
    daemon.wait(Duration::from_mins(1), || running(&agent, &format!("{rest}/connectors/{name}/status")))?;
    let slot = config.get("slot.name").and_then(Value::as_str).context("the connector names no slot")?;
    // The task runs before it streams; only then does the slot have a reader.
    python::run(&instance.parts, "outbox.py", &["streaming", &instance.environment.postgres, slot])?;
    Ok(())
}

/// Connect without any connector.
pub(super) fn worker(instance: &Instance) -> Result<()> {
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

fn running(agent: &ureq::Agent, url: &str) -> Result<bool> {
    let status: Value = match agent.get(url).call() {
        Ok(mut answer) => answer.body_mut().read_json()?,
        Err(_) => return Ok(false),
    };
    let task = &status["tasks"][0];
    match task["state"].as_str().or(status["connector"]["state"].as_str()) {
        Some("FAILED") => {
            let trace = task["trace"].as_str().or(status["connector"]["trace"].as_str()).unwrap_or_default();
            bail!("the connector failed: {}", trace.lines().take(8).collect::<Vec<_>>().join("\n"))
        }
        _ => Ok(task["state"] == "RUNNING"),
    }
}

/// The connector's name and settings, with where this instance's PostgreSQL is.
pub(super) fn connector(instance: &Instance) -> Result<(String, Value)> {
    let file = paths::root().join(CONNECTOR);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut file: Value = serde_json::from_str(&text).context("the connector's file is not JSON")?;
    let name = file["name"].as_str().context("the connector has no name")?.to_owned();
    let mut config = file["config"].take();
    config["database.hostname"] = "127.0.0.1".into();
    // With the rights of deploy/roles/postgres.sql, and no more.
    config["database.user"] = "debezium".into();
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
