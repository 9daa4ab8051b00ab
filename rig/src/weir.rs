//! A `weir run` of this build against an instance, and what it reports about itself over HTTP.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use serde::Deserialize;

use crate::instance::{Daemon, Instance, ports};
use crate::pipeline::Pipeline;
use crate::progress::Progress;
use crate::{interrupt, paths, process};

const READY: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(200);

/// The answer of `/v1/stats`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Events that are accounted for.
    pub total_processed: u64,
    /// Deliveries that failed.
    pub total_errors: u64,
    /// Records that are not accounted for.
    pub lag: i64,
    /// Events per second.
    pub rate_per_second: f64,
    /// How late the events are.
    pub latency_ms: Latency,
    /// Deliveries by handler and outcome.
    pub handlers: BTreeMap<String, BTreeMap<String, u64>>,
}

/// The time from the row's `created_at` to the commit.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// The median.
    pub p50: Option<f64>,
    /// The time that one of a hundred exceeds.
    pub p99: Option<f64>,
}

impl Stats {
    /// Returns a line for people, and one per handler.
    pub fn lines(&self, inserted: u64) -> Vec<String> {
        let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
        let line = format!(
            "inserted {inserted}, processed {}, {:.0}/s, lag {}, p50 {} ms, p99 {} ms, failed {}",
            self.total_processed,
            self.rate_per_second,
            self.lag,
            ms(self.latency_ms.p50),
            ms(self.latency_ms.p99),
            self.total_errors,
        );
        std::iter::once(line).chain(self.by_handler()).collect()
    }

    /// Returns the outcomes of each handler's deliveries.
    pub fn by_handler(&self) -> impl Iterator<Item = String> {
        self.handlers.iter().map(|(name, counts)| {
            let counts: Vec<String> = counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
            format!("  {name:<24} {}", counts.join(", "))
        })
    }
}

/// A running host. Dropping it kills the host.
pub struct Weir {
    daemon: Daemon,
    admin: String,
    agent: ureq::Agent,
}

impl Weir {
    /// Starts a host of a pipeline with a folder of handlers, and waits until it is ready.
    pub fn start(instance: &Instance, pipeline: &Pipeline, handlers: &Path) -> Result<Self> {
        let mut command = pipeline.command(&paths::weir(), handlers);
        let weir = Self::launch(instance.daemon(&format!("weir-{}", pipeline.name)), ports::more(1)?[0], &mut command)?;
        weir.ready(READY)?;
        Ok(weir)
    }

    /// Starts a host with a name and port of its own, and does not wait for it.
    pub fn launch(daemon: Daemon, port: u16, command: &mut Command) -> Result<Self> {
        Self::launch_by(Daemon::start, daemon, port, command)
    }

    /// The same, but nothing reads its output.
    pub fn launch_unread(daemon: Daemon, port: u16, command: &mut Command) -> Result<Self> {
        Self::launch_by(Daemon::start_unread, daemon, port, command)
    }

    fn launch_by(
        start: impl FnOnce(&Daemon, &mut Command) -> Result<()>,
        daemon: Daemon,
        port: u16,
        command: &mut Command,
    ) -> Result<Self> {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .new_agent();
        let weir = Self { daemon, admin: format!("http://127.0.0.1:{port}"), agent };
        start(&weir.daemon, command.env("ADMIN_LISTEN", format!("127.0.0.1:{port}")))?;
        Ok(weir)
    }

    /// Waits until `/readyz` answers 200.
    pub fn ready(&self, limit: Duration) -> Result<()> {
        self.daemon.wait(limit, || Ok(self.get("/readyz").is_ok_and(|(status, _)| status == 200)))
    }

