//! An instance: the four services of one pipeline, with a folder, a block of ports and logs of their own.
//!
//! The instance `default` is the user's. The demo, the tests and the proofs make their own, so they never meet.

mod connect;
mod daemon;
mod kafka;
pub mod mongod;
mod outbox;
pub mod ports;
mod postgres;
mod temporary;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use daemon::Daemon;
pub use kafka::{PARTITIONS, SINGLE_BROKER, TOPIC, java};
pub use outbox::Outbox;
pub use ports::Ports;
pub use temporary::Temporary;

use crate::cache::{self, Parts};
use crate::paths;
use crate::proxy::Proxy;

/// The name of the user's instance.
pub const DEFAULT: &str = "default";

/// A service that can be stopped and started by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// PostgreSQL with the outbox.
    Postgres,
    /// The only member of a replica set.
    Mongod,
    /// Broker and controller in one.
    Kafka,
    /// Connect with Debezium.
    Connect,
}

impl Service {
    /// The whole pipeline.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Mongod, Self::Kafka, Self::Connect];

    const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mongod => "mongod",
            Self::Kafka => "kafka",
            Self::Connect => "connect",
        }
    }
}

/// Where a client finds the services. It is `env.json` in the instance's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Environment {
    /// The instance's name.
    pub instance: String,
    /// The ports that the rest is made of.
    pub ports: Ports,
    /// Kafka's bootstrap servers.
    pub kafka: String,
    /// Connect's REST interface.
    pub connect: String,
    /// MongoDB's URI.
    pub mongodb: String,
    /// The URI of the database that holds the outbox.
    pub postgres: String,
}

/// One instance, locked against other commands as long as the value lives.
pub struct Instance {
    /// Where its services are found.
    pub environment: Environment,
    /// What its services are made of.
    pub parts: Parts,
    folder: PathBuf,
    durable: AtomicBool,
    patient_groups: AtomicBool,
    kafka_proxy: OnceLock<Proxy>,
    _lock: Flock<File>,
}

impl Instance {
    /// Opens the instance of that name, and picks its ports if it is new. Downloads what the services need.
    pub fn open(name: &str) -> Result<Self> {
        Self::made_of(name, cache::parts()?)
    }

    /// The same for MongoDB alone, without what Maven fetches and Java runs.
    pub fn open_with_mongod(name: &str) -> Result<Self> {
        Self::made_of(name, cache::parts_without_maven()?)
    }

    fn made_of(name: &str, parts: Parts) -> Result<Self> {
        let folder = folder(name)?;
        let lock = lock(name)?;
        paths::make(&folder.join("log"))?;
        let environment = environment(name, &folder)?;
        Ok(Self {
            environment,
            parts,
            folder,
            durable: AtomicBool::new(false),
            patient_groups: AtomicBool::new(false),
            kafka_proxy: OnceLock::new(),
            _lock: lock,
        })
    }

    /// Starts the services that are not running, and waits until an inserted row would reach Kafka.
    pub fn up(&self) -> Result<()> {
        self.up_with(&Service::ALL)
    }

    /// The same for some of the services.
    pub fn up_with(&self, services: &[Service]) -> Result<()> {
        each(services, |service| self.start(service))
    }

    /// Starts one service, and returns when it is ready for use.
    pub fn start(&self, service: Service) -> Result<()> {
        match service {
            Service::Postgres => postgres::start(self),
            Service::Mongod => mongod::start(self),
            Service::Kafka => kafka::start(self),
            Service::Connect => connect::start(self),
        }
    }

    /// Starts those that do not run, and Connect without a connector, for pipelines that bring an [`Outbox`] of their
    /// own.
    pub fn ensure(&self, services: &[Service]) -> Result<()> {
        let missing: Vec<_> = services.iter().copied().filter(|service| !self.runs(*service)).collect();
        each(&missing, |service| if service == Service::Connect { connect::worker(self) } else { self.start(service) })
    }

    /// Makes a topic for outbox events, with as many partitions as the documented one.
    pub fn make_topic(&self, topic: &str) -> Result<()> {
        kafka::make_topic(self, topic)
    }

    /// Returns whether a service runs. It may not be ready yet.
    pub fn runs(&self, service: Service) -> bool {
        self.daemon(service.name()).running().is_some()
    }

    /// Returns the proxy before Kafka, and the bootstrap servers for clients that should go through it. It lets
    /// everything pass until the caller changes that.
    pub fn kafka_proxy(&self) -> Result<(&Proxy, String)> {
        let Ports { kafka_behind_proxy, kafka_proxy, .. } = self.environment.ports;
        ensure!(kafka_proxy != 0, "the instance {} has no proxy before Kafka", self.environment.instance);
        if self.kafka_proxy.get().is_none() {
            let proxy = Proxy::new();
            proxy.before_at(kafka_proxy, &format!("127.0.0.1:{kafka_behind_proxy}"))?;
            let _ = self.kafka_proxy.set(proxy);
        }
        let proxy = self.kafka_proxy.get().context("there is no proxy before Kafka")?;
        Ok((proxy, format!("127.0.0.1:{kafka_proxy}")))
    }

    /// Opens the proxy. Undoes [`Self::make_durable`] and [`Self::make_groups_patient`] for the next start of the
    /// services, and stops the services that they affect.
    pub fn restore(&self) -> Result<()> {
        if let Some(proxy) = self.kafka_proxy.get() {
            proxy.open();
        }
        for (flag, service) in [(&self.durable, Service::Postgres), (&self.patient_groups, Service::Kafka)] {
            if flag.swap(false, Ordering::Relaxed) {
                self.stop(service)?;
            }
        }
        Ok(())
    }

