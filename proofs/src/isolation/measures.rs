//! How fast the six work through a backlog, how soon their documents are there at a rate, and how soon a good version
//! has caught up.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bson::{Bson, DateTime, Document, doc};
use rig::clients::{World, find};
use rig::instance::PARTITIONS;
use rig::weir::Weir;
use rig::{clock, interrupt, process};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scene::{HANDLER, Handlers, Last, Records, Scene};

const STEP: Duration = Duration::from_millis(20);
/// How long a host may take to claim all partitions.
const CLAIMS: Duration = Duration::from_mins(1);
/// How long a run without the handler that misbehaves may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long a good version may take before the proof gives up on it.
const GIVES_UP: Duration = Duration::from_mins(5);
/// Seconds at the beginning that do not count, and that the proof waits for the last documents.
const SKIPPED_S: u32 = 10;
const WAITED_S: u32 = 30;
/// Why dead deliveries are tried again.
const WHY: &str = "a good version runs";

/// The work on a backlog.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Work {
    /// Records that are accounted for.
    events: i64,
    seconds: f64,
    /// Whether that was all of them. If not, the time was up.
    finished: bool,
    /// How often the handler that misbehaves has run.
    ran: f64,
}

impl Work {
    /// Returns records per second.
    #[allow(clippy::cast_precision_loss, reason = "counts of this size are exact in a double")]
    pub(super) fn rate(&self) -> f64 {
        self.events as f64 / self.seconds.max(1e-6)
    }

    /// Returns how long it took.
    pub(super) fn took(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// The time from a record to its document.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Pace {
    timed: u64,
    /// How many had no document when the wait for the last of them was over. They count with that time.
    missing: u64,
    p50_ms: f64,
    pub(super) p99_ms: f64,
    most_ms: f64,
}

/// How a good version took the place of the bad one.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Replaced {
    /// From its start until every event of its handler has taken effect, or none if some never did.
    pub(super) seconds: Option<f64>,
    /// Dead deliveries that somebody had to ask for.
    asked: u64,
}

/// How far a group is.
struct State {
    claimed: usize,
    next: i64,
}

