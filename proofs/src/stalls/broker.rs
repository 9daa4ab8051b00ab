//! A second broker, next to the instance's own, which can be paused while the first one runs.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use rig::instance::{Daemon, Instance, SINGLE_BROKER, java, ports};
use rig::{paths, process};

/// Its number; the first broker is 1.
pub(super) const SECOND: u32 = 2;
const STARTS: Duration = Duration::from_mins(4);
/// The cluster's id, which must be the one of the instance's own broker.
const CLUSTER: &str = "V2VpcidzTG9jYWxLYWZrYQ";

/// The broker. It ends when the value is dropped.
pub(super) struct Broker {
    daemon: Daemon,
    port: u16,
}

impl Broker {
    /// Starts it, and does not wait for it.
    pub(super) fn start(instance: &Instance) -> Result<Self> {
        let port = ports::more(1)?[0];
        let (data, settings) = (instance.path("kafka-2"), instance.path("kafka-2.properties"));
        paths::remove(&data)?;
        fs::write(&settings, properties(instance, port))?;
        let mut format = java(instance);
        format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]).arg(&settings);
        process::logged(&mut format, &instance.path("log").join("kafka-2-format.log"), "making the broker's folder")?;
        let broker = Self { daemon: instance.daemon("kafka-2"), port };
        broker.daemon.start(java(instance).arg("-Xmx256m").arg("kafka.Kafka").arg(&settings))?;
        Ok(broker)
    }

    /// Waits until it listens.
    pub(super) fn ready(&self) -> Result<()> {
        self.daemon.wait(STARTS, || Ok(ports::open(self.port)))
    }

    /// Pauses it, with its connections open.
    pub(super) fn pause(&self) -> Result<()> {
        self.daemon.signal(Signal::SIGSTOP)
    }

    /// Resumes it.
    pub(super) fn go_on(&self) -> Result<()> {
        self.daemon.signal(Signal::SIGCONT)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A paused process would not receive SIGTERM, and none of its data is kept.
        let _ = self.daemon.signal(Signal::SIGKILL);
    }
}

fn properties(instance: &Instance, port: u16) -> String {
    let controller = instance.environment.ports.kafka_controller;
    format!(
        "process.roles=broker
node.id={SECOND}
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={}
{SINGLE_BROKER}",
        instance.path("kafka-2").display()
    )
}
