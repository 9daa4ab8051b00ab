//! PostgreSQL with the outbox table and its publication. It refuses to run as root, so root runs it as `nobody`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::{Uid, User};

use super::{Instance, ports};
use crate::{paths, process, python};

const USER: &str = "nobody";

/// Only as durable as Debezium's latency needs: what is flushed is shipped immediately, and nothing is synced.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_wal_senders = 32
max_replication_slots = 64
synchronous_commit = on
fsync = off
full_page_writes = off
shared_buffers = 64MB
timezone = 'UTC'
";

/// Settings for measurements of time, which run the database as one whose data matters.
const DURABLE: [&str; 6] = ["-c", "fsync=on", "-c", "full_page_writes=on", "-c", "track_commit_timestamp=on"];

pub(crate) fn start(instance: &Instance) -> Result<()> {
    let daemon = instance.daemon("postgres");
    let data = instance.path("postgres");
    let port = instance.environment.ports.postgres;
    if daemon.running().is_none() {
        ports::claim("PostgreSQL", port)?;
        if !data.join("PG_VERSION").exists() {
            initialise(instance, &data)?;
        }
        forget_stale_lock(&data)?;
        let mut command = program(instance, "postgres")?;
        if instance.is_durable() {
            command.args(DURABLE);
        }
        daemon.start(command.arg("-D").arg(&data).arg("-p").arg(port.to_string()))?;
    }
    daemon.wait(Duration::from_mins(1), || Ok(ports::open(port)))?;
    prepare(instance, &instance.environment.postgres)
}

/// Makes the database of a URI, with the outbox table, its publication and Debezium's role.
pub(crate) fn prepare(instance: &Instance, uri: &str) -> Result<()> {
    let file = |name| paths::root().join("deploy").join(name).to_string_lossy().into_owned();
    let (schema, role) = (file("local/schema.sql"), file("roles/postgres.sql"));
    python::run(&instance.parts, "outbox.py", &["prepare", uri, &schema, &role])?;
    Ok(())
}

fn initialise(instance: &Instance, data: &Path) -> Result<()> {
    paths::remove(data)?;
    paths::make(data)?;
    fs::set_permissions(data, fs::Permissions::from_mode(0o700))?;
    if let Some(user) = other_user()? {
        chown(data, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    let mut initdb = program(instance, "initdb")?;
    initdb.arg("-D").arg(data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    process::logged(&mut initdb, &instance.log("initdb"), "making PostgreSQL's folder")?;
    let file = data.join("postgresql.conf");
    let settings = fs::read_to_string(&file)? + SETTINGS;
    fs::write(file, settings)?;
    Ok(())
}

/// PostgreSQL believes that any process with the id in its lock file is its own, so the lock must go if the id now
/// belongs to another process.
fn forget_stale_lock(data: &Path) -> Result<()> {
    let lock = data.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&lock) else { return Ok(()) };
    let pid = text.lines().next().unwrap_or_default();
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let own = String::from_utf8_lossy(&command).contains(&*data.to_string_lossy());
    if own { Ok(()) } else { paths::remove(&lock) }
}

fn program(instance: &Instance, name: &str) -> Result<Command> {
    let mut command = Command::new(instance.parts.postgres.join("bin").join(name));
    // The other user may not be allowed to enter the current folder.
    command.current_dir("/").env("LC_ALL", "C").env_remove("PGDATA");
    if let Some(user) = other_user()? {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    Ok(command)
}

fn other_user() -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = User::from_name(USER)?
        .with_context(|| format!("PostgreSQL does not run as root, and there is no user {USER} to run it as"))?;
    Ok(Some(user))
}
