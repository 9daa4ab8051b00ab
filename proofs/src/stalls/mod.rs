//! The things that hosts wait for stall one after the other, and nobody reads one host's log. Still, `/livez` stays
//! 200, SIGTERM ends a host in time, nothing is parked, and everything goes on by itself afterwards.

mod broker;
mod unread;
mod watch;

use std::cell::Cell;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use serde_json::{Value, json};

use self::broker::{Broker, SECOND};
use self::unread::Unread;
use self::watch::Watch;
use crate::run::Run;
use crate::verdict::Verdict;
use rig::instance::ports;
use rig::pipeline::Pipeline;
use rig::proxy::{Direction, Proxy};
use rig::weir::Weir;
use rig::{interrupt, paths, process, python};

const NAME: &str = "stalls";
/// The leader of each partition.
const LEADERS: [u32; 4] = [1, 1, 1, SECOND];
const ONE_LEADER: [u32; 4] = [1; 4];
/// Events per second.
const RATE: u64 = 200;
/// Bytes that a commit's request contains.
const COMMIT: &[u8] = b"commitTransaction\0";
const SHUTDOWN: Duration = Duration::from_secs(1);
/// How much longer than that a stop may take.
const GOODBYES: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_mins(3);

/// What stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stall {
    /// MongoDB accepts no writes but answers reads.
    Writes,
    /// Replies to commits do not arrive.
    Commits,
    /// The leader of one partition does not answer.
    Leader,
}

impl Stall {
    const fn name(self) -> &'static str {
        match self {
            Self::Writes => "MongoDB accepts no writes",
            Self::Commits => "commits hang",
            Self::Leader => "a partition's leader is away",
        }
    }
}

struct Scene<'a> {
    run: &'a Run<'a>,
    handlers: PathBuf,
    ports: Vec<u16>,
    proxy: Proxy,
    mongodb: String,
    /// The second leader. The quick form leaves its stall out and has none.
    broker: Option<Broker>,
    unread: Unread,
    /// What stalls now.
    stalled: Cell<Option<Stall>>,
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        // A MongoDB that accepts no writes would not stop.
        if let Some(stall) = self.stalled.take()
            && let Err(error) = self.end(stall)
        {
            eprintln!("{error:#}");
        }
    }
}

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let length = Duration::from_secs(if run.quick { 4 } else { 120 });
    let scene = Scene::set(run)?;
    let sending = Sending::start(&scene)?;
    let stays = scene.stays()?;
    let mut leaves = Some(scene.leaves()?);
    stays.ready(PATIENCE)?;
    leaves.as_ref().context("it has just been started")?.ready(PATIENCE)?;
    moves(&stays)?;

    let mut seen = Vec::new();
    // Kafka's clients wait a minute for a leader that does not answer, which is longer than the quick form may take.
    let stalls = [Stall::Writes, Stall::Commits, Stall::Leader];
    for stall in if run.quick { &stalls[..2] } else { &stalls[..] }.iter().copied() {
        let found = stand_still(&scene, stall, length, &stays, &mut leaves);
        seen.push(found.with_context(|| format!("while {}", stall.name()))?);
        if leaves.is_none() && !run.quick {
            leaves = Some(scene.leaves()?);
        }
    }
    ensure!(scene.unread.is_full()?, "the log that nobody reads is not full: the proof shows nothing");
    let sent = sending.end()?;
    let compared = scene.script("compare", &json!({ "sent": sent }))?;
    let compared: Value = serde_json::from_str(&compared)?;
    if let Some(host) = &leaves {
        stop(host)?;
    }
    stays.stop()?;
    let right = compared == json!({ "missing": 0, "unknown": 0, "parked": [] });
    let longest = seen.iter().filter_map(|found| found["stopped_after_seconds"].as_f64()).fold(0.0, f64::max);
    Ok(Verdict {
        holds: right,
        figure: format!(
            "{sent} events, each with its document: {right}; {} stalls of {} s or more: /livez 200 throughout, the longest \
             stop {longest:.1} s",
            seen.len(),
            length.as_secs()
        ),
        bound: format!("no other answer, a stop within {} s, nothing parked", (SHUTDOWN + GOODBYES).as_secs()),
        details: json!({ "stalls": seen, "compared": compared }),
    })
}

