//! A process that outlives the command that started it, known by a file with its id and its start time.
//!
//! An id alone is not enough, because after a restart of the machine it may belong to another process.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{self, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::{interrupt, paths, process};

/// Longer than Weir's own time for a drain.
const PATIENCE: Duration = Duration::from_secs(40);
const STEP: Duration = Duration::from_millis(50);

/// A named process of an instance.
pub struct Daemon {
    name: String,
    pid_file: PathBuf,
    /// The log of its stdout and stderr.
    pub log: PathBuf,
    ended: Mutex<Option<WaitStatus>>,
    /// Its output, if it is to stay unread.
    unread: Mutex<Option<(ChildStdout, ChildStderr)>>,
}

impl Daemon {
    /// Describes a process of that name whose files are in `folder`. Starts nothing.
    pub fn new(name: &str, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            pid_file: folder.join(format!("{name}.pid")),
            log: folder.join("log").join(format!("{name}.log")),
            ended: Mutex::default(),
            unread: Mutex::default(),
        }
    }

    /// Returns the processes in a folder whose names begin with `prefix`.
    pub fn all(prefix: &str, folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let names = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".pid").filter(|name| name.starts_with(prefix)).map(str::to_owned)
        });
        names.map(|name| Self::new(&name, folder)).collect()
    }

    /// Returns its process id while it runs.
    pub fn running(&self) -> Option<Pid> {
        let text = fs::read_to_string(&self.pid_file).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let pid = Pid::from_raw(pid.parse().ok()?);
        // Reaps a child that has ended. If it is not our child, this fails and does no harm.
        if let Ok(status @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..))) =
            waitpid(pid, Some(WaitPidFlag::WNOHANG))
        {
            self.ends(Some(status));
        }
        (started_at(pid)? == started).then_some(pid)
    }

    /// Returns how it ended, if this value started it and saw its end.
    pub fn ended(&self) -> Option<WaitStatus> {
        // A process whose first thread has ended looks ended too, but may still hold what the next one needs.
        if self.running().is_some() { None } else { *self.ended.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    fn ends(&self, status: Option<WaitStatus>) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Sends it a signal. Fails if it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.running().with_context(|| format!("{} does not run", self.name))?;
        signal::kill(pid, signal).with_context(|| format!("cannot signal {} (process {pid})", self.name))
    }

    /// Starts the command in a process group of its own, so that the terminal's signals do not reach it. Truncates its
    /// log.
    pub fn start(&self, command: &mut Command) -> Result<()> {
        let log = File::create(&self.log).with_context(|| format!("cannot write {}", self.log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        self.started(&child)
    }

    /// The same with its output in pipes that stay open as long as the value lives and that nobody reads.
    pub fn start_unread(&self, command: &mut Command) -> Result<()> {
        File::create(&self.log).with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = child.stdout.take().zip(child.stderr.take());
        self.started(&child)
    }

    fn started(&self, child: &Child) -> Result<()> {
        self.ends(None);
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        let started = started_at(pid).unwrap_or_default();
        fs::write(&self.pid_file, format!("{pid} {started}\n"))?;
        Ok(())
    }

    /// Waits until `ready` returns true. Fails with the end of the log if the process ends or the time is up.
    pub fn wait(&self, limit: Duration, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        loop {
            if self.running().is_none() {
                bail!("{} has ended; the end of {}:\n{}", self.name, self.log.display(), process::tail(&self.log));
            }
            if ready()? {
                return Ok(());
            }
            if begin.elapsed() > limit {
                bail!(
                    "{} was not ready after {} s; the end of {}:\n{}",
                    self.name,
                    limit.as_secs(),
                    self.log.display(),
                    process::tail(&self.log)
                );
            }
            interrupt::sleep(STEP)?;
        }
    }

    /// Asks it to end with SIGTERM. Fails if it has to be killed.
    pub fn stop(&self) -> Result<()> {
        self.end(Signal::SIGTERM)
    }

    /// The same with SIGINT.
    pub fn interrupt(&self) -> Result<()> {
        self.end(Signal::SIGINT)
    }

    /// Kills it, and waits until it has ended.
    pub fn kill(&self) -> Result<()> {
        let begin = Instant::now();
        while let Some(pid) = self.running() {
            signal::kill(pid, Signal::SIGKILL).with_context(|| format!("cannot kill {} (process {pid})", self.name))?;
            ensure!(begin.elapsed() < PATIENCE, "{} outlives SIGKILL", self.name);
            std::thread::sleep(Duration::from_millis(2));
        }
        paths::remove(&self.pid_file)
    }

    fn end(&self, first: Signal) -> Result<()> {
        let begin = Instant::now();
        let mut sent = None;
        while let Some(pid) = self.running() {
            let signal = if begin.elapsed() > PATIENCE { Signal::SIGKILL } else { first };
            if sent != Some(signal) {
                signal::kill(pid, signal).with_context(|| format!("cannot stop {} (process {pid})", self.name))?;
                sent = Some(signal);
            }
            std::thread::sleep(STEP);
        }
        paths::remove(&self.pid_file)?;
        if sent == Some(Signal::SIGKILL) {
            let (name, seconds, log) = (&self.name, PATIENCE.as_secs(), self.log.display());
            bail!("{name} did not stop in {seconds} s and was killed; the end of {log}:\n{}", process::tail(&self.log));
        }
        Ok(())
    }
}

/// Returns a running process's start time in the kernel's ticks since boot, or `None` if it has ended.
fn started_at(pid: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything, so the fields are counted from its end: the state is the third
    // field of the line, the start time the 22nd.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") { None } else { fields.get(19).map(|field| (*field).to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("weir-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("log")).expect("a temporary folder can be made");
        folder
    }

    #[test]
    fn a_reused_process_id_is_not_taken_for_the_daemon() {
        let folder = folder("reused");
        let daemon = Daemon::new("other", &folder);
        let own = Pid::this();
        let started = started_at(own).expect("this process runs");
        fs::write(&daemon.pid_file, format!("{own} {started}\n")).expect("the file can be written");
        assert_eq!(daemon.running(), Some(own));
        fs::write(&daemon.pid_file, format!("{own} {started}0\n")).expect("the file can be written");
        assert_eq!(daemon.running(), None);
        fs::remove_dir_all(folder).expect("the folder can be removed");
    }

    #[test]
    fn a_daemon_that_dies_is_reported_with_its_log() {
        let folder = folder("dies");
        let daemon = Daemon::new("brief", &folder);
        daemon.start(Command::new("sh").args(["-c", "echo no such setting >&2; exit 3"])).expect("sh starts");
        let error = daemon.wait(Duration::from_secs(10), || Ok(false)).expect_err("it has ended");
        assert!(error.to_string().contains("no such setting"), "{error}");
        fs::remove_dir_all(folder).expect("the folder can be removed");
    }

    #[test]
    fn a_daemon_is_stopped_and_forgotten() {
        let folder = folder("stops");
        let daemon = Daemon::new("sleeper", &folder);
        daemon.start(Command::new("sleep").arg("60")).expect("sleep starts");
        assert!(daemon.running().is_some());
        daemon.stop().expect("it can be stopped");
        assert!(daemon.running().is_none());
        assert!(!daemon.pid_file.exists());
        fs::remove_dir_all(folder).expect("the folder can be removed");
    }
}
