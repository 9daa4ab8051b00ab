//! A flame graph of a host, drawn with Linux's perf.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::cache::Parts;
use crate::instance::Instance;
use crate::{process, python};

/// A recording in progress.
pub struct Profiling {
    perf: Child,
    recording: PathBuf,
    svg: PathBuf,
}

/// Fails with the reason if this machine cannot profile.
pub fn check() -> Result<()> {
    let mut perf = Command::new("perf");
    perf.args(["record", "-q", "-F", "99", "-e", "cpu-clock", "-o", "/dev/null", "--", "true"]);
    process::output(&mut perf, "a profile (perf, and a kernel that lets it see processes: linux-perf as root)")
        .map(|_| ())
}

/// Records the host of that name until [`Profiling::finish`].
pub(crate) fn start(instance: &Instance, name: &str, svg: &Path) -> Result<Profiling> {
    let daemon = instance.daemon(name);
    let pid = daemon.running().with_context(|| format!("{name} does not run"))?;
    let recording = instance.path("perf.data");
    // Stacks are unwound afterwards with the tables that every build has, so no special build is needed.
    let perf = Command::new("perf")
        .args(["record", "-q", "-F", "197", "-e", "cpu-clock", "--call-graph", "dwarf,16384", "-o"])
        .arg(&recording)
        .args(["-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start perf")?;
    Ok(Profiling { perf, recording, svg: svg.to_owned() })
}

impl Profiling {
    /// Ends the recording and draws it. A JSON file beside the drawing lists what cost most.
    pub(crate) fn finish(mut self, parts: &Parts) -> Result<()> {
        signal::kill(Pid::from_raw(i32::try_from(self.perf.id())?), Signal::SIGINT)?;
        // perf ends with the signal's status once it has written everything.
        self.perf.wait()?;
        thread::sleep(Duration::from_millis(100));
        let text = self.recording.with_extension("txt");
        let file = std::fs::File::create(&text)?;
        let mut script = Command::new("perf");
        script.args(["script", "--no-inline", "-F", "comm,tid,ip,sym", "-i"]).arg(&self.recording).stdout(file);
        let read = script.stderr(Stdio::piped()).spawn()?.wait_with_output()?;
        if !read.status.success() {
            bail!("perf cannot read what it has recorded: {}", String::from_utf8_lossy(&read.stderr).trim());
        }
        let svg = self.svg.to_string_lossy().into_owned();
        let said = python::run(parts, "flame.py", &[&text.to_string_lossy(), &svg, "weir with one host"])?;
        std::fs::write(self.svg.with_extension("json"), said)?;
        println!("  the flame graph is {svg}");
        Ok(())
    }
}
