//! mongod as the only member of a replica set, which transactions need.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{Instance, ports};
use crate::cache::Parts;
use crate::{paths, python};

pub(crate) fn start(instance: &Instance) -> Result<()> {
    let daemon = instance.daemon("mongod");
    let port = instance.environment.ports.mongodb;
    if daemon.running().is_none() {
        ports::claim("MongoDB", port)?;
        let data = instance.path("mongod");
        paths::make(&data)?;
        daemon.start(&mut command(&instance.parts, &data, port))?;
    }
    daemon.wait(Duration::from_mins(1), || Ok(ports::open(port)))?;
    python::run(&instance.parts, "replica_set.py", &[&port.to_string()])?;
    Ok(())
}

/// A member of the replica set rs0.
pub fn command(parts: &Parts, data: &Path, port: u16) -> Command {
    let mut command = Command::new(&parts.mongod);
    command.arg("--dbpath").arg(data).args(["--bind_ip", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--replSet", "rs0", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]);
    command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
    command
}