    /// Returns the status and body of what it serves at a path.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut answer = self.agent.get(format!("{}{path}", self.admin)).call()?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
    }

    /// Returns the body of `/readyz`, whatever its status.
    pub fn readiness(&self) -> Result<String> {
        self.get("/readyz").map(|(_, body)| body)
    }

    /// Returns how it ended, or `None` while it runs.
    pub fn ended(&self) -> Option<WaitStatus> {
        self.daemon.ended()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.daemon.signal(signal)
    }

    /// Returns its statistics.
    pub fn stats(&self) -> Result<Stats> {
        self.alive()?;
        let (status, text) = self.get("/v1/stats").context("weir does not answer")?;
        serde_json::from_str(&text).with_context(|| format!("/v1/stats gave {status}: {text}"))
    }

    /// Waits until that many events are accounted for and nothing is left in Kafka. Fails if nothing moves for
    /// `patience`.
    pub fn settled(&self, events: u64, patience: Duration, progress: &mut Progress) -> Result<Stats> {
        let mut moved = (Instant::now(), 0);
        loop {
            let stats = self.stats()?;
            progress.show(&stats.lines(events));
            if stats.total_processed >= events && stats.lag == 0 {
                progress.done();
                return Ok(stats);
            }
            if stats.total_processed != moved.1 {
                moved = (Instant::now(), stats.total_processed);
            } else if moved.0.elapsed() > patience {
                progress.done();
                bail!(
                    "nothing has moved for {} s: {} of {events} events processed, lag {}; the end of {}:\n{}",
                    patience.as_secs(),
                    stats.total_processed,
                    stats.lag,
                    self.log().display(),
                    process::tail(&self.log())
                );
            }
            interrupt::sleep(POLL)?;
        }
    }

    /// Fails with the end of the log if it has ended.
    pub fn alive(&self) -> Result<()> {
        self.daemon.wait(Duration::ZERO, || Ok(true))
    }

    /// Kills it with SIGKILL, and waits for its end.
    pub fn kill(&self) -> Result<()> {
        self.daemon.kill()
    }

    /// Stops it as an operator would. Fails if it does not drain in time.
    pub fn stop(self) -> Result<()> {
        self.daemon.stop()
    }

    /// Returns its resident memory in bytes.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// Returns the peak of its resident memory in bytes since its start or since [`Self::forget_peak`]. The kernel
    /// keeps the peak, so no moment is missed.
    pub fn peak_bytes(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// Resets the peak to what it holds now.
    pub fn forget_peak(&self) -> Result<()> {
        const PEAK: &str = "5";
        let pid = self.daemon.running().context("weir has ended")?;
        fs::write(format!("/proc/{pid}/clear_refs"), PEAK).context("the kernel does not let its peak begin anew")
    }

    fn memory(&self, row: &str) -> Result<u64> {
        let pid = self.daemon.running().context("weir has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let value = status.lines().find_map(|line| line.strip_prefix(row));
        let value = value.with_context(|| format!("the kernel gives no {row}"))?;
        let kib: u64 = value.trim().trim_end_matches("kB").trim().parse().with_context(|| format!("{row}{value}"))?;
        Ok(kib * 1024)
    }

    /// Returns the values of the metrics whose name contains `name`, summed by their label `handler`.
    pub fn metrics(&self, name: &str) -> Result<BTreeMap<String, f64>> {
        let (_, text) = self.get("/metrics")?;
        let value = |line: &str| -> Option<(String, f64)> {
            let (series, value) = line.rsplit_once(' ')?;
            let handler = series.split_once("handler=\"")?.1.split_once('"')?.0;
            Some((handler.to_owned(), value.parse().ok()?))
        };
        let mut sums = BTreeMap::new();
        for (handler, value) in
            text.lines().filter(|line| !line.starts_with('#') && line.contains(name)).filter_map(value)
        {
            *sums.entry(handler).or_default() += value;
        }
        Ok(sums)
    }

    /// Returns the address of its HTTP pages.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Returns the path of its log.
    pub fn log(&self) -> PathBuf {
        self.daemon.log.clone()
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        // The process may be stopped and not receive SIGTERM. If it has already ended, this does nothing.
        if let Err(error) = self.daemon.kill() {
            eprintln!("{error:#}");
        }
    }
}
