//! Components that a host must refuse before it runs any of them.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rig::instance::Daemon;
use rig::{interrupt, paths};

use crate::run::Run;

/// A component, its family, and what its refusal must say.
pub(super) struct Refused {
    #[cfg_attr(not(test), expect(dead_code, reason = "the test of families reads it"))]
    pub(super) family: &'static str,
    pub(super) name: &'static str,
    says: &'static str,
}

const fn refused(family: &'static str, name: &'static str, says: &'static str) -> Refused {
    Refused { family, name, says }
}

pub(super) const REFUSED: &[Refused] = &[
    refused("imports", "sockets", "wasi:sockets"),
    refused("imports", "http", "wasi:http"),
    refused("start and describe", "always-spins-at-start", "instantiate_fuel"),
    refused("start and describe", "spins-in-describe", "describe_fuel"),
    refused("start and describe", "writes-in-describe", "describe may call nothing but log"),
    refused("start and describe", "describes-a-megabyte", "boundary_bytes"),
    refused("initialisation", "initialises-past-its-table", "out of bounds table access"),
    refused("initialisation", "asks-for-a-huge-table", "table"),
    refused("initialisation", "initialises-far-memory", "memory_bytes"),
    refused("nested components", "nests-components", "levels of nested components"),
    refused("nested components", "has-too-many-instances", "core module instances"),
    refused("memory", "has-too-many-memories", "memories"),
    refused("cpu", "has-too-many-functions", "functions"),
    refused("cpu", "loops-in-a-row", "loops of one function"),
    refused("cpu", "branches-without-end", "branches of one function"),
];

/// How many hosts run at the same time.
const AT_ONCE: usize = 2;
/// How long a host may take to refuse its only component.
const PATIENCE: Duration = Duration::from_secs(30);

/// A host that was started with one of them.
struct Host {
    refused: &'static Refused,
    daemon: Daemon,
    begun: Instant,
}

/// Starts a host with each of them alone in its folder. Fails if a host keeps running, or does not say why it ends.
pub(super) fn all_are_refused(run: &Run<'_>) -> Result<()> {
    let mut left = REFUSED.iter();
    let mut hosts: Vec<Host> = Vec::new();
    loop {
        while hosts.len() < AT_ONCE
            && let Some(refused) = left.next()
        {
            hosts.push(Host::start(run, refused)?);
        }
        if hosts.is_empty() {
            return Ok(());
        }
        let (running, ended): (Vec<Host>, Vec<Host>) = hosts.into_iter().partition(Host::runs);
        ended.iter().try_for_each(Host::says_why)?;
        hosts = running;
        if let Some(host) = hosts.iter().find(|host| host.begun.elapsed() > PATIENCE) {
            bail!("a host started with {}.wasm in its folder", host.refused.name);
        }
        interrupt::sleep(Duration::from_millis(20))?;
    }
}

impl Host {
    fn start(run: &Run<'_>, refused: &'static Refused) -> Result<Self> {
        let folder = run.world.handlers.with_extension(refused.name);
        paths::make(&folder)?;
        run.built.put(&folder, [refused.name])?;
        let daemon = run.daemon(&format!("refuses-{}", refused.name));
        daemon.start(run.command(&folder).env("ADMIN_LISTEN", "127.0.0.1:0"))?;
        Ok(Self { refused, daemon, begun: Instant::now() })
    }

    fn runs(&self) -> bool {
        self.daemon.running().is_some()
    }

    fn says_why(&self) -> Result<()> {
        let Refused { name, says, .. } = self.refused;
        let said = fs::read_to_string(&self.daemon.log)?;
        ensure!(
            said.contains(says) && said.contains(name),
            "the refusal of {name}.wasm does not say {says:?}:\n{said}"
        );
        println!("  {name}.wasm was refused at load: {says}");
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Err(error) = self.daemon.kill() {
            eprintln!("{error:#}");
        }
    }
}
