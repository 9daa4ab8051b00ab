//! A replica set of three members. Clients and the other members know each by the port of a proxy before it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::run::Run;
use rig::instance::{Daemon, Instance, mongod, ports};
use rig::proxy::Proxy;
use rig::{interrupt, paths, python};

const MEMBERS: usize = 3;
/// The field `name` with the text `weir`, in BSON. A host's driver sends it in the first message of a connection.
const HOST: &[u8] = b"\x02name\0\x05\0\0\0weir\0";
const STARTS: Duration = Duration::from_mins(1);

/// The members and what their proxies do.
pub(crate) struct ReplicaSet<'a> {
    instance: &'a Instance,
    members: Vec<Member>,
    /// Harms the connections of hosts only.
    pub(crate) proxy: Proxy,
    /// The connection string for clients.
    pub(crate) uri: String,
}

struct Member {
    daemon: Daemon,
    port: u16,
    /// The proxy's port, by which others know the member.
    called: u16,
}

impl<'a> ReplicaSet<'a> {
    /// Starts a fresh set, and waits for its primary.
    pub(crate) fn start(run: &Run<'a>) -> Result<Self> {
        let instance = run.instance;
        let free = ports::more(2 * MEMBERS)?;
        let (own, called) = free.split_at(MEMBERS);
        let proxy = Proxy::for_those_who_send(HOST);
        let mut members = Vec::new();
        for (number, (port, called)) in own.iter().zip(called).enumerate() {
            proxy.before_at(*called, &format!("127.0.0.1:{port}"))?;
            let daemon = instance.daemon(&format!("mongod-{}", number + 1));
            members.push(Member { daemon, port: *port, called: *called });
        }
        let hosts: Vec<String> = called.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let hosts = hosts.join(",");
        let set = Self { instance, members, proxy, uri: format!("mongodb://{hosts}/?replicaSet=rs0") };
        for member in &set.members {
            set.start_member(member)?;
        }
        set.members.iter().try_for_each(Member::listens)?;
        let first = set.members[0].port.to_string();
        python::run(&instance.parts, "members.py", &["initiate", &first, &hosts])?;
        Ok(set)
    }

    /// Makes the primary step down.
    pub(crate) fn stepdown(&self) -> Result<()> {
        python::run(&self.instance.parts, "members.py", &["stepdown", &self.uri]).map(drop)
    }

    /// Ends the primary with a signal and restarts it.
    pub(crate) fn restart_primary(&self, signal: Signal) -> Result<()> {
        let primary = python::run(&self.instance.parts, "members.py", &["primary", &self.uri])?;
        let is_primary = |member: &&Member| primary.trim().ends_with(&format!(":{}", member.called));
        let member = self.members.iter().find(is_primary).context("the primary is not one of the members")?;
        member.daemon.signal(signal)?;
        let begin = Instant::now();
        while member.daemon.ended().is_none() {
            ensure!(begin.elapsed() < STARTS, "a member of the replica set does not end");
            interrupt::sleep(Duration::from_millis(20))?;
        }
        self.start_member(member)?;
        member.listens()
    }

    fn start_member(&self, member: &Member) -> Result<()> {
        let data = self.instance.path(&format!("mongod-{}", member.called));
        paths::make(&data)?;
        let mut command = mongod::command(&self.instance.parts, &data, member.port);
        // Otherwise a primary that is asked to stop waits 15 s for its clients to go elsewhere.
        command.args(["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=1000"]);
        member.daemon.start(&mut command)
    }
}

impl Drop for ReplicaSet<'_> {
    fn drop(&mut self) {
        // Their data is not needed any more, and a primary would wait for its clients.
        for member in &self.members {
            let _ = member.daemon.signal(Signal::SIGKILL);
        }
    }
}

impl Member {
    fn listens(&self) -> Result<()> {
        self.daemon.wait(STARTS, || Ok(ports::open(self.port)))
    }
}