impl Scene<'_> {
    /// Lets a host work through a backlog from the moment at which it has claimed every partition. If it takes longer
    /// than `limit`, it is measured up to there. The host is stopped.
    pub(super) fn work(
        &self,
        site: &World,
        handlers: Handlers,
        records: &Records,
        limit: Option<Duration>,
    ) -> Result<Work> {
        let weir = self.start(site, handlers, false)?;
        let started = Instant::now();
        let first = loop {
            let state = self.state(site)?;
            if state.claimed == usize::from(PARTITIONS) {
                break state.next;
            }
            weir.alive()?;
            ensure!(started.elapsed() < CLAIMS, "a host has claimed {} partitions", state.claimed);
            interrupt::sleep(STEP)?;
        };
        let begun = Instant::now();
        let work = loop {
            let next = self.state(site)?.next;
            let finished = next >= records.events && self.complete(site, records)?;
            let seconds = begun.elapsed().as_secs_f64();
            if finished || begun.elapsed() >= limit.unwrap_or(PATIENCE) {
                break Work { events: next - first, seconds, finished, ran: ran(&weir)? };
            }
            weir.alive()?;
            interrupt::sleep(STEP)?;
        };
        if !work.finished && limit.is_none() {
            bail!("{} of {} records after {:.0} s", work.events, records.events, work.seconds);
        }
        ensure!(matches!(handlers, Handlers::Six) || work.ran > 0.0, "the handler that misbehaves has not run");
        weir.stop()?;
        Ok(work)
    }

    /// Lets the bad version run for a while, and returns how often it has run.
    pub(super) fn misbehave(&self, site: &World, time: Duration) -> Result<f64> {
        let weir = self.start(site, Handlers::Bad, true)?;
        interrupt::sleep(time)?;
        let ran = ran(&weir)?;
        weir.stop()?;
        Ok(ran)
    }

    /// Sends records at a rate to a host that has nothing else to do, and times them. The host is stopped.
    pub(super) fn pace(&self, site: &World, handlers: Handlers, records: &Records, rate: u32) -> Result<Pace> {
        let weir = self.start(site, handlers, true)?;
        let there = &site.pipeline;
        let settings = json!({
            "file": records.file, "rate": rate, "kafka": there.kafka, "topic": there.topic, "mongodb": there.mongodb,
            "data": there.data, "skip_s": SKIPPED_S, "patience_s": WAITED_S,
        });
        let said = self.script("pace.py", &settings)?;
        weir.alive()?;
        weir.stop()?;
        serde_json::from_value(said).context("pace.py gave another form")
    }

    /// Starts the good version in place of the bad one, asks for the dead deliveries, and waits until every event of the
    /// handler has taken effect. The host is stopped.
    pub(super) fn replace(&self, site: &World, records: &Records) -> Result<Replaced> {
        let begun = Instant::now();
        let weir = self.start(site, Handlers::Good, true)?;
        let asked = self.ask_for_the_dead(site)?;
        let mut seconds = None;
        while seconds.is_none() && begun.elapsed() < GIVES_UP {
            weir.alive()?;
            interrupt::sleep(STEP)?;
            if self.tallied(site)? >= records.tallies()
                && self.state(site)?.next >= records.events
                && self.run.block(site.own("parked").find_one(doc! {}))?.is_none()
            {
                seconds = Some(begun.elapsed().as_secs_f64());
            }
        }
        weir.stop()?;
        Ok(Replaced { seconds, asked })
    }

    /// Has all dead deliveries tried again, and returns how many there are. The first is asked for as a person does it,
    /// who can name only one at a time. A process for each of the others would take longer than what is measured.
    fn ask_for_the_dead(&self, site: &World) -> Result<u64> {
        let parked = site.own("parked");
        let Some(first) = self.run.block(parked.find_one(doc! { "state": "dead" }))? else { return Ok(0) };
        let mut command = self.command(site, &["failures", "retry", first.get_str("key")?, "--why", WHY]);
        process::output(&mut command, "a request for a retry")?;
        let at = DateTime::from_millis(i64::try_from(clock::now_ms())?);
        let request = doc! { "action": "retry", "at": at, "by": "prove", "why": WHY };
        let others = doc! { "state": "dead", "request": { "$exists": false } };
        let asked = self.run.block(parked.update_many(others, doc! { "$set": { "request": request } }))?;
        Ok(1 + asked.matched_count)
    }

    fn state(&self, site: &World) -> Result<State> {
        let found = self.run.block(find(&site.own("progress"), doc! {}))?;
        let claimed = found.iter().filter(|each| each.get_str("owner").is_ok()).count();
        Ok(State { claimed, next: found.iter().filter_map(|each| each.get_i64("next").ok()).sum() })
    }

    /// Returns whether the six have handled everything: each partition's last event shows in its document, all users are
    /// counted, and no delivery was put off.
    fn complete(&self, site: &World, records: &Records) -> Result<bool> {
        for Last { aggregate_type, aggregate_id, event_id } in records.last() {
            let collection = if aggregate_type == "User" { "users" } else { "activities" };
            let is_its = ["metadata.last_event_id", "metadata.source_event_id"].map(|name| doc! { name: event_id });
            let shown = doc! { "_id": aggregate_id, "$or": is_its.to_vec() };
            if self.run.block(site.data(collection).find_one(shown))?.is_none() {
                return Ok(false);
            }
        }
        let counted = doc! { "_id": "global_stats", "total_users": records.users() };
        let others = doc! { "handler.name": { "$ne": HANDLER } };
        Ok(self.run.block(site.data("statistics").find_one(counted))?.is_some()
            && self.run.block(site.own("parked").find_one(others))?.is_none())
    }

    /// Returns how many events of the handler have taken effect.
    fn tallied(&self, site: &World) -> Result<i64> {
        let all: Vec<Document> = self.run.block(find(&site.data("tallies"), doc! {}))?;
        let count = |each: &Document| match each.get("n") {
            Some(Bson::Int32(count)) => i64::from(*count),
            Some(Bson::Int64(count)) => *count,
            _ => 0,
        };
        Ok(all.iter().map(count).sum())
    }
}

/// Returns how often the handler that misbehaves has run.
fn ran(weir: &Weir) -> Result<f64> {
    Ok(weir.metrics("weir_delivery_seconds_count")?.get(HANDLER).copied().unwrap_or(0.0))
}