/// One stall, from its beginning until the host that stays goes on.
fn stand_still(
    scene: &Scene<'_>,
    stall: Stall,
    length: Duration,
    stays: &Weir,
    leaves: &mut Option<Weir>,
) -> Result<Value> {
    let watch = Watch::of(stays.admin());
    scene.begin(stall)?;
    let begun = Instant::now();
    interrupt::sleep(length / 2)?;
    // A stop takes a while, so the quick form has only one.
    let mut stopped_after = None;
    if (!scene.run.quick || stall == Stall::Writes)
        && let Some(host) = leaves.take()
    {
        stopped_after = Some(stop_watched(&host)?);
    }
    let mut joined_after = None;
    if stall == Stall::Leader && leaves.is_none() {
        let joins = scene.leaves()?;
        joined_after = Some(moves(&joins)?);
        *leaves = Some(joins);
    }
    interrupt::sleep(length.saturating_sub(begun.elapsed()))?;
    scene.end(stall)?;
    let stood = begun.elapsed().as_secs_f64();
    let went_on_after = moves(stays)?;
    let alive = lived(watch)?;
    println!("  {} for {stood:.1} s; the host went on {went_on_after:.1} s later", stall.name());
    Ok(json!({
        "stall": stall.name(), "seconds": stood, "asked_and_alive": alive, "stopped_after_seconds": stopped_after,
        "joined_after_seconds": joined_after, "went_on_after_seconds": went_on_after,
    }))
}

/// Waits until the host has processed more than it has now, and returns after how many seconds that was.
fn moves(host: &Weir) -> Result<f64> {
    let begun = Instant::now();
    let mut before = None;
    loop {
        // A host that has just started does not answer yet.
        if let Ok(stats) = host.stats() {
            let before = *before.get_or_insert(stats.total_processed);
            if stats.total_processed > before {
                return Ok(begun.elapsed().as_secs_f64());
            }
        }
        ensure!(begun.elapsed() < PATIENCE, "a host does nothing for {} s", PATIENCE.as_secs());
        interrupt::sleep(Duration::from_millis(50))?;
    }
}

/// Returns how often a host was asked and answered 200. Fails if it ever answered otherwise, or did not answer.
fn lived(watch: Watch) -> Result<u64> {
    let seen = watch.end();
    ensure!(seen.others.is_empty(), "/livez was not 200: {}", seen.others.join(", "));
    ensure!(seen.gone == 0, "nobody answered /livez {} times", seen.gone);
    Ok(seen.alive)
}

/// Asks a host to stop during a stall. It must answer until it has ended, however long that takes.
fn stop_watched(host: &Weir) -> Result<f64> {
    let watch = Watch::of(host.admin());
    host.signal(Signal::SIGTERM)?;
    let took = ended(host, Instant::now())?;
    let seen = watch.end();
    ensure!(seen.others.is_empty(), "/livez was not 200 while a host stopped: {}", seen.others.join(", "));
    Ok(took)
}

fn stop(host: &Weir) -> Result<f64> {
    host.signal(Signal::SIGTERM)?;
    ended(host, Instant::now())
}

/// Waits for a host that was asked to stop, which must end cleanly and in time.
fn ended(host: &Weir, begun: Instant) -> Result<f64> {
    loop {
        match host.ended() {
            Some(WaitStatus::Exited(_, 0)) => return Ok(begun.elapsed().as_secs_f64()),
            Some(status) => bail!("a host did not stop cleanly: {status:?}; its log:\n{}", process::tail(&host.log())),
            None => {}
        }
        let bound = SHUTDOWN + GOODBYES;
        ensure!(begun.elapsed() < bound, "a host has not stopped after {} s", bound.as_secs());
        interrupt::sleep(Duration::from_millis(20))?;
    }
}

