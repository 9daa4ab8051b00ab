//! Hosts that may die, each known by a number.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;

use crate::run::Run;
use rig::instance::ports;
use rig::weir::Weir;
use rig::{interrupt, process};

const READY: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(40);
/// How many hosts share a topic. Each needs seconds of processor time to compile its handlers, so the quick form has
/// one less.
pub(crate) const fn several(quick: bool) -> usize {
    if quick { 2 } else { 3 }
}

/// How long the group waits for a dead member in the quick form, so that a kill costs less time.
pub(crate) const QUICK_SESSION: Duration = Duration::from_secs(2);
/// A host that has processed something within this time is in the middle of a batch, as long as records are left.
const BUSY: Duration = Duration::from_millis(300);

/// Hosts, and the settings that they are started with.
pub(crate) struct Hosts<'a> {
    run: &'a Run<'a>,
    handlers: PathBuf,
    settings: Vec<(&'static str, String)>,
    pub(crate) all: Vec<Host>,
}

/// One host, in one of its lives.
pub(crate) struct Host {
    number: usize,
    port: u16,
    life: u32,
    weir: Option<Weir>,
    processed: u64,
    lag: i64,
    moved: Option<Instant>,
    /// When it was first seen to process something.
    pub(crate) busy_since: Option<Instant>,
}

impl<'a> Hosts<'a> {
    /// Returns that many hosts, none of which is started.
    pub(crate) fn new(
        run: &'a Run<'a>,
        handlers: PathBuf,
        count: usize,
        settings: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let ports = ports::more(count)?;
        let host = |(index, port)| Host {
            number: index + 1,
            port,
            life: 0,
            weir: None,
            processed: 0,
            lag: 0,
            moved: None,
            busy_since: None,
        };
        let all = ports.into_iter().enumerate().map(host).collect();
        Ok(Self { run, handlers, settings, all })
    }

    /// Starts all hosts, and waits until they are ready.
    pub(crate) fn up(&mut self) -> Result<()> {
        for index in 0..self.all.len() {
            self.start(index, None)?;
        }
        self.ready()
    }

    /// Starts a host that does not run. A failpoint, if any, is a name and the pass that kills.
    pub(crate) fn start(&mut self, index: usize, failpoint: Option<(&str, u64)>) -> Result<()> {
        let host = &mut self.all[index];
        // Dropping the old value removes the file with its process id, so drop it before the next life begins.
        host.weir = None;
        host.life += 1;
        (host.processed, host.lag, host.moved, host.busy_since) = (0, 0, None, None);
        let daemon = self.run.daemon(&format!("weir-{}", host.number));
        if host.life > 1 {
            let kept = daemon.log.with_extension(format!("{}.log", host.life - 1));
            fs::rename(&daemon.log, &kept).with_context(|| format!("cannot keep {}", kept.display()))?;
        }
        let mut command = self.run.command(&self.handlers);
        command.envs(self.settings.iter().map(|(name, value)| (*name, value)));
        if self.run.quick {
            command.env("KAFKA__SESSION_TIMEOUT_MS", QUICK_SESSION.as_millis().to_string());
        }
        if let Some((name, pass)) = failpoint {
            command.env("WEIR_FAILPOINT", format!("{name}:{pass}"));
        }
        host.weir = Some(Weir::launch(daemon, host.port, &mut command)?);
        Ok(())
    }

    /// Waits until all are ready.
    pub(crate) fn ready(&self) -> Result<()> {
        self.all.iter().try_for_each(|host| host.weir()?.ready(READY))
    }

    /// Fails if one has ended.
    pub(crate) fn alive(&self) -> Result<()> {
        self.living().try_for_each(|host| host.weir()?.alive())
    }

    /// Asks one host to stop, and waits until it has ended cleanly.
    pub(crate) fn stop_one(&mut self, index: usize) -> Result<()> {
        self.all[index].weir()?.signal(Signal::SIGTERM)?;
        self.all[index].stopped()
    }

    /// Forgets a host that was killed, so that the others go on without it.
    pub(crate) fn bury(&mut self, index: usize) {
        self.all[index].weir = None;
    }

    /// Asks all hosts to stop. Fails if one does not end cleanly.
    pub(crate) fn stop(&mut self) -> Result<()> {
        for host in self.living() {
            host.weir()?.signal(Signal::SIGTERM)?;
        }
        self.living().try_for_each(Host::stopped)
    }

    fn living(&self) -> impl Iterator<Item = &Host> {
        self.all.iter().filter(|host| host.weir.is_some())
    }
}

impl Host {
    /// Returns its name for people.
    pub(crate) fn name(&self) -> String {
        format!("host {} (life {})", self.number, self.life)
    }

    pub(crate) fn weir(&self) -> Result<&Weir> {
        self.weir.as_ref().with_context(|| format!("host {} was not started", self.number))
    }

    /// Reads its statistics, if it answers.
    pub(crate) fn look(&mut self) -> Result<()> {
        if let Ok(stats) = self.weir()?.stats() {
            self.lag = stats.lag;
            if stats.total_processed != self.processed {
                self.processed = stats.total_processed;
                self.moved = Some(Instant::now());
                self.busy_since = self.busy_since.or(self.moved);
            }
        }
        Ok(())
    }

    /// Returns whether it is in the middle of a batch, with more to come.
    pub(crate) fn busy(&self) -> bool {
        self.lag > 0 && self.moved.is_some_and(|moved| moved.elapsed() < BUSY)
    }

    /// Returns whether it was killed. Fails if it ended in another way.
    pub(crate) fn killed(&self) -> Result<bool> {
        match self.weir()?.ended() {
            None => Ok(false),
            Some(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => Ok(true),
            Some(status) => {
                let log = self.weir()?.log();
                bail!("{} ended by itself, {status:?}; the end of its log:\n{}", self.name(), process::tail(&log))
            }
        }
    }

    /// Kills it with SIGKILL, and waits for its end.
    pub(crate) fn kill(&self) -> Result<()> {
        self.weir()?.signal(Signal::SIGKILL)?;
        let begin = Instant::now();
        while !self.killed()? {
            ensure!(begin.elapsed() < STOP, "{} outlives SIGKILL", self.name());
            interrupt::sleep(Duration::from_millis(2))?;
        }
        Ok(())
    }

    /// Waits for a host that was asked to stop, which must end cleanly.
    pub(crate) fn stopped(&self) -> Result<()> {
        let begin = Instant::now();
        loop {
            match self.weir()?.ended() {
                Some(WaitStatus::Exited(_, 0)) => return Ok(()),
                Some(status) => {
                    let tail = process::tail(&self.weir()?.log());
                    bail!("{} did not stop cleanly, {status:?}; the end of its log:\n{tail}", self.name())
                }
                None if begin.elapsed() > STOP => {
                    let tail = process::tail(&self.weir()?.log());
                    bail!("{} does not stop; the end of its log:\n{tail}", self.name())
                }
                None => interrupt::sleep(Duration::from_millis(10))?,
            }
        }
    }
}
