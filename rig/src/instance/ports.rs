//! The loopback ports of an instance.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// One port per service, and one for Weir's own pages.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Ports {
    /// PostgreSQL.
    pub postgres: u16,
    /// Kafka.
    pub kafka: u16,
    /// Kafka's controller.
    pub kafka_controller: u16,
    /// Kafka's listener for clients that come through the proxy, or 0 on an instance that has none.
    #[serde(default)]
    pub kafka_behind_proxy: u16,
    /// The proxy before that listener.
    #[serde(default)]
    pub kafka_proxy: u16,
    /// Kafka Connect.
    pub connect: u16,
    /// MongoDB.
    pub mongodb: u16,
    /// Weir.
    pub admin: u16,
}

impl Ports {
    /// Returns the ports of the default instance, as README names them.
    pub const fn documented() -> Self {
        Self {
            postgres: 15432,
            kafka: 19092,
            kafka_controller: 19093,
            kafka_behind_proxy: 0,
            kafka_proxy: 0,
            connect: 18083,
            mongodb: 17017,
            admin: 7070,
        }
    }

    /// Returns ports that nothing listens on, below those that the kernel gives to outgoing connections.
    pub fn free() -> Result<Self> {
        let start = 20_000 + u16::try_from(process::id() % 1_000).unwrap_or(0) * 10;
        let mut free = (start..31_000).chain(20_000..start).filter(|port| can_listen(*port));
        let mut next = || match free.next() {
            Some(port) => Ok(port),
            None => bail!("no port between 20000 and 31000 is free"),
        };
        Ok(Self {
            postgres: next()?,
            kafka: next()?,
            kafka_controller: next()?,
            kafka_behind_proxy: next()?,
            kafka_proxy: next()?,
            connect: next()?,
            mongodb: next()?,
            admin: next()?,
        })
    }
}

/// A caller may not listen on its port yet, so this process gives out none twice.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Returns more ports that nothing listens on, above those of instances.
pub fn more(count: usize) -> Result<Vec<u16>> {
    let start = 31_000 + u16::try_from(process::id() % 100).unwrap_or(0) * 16;
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free = |port: &u16| !given.contains(port) && can_listen(*port);
    let free: Vec<u16> = (start..32_700).chain(31_000..start).filter(is_free).take(count).collect();
    if free.len() < count {
        bail!("no {count} ports between 31000 and 32700 are free");
    }
    given.extend(&free);
    Ok(free)
}

/// Fails if another process listens on a port that a service is about to use.
pub fn claim(service: &str, port: u16) -> Result<()> {
    if can_listen(port) {
        return Ok(());
    }
    bail!(
        "{service} needs port {port}, which another process is using: stop that, or use cargo xtask up --instance NAME"
    )
}

/// Returns whether the port accepts connections.
pub fn open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn can_listen(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