impl<'a> Scene<'a> {
    fn set(run: &'a Run<'a>) -> Result<Self> {
        // This gives the groups to the first broker before the second starts. A partition's leader must go away, not
        // the groups' coordinator.
        let Pipeline { topic, group, .. } = run.pipeline();
        run.block(run.world.kafka.commit(group, topic, 0, 0))?;
        let broker = (!run.quick).then(|| Broker::start(run.instance)).transpose()?;
        let proxy = Proxy::for_those_who_send(COMMIT);
        let there = run.instance.environment.mongodb.trim_start_matches("mongodb://");
        let address = proxy.before(there.split(['/', ',']).next().context("MongoDB has no address")?)?;
        // Direct, because otherwise the member of the replica set would give the client its real address.
        let mongodb = format!("mongodb://{address}/?directConnection=true");
        let unread = Unread::new(&run.instance.path("unread"))?;
        let (handlers, ports, stalled) = (run.handlers(["echo"])?, ports::more(2)?, Cell::default());
        let scene = Self { run, handlers, ports, proxy, mongodb, broker, unread, stalled };
        if let Some(broker) = &scene.broker {
            broker.ready()?;
        }
        scene.script("topic", &json!({}))?;
        Ok(scene)
    }

    /// Starts the host that runs throughout.
    fn stays(&self) -> Result<Weir> {
        let mut command = self.command();
        self.settings(&mut command);
        Weir::launch(self.run.instance.daemon("weir-stays"), self.ports[0], &mut command)
    }

    /// Starts the host that is stopped and restarted, and whose log is not read.
    fn leaves(&self) -> Result<Weir> {
        let mut command = self.unread.instead_of(&self.command());
        self.settings(&mut command);
        Weir::launch(self.run.instance.daemon("weir-leaves"), self.ports[1], &mut command)
    }

    fn command(&self) -> Command {
        Pipeline::documented(&self.run.instance.environment).command(&paths::weir(), &self.handlers)
    }

    fn settings(&self, command: &mut Command) {
        command
            .env("KAFKA_TOPIC", NAME)
            .env("KAFKA_GROUP_ID", NAME)
            .env("MONGODB_URI", &self.mongodb)
            .env("SHUTDOWN_TIMEOUT_SECONDS", SHUTDOWN.as_secs().to_string())
            .env("LOG_LEVEL", "TRACE");
        if self.run.quick {
            // Work that piles up while nothing is committed then does so in seconds rather than minutes.
            command.env("WEIR_IDLE_MS", "200");
        }
    }

    fn begin(&self, stall: Stall) -> Result<()> {
        self.stalled.set(Some(stall));
        match stall {
            Stall::Writes => drop(self.script("lock", &json!({}))?),
            Stall::Commits => self.proxy.hang(Direction::ToClient),
            Stall::Leader => self.second()?.pause()?,
        }
        Ok(())
    }

    fn end(&self, stall: Stall) -> Result<()> {
        match stall {
            Stall::Writes => drop(self.script("unlock", &json!({}))?),
            Stall::Commits => self.proxy.open(),
            Stall::Leader => self.second()?.go_on()?,
        }
        self.stalled.set(None);
        Ok(())
    }

    fn second(&self) -> Result<&Broker> {
        self.broker.as_ref().context("there is no second broker")
    }

    fn script(&self, verb: &str, more: &Value) -> Result<String> {
        python::run(&self.run.instance.parts, "stalls.py", &[verb, &self.told(more)])
    }

    fn told(&self, more: &Value) -> String {
        let there = Pipeline::documented(&self.run.instance.environment);
        let mut settings = json!({
            "kafka": there.kafka, "mongodb": there.mongodb, "data": there.data, "own": there.own, "topic": NAME,
            "group": NAME, "leaders": if self.run.quick { ONE_LEADER } else { LEADERS }, "rate": RATE,
        });
        if let (Some(settings), Some(more)) = (settings.as_object_mut(), more.as_object()) {
            settings.extend(more.clone());
        }
        settings.to_string()
    }
}

/// The process that sends events.
struct Sending {
    child: Child,
}

impl Sending {
    fn start(scene: &Scene<'_>) -> Result<Self> {
        let mut command = python::command(&scene.run.instance.parts, "stalls.py", &["send", &scene.told(&json!({}))]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start stalls.py")?;
        Ok(Self { child })
    }

    /// Stops sending, and returns how many events there were.
    fn end(mut self) -> Result<u64> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        let stdout = self.child.stdout.as_mut().context("stalls.py has no output")?;
        stdout.read_to_string(&mut said)?;
        let said: Value = serde_json::from_str(&said).with_context(|| format!("stalls.py said {said:?}"))?;
        said["sent"].as_u64().context("stalls.py does not say how many it sent")
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Both fail if it has already ended, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