    /// Starts Connect without a connector.
    pub fn start_worker(&self) -> Result<()> {
        connect::worker(self)
    }

    /// Returns the settings of the connector that `deploy/debezium` describes, for this instance's PostgreSQL.
    pub fn connector(&self) -> Result<Value> {
        connect::connector(self).map(|(_, config)| config)
    }

    /// From its next start on, PostgreSQL syncs every commit to the disk and keeps the time of each.
    pub fn make_durable(&self) {
        self.durable.store(true, Ordering::Relaxed);
    }

    /// From its next start on, Kafka waits for more members before it gives the first one all partitions, as it does by
    /// default.
    pub fn make_groups_patient(&self) {
        self.patient_groups.store(true, Ordering::Relaxed);
    }

    fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }

    /// Stops one service cleanly.
    pub fn stop(&self, service: Service) -> Result<()> {
        stop(&self.folder, service)
    }

    /// Returns a process of this instance by its name.
    pub fn daemon(&self, name: &str) -> Daemon {
        Daemon::new(name, &self.folder)
    }

    /// Returns the path of a file or folder of this instance.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join("log").join(format!("{name}.log"))
    }
}

/// Starts services in parallel, but each after those that it needs.
fn each(services: &[Service], start_one: impl Fn(Service) -> Result<()> + Sync) -> Result<()> {
    let begin = Instant::now();
    let ready = |service: Service| {
        println!("  {:<9} ready   {:>5.1} s", service.name(), begin.elapsed().as_secs_f64());
    };
    let start = |service: Service| {
        if services.contains(&service) { start_one(service).map(|()| ready(service)) } else { Ok(()) }
    };
    thread::scope(|scope| {
        let postgres = scope.spawn(|| start(Service::Postgres));
        let mongod = scope.spawn(|| start(Service::Mongod));
        start(Service::Kafka)?;
        joined(postgres)?;
        start(Service::Connect)?;
        joined(mongod)
    })
}

/// Stops an instance's processes. If `wipe` is set, also removes what they stored.
pub fn down(name: &str, wipe: bool) -> Result<()> {
    let folder = folder(name)?;
    if !folder.is_dir() {
        println!("there is no instance {name}");
        return Ok(());
    }
    let _lock = lock(name)?;
    stop_all(&folder)?;
    if wipe { paths::remove(&folder) } else { Ok(()) }
}

/// Stops everything, even if some of it does not stop as it should.
fn stop_all(folder: &Path) -> Result<()> {
    let weir = Daemon::all("weir", folder).iter().map(Daemon::stop).fold(Ok(()), Result::and);
    // Members of a replica set that a proof has made.
    let members = Daemon::all("mongod-", folder).iter().map(Daemon::stop).fold(Ok(()), Result::and);
    let services = thread::scope(|scope| {
        let others = [Service::Postgres, Service::Mongod].map(|service| scope.spawn(move || stop(folder, service)));
        // Connect leaves its group and flushes its offsets, so Kafka stops after it.
        let connect = stop(folder, Service::Connect);
        let kafka = stop(folder, Service::Kafka);
        others.into_iter().map(joined).fold(connect.and(kafka), Result::and)
    });
    weir.and(members).and(services)
}

fn stop(folder: &Path, service: Service) -> Result<()> {
    let daemon = Daemon::new(service.name(), folder);
    // On SIGTERM, PostgreSQL would wait for its clients, which include Debezium.
    if service == Service::Postgres { daemon.interrupt() } else { daemon.stop() }
}

fn joined(thread: thread::ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread.join().map_err(|_| anyhow!("a thread that starts or stops a service panicked"))?
}

fn folder(name: &str) -> Result<PathBuf> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
        bail!("an instance's name is made of a to z, 0 to 9 and -, at most 40: {name:?}");
    }
    Ok(paths::cache()?.join("run").join(name))
}

/// The lock is beside the folder, because the folder may be removed while the lock is held.
fn lock(name: &str) -> Result<Flock<File>> {
    let run = paths::cache()?.join("run");
    paths::make(&run)?;
    let file = File::create(run.join(format!("{name}.lock"))).context("cannot write the instance's lock")?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| anyhow!("another command is using the instance {name}: wait for it to end"))
}

fn environment(name: &str, folder: &Path) -> Result<Environment> {
    let file = folder.join("env.json");
    if file.exists() {
        let text = fs::read_to_string(&file)?;
        return serde_json::from_str(&text)
            .with_context(|| format!("{} cannot be read: cargo xtask down --instance {name} --wipe", file.display()));
    }
    let ports = if name == DEFAULT { Ports::documented() } else { Ports::free()? };
    let environment = Environment {
        instance: name.to_owned(),
        kafka: format!("127.0.0.1:{}", ports.kafka),
        connect: format!("http://127.0.0.1:{}", ports.connect),
        mongodb: format!("mongodb://127.0.0.1:{}/?replicaSet=rs0", ports.mongodb),
        postgres: format!("postgres://postgres@127.0.0.1:{}/activity", ports.postgres),
        ports,
    };
    fs::write(&file, serde_json::to_string_pretty(&environment)?)?;
    Ok(environment)
}
