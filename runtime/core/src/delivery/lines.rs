//! What is parked of each line, and the lanes that work it off. Pure.
//!
//! The group's committer judges every record. It parks what fails and what waits behind that, and never tries it again.
//! The lane of its line does, in a task of its own, so whatever is parked delays no record.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select;

use super::away::{self, Away, PATIENCE};
use super::batch::Batch;
use super::committer::{Committer, CommitterSettings};
use super::context::{Context, GivenUp, PAUSE};
use super::decoder::Decoder;
use super::entry::Entry;
use super::faults::Faults;
use super::handlers::Handlers;
use super::in_flight::Heads;
use super::lane::{Lane, Lanes};
use super::passage::Passage;
use super::retries::{ASK, Busy, Retries};
use super::stops::{Cause, Change, News, Stops, Turn};
use crate::failpoint;
use crate::seeded::{self, Bug};
use crate::store::{Error, Held, PartitionId, Sequence};
use crate::telemetry::health::MONGODB;

/// The longest pause of a lane while others wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the group's committer and the lanes of its process share.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) context: Arc<Context>,
    pub(super) faults: Arc<Faults>,
    pub(super) handlers: Arc<dyn Handlers>,
    pub(super) passage: Passage,
    decoder: Arc<dyn Decoder>,
    settings: CommitterSettings,
    lanes: Arc<dyn Lanes>,
    /// What somebody asks for about records that no handler received. The group's committer does it.
    pub(super) without_line: Arc<Retries>,
    known: Mutex<Known>,
    away: Mutex<Away>,
    stops: Mutex<Stops>,
    /// How long the group's committer waits for a delivery. None if there is no other line that waits.
    patience: Option<Duration>,
    /// The group's committer has records to commit.
    is_busy: AtomicBool,
    /// A lane has panicked, after which nothing of its line would go on.
    is_broken: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    by_line: BTreeMap<i32, Arc<Lane>>,
    /// The partitions of the group's committer, with the epochs of its claims.
    owned: BTreeMap<PartitionId, i64>,
    /// Those that will be given back.
    resting: BTreeSet<PartitionId>,
    /// MongoDB's clock, and when it was heard.
    heard: Option<(i64, Duration)>,
    asked: Option<Duration>,
    /// Before this time, MongoDB is not asked again, because it did not answer.
    not_before: Duration,
}

impl Lines {
    pub(super) fn new(
        context: Arc<Context>,
        (handlers, decoder): (Arc<dyn Handlers>, Arc<dyn Decoder>),
        settings: &CommitterSettings,
        lanes: Arc<dyn Lanes>,
    ) -> Self {
        let retries = Retries::new(Arc::clone(&context), Arc::clone(&handlers), Arc::clone(&decoder));
        Self {
            faults: Arc::new(Faults::new(Arc::clone(&context))),
            passage: Passage::default(),
            without_line: Arc::new(retries),
            known: Mutex::default(),
            away: Mutex::default(),
            stops: Mutex::default(),
            patience: (!handlers.routes().is_one_line()).then(|| failpoint::patience().unwrap_or(PATIENCE)),
            is_busy: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            context,
            handlers,
            decoder,
            settings: settings.clone(),
            lanes,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Lane>> {
        self.known().by_line.values().cloned().collect()
    }

    /// Reads what is held in a partition that the group's committer has just claimed. Must be called before a record of
    /// it is judged.
    pub(super) async fn own(self: &Arc<Self>, partition: &PartitionId, epoch: i64) -> Result<(), GivenUp> {
        self.forget(partition);
        let heads = loop {
            if seeded::on(Bug::HeldNotRead) {
                break Vec::new();
            }
            match self.heads(partition, epoch).await {
                Ok(heads) => break heads,
                Err(error) => self.context.wait(PAUSE, &error.to_string()).await?,
            }
        };
        for head in &heads {
            if let Some((line, _)) = head.in_line() {
                self.lane(line).retries.found(partition, head);
            }
        }
        self.known().owned.insert(partition.clone(), epoch);
        for lane in self.all() {
            lane.own(partition, epoch);
            lane.wake();
        }
        Ok(())
    }

    /// Ends what an earlier owner's lanes may still do, and reads what is held then and what is stopped.
    async fn heads(&self, partition: &PartitionId, epoch: i64) -> Result<Vec<Held>, Error> {
        self.context.store.end_lanes(partition, epoch).await?;
        self.hear_stops().await?;
        self.context.store.heads(partition).await
    }

    /// Forgets a partition, because it was given back or its claim was lost.
    pub(super) fn forget(&self, partition: &PartitionId) {
        {
            let mut known = self.known();
            known.owned.remove(partition);
            known.resting.remove(partition);
        }
        self.without_line.forget(partition);
        for lane in self.all() {
            lane.disown(partition);
        }
    }

    /// Has the lanes end their work on partitions, because they will be given back. Their records are still judged by
    /// what is held.
    pub(super) fn rest(&self, partitions: &[PartitionId]) {
        self.known().resting.extend(partitions.iter().cloned());
        self.without_line.rest(partitions);
        for lane in self.all() {
            lane.rest(partitions);
        }
    }

    /// Whether the lanes have done that.
    pub(super) fn have_rested(&self, partitions: &[PartitionId]) -> bool {
        self.all().iter().all(|lane| lane.has_rested(partitions))
    }

    /// Whether anything is held, or any line is away or stopped.
    pub(super) fn hold_any(&self) -> bool {
        self.all().iter().any(|lane| lane.retries.any()) || !self.away().is_empty() || !self.stops().is_empty()
    }

    /// Whether the sequence of a line is held, or the line is away or stopped.
    pub(super) fn hold(&self, line: i32, sequence: Sequence) -> bool {
        self.known().by_line.get(&line).is_some_and(|lane| lane.retries.holds(sequence))
            || self.away().has(line)
            || self.stops().has(line)
    }

    fn stops(&self) -> MutexGuard<'_, Stops> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the lane of a line may try.
    pub(super) fn turn(&self, line: i32) -> Turn {
        self.stops().turn(line, self.context.clock.elapsed())
    }

    /// Notes that the lane of a line has taken the one delivery that it may try.
    pub(super) fn tries(&self, line: i32) {
        self.stops().tries(line, self.context.clock.elapsed());
    }

    /// Returns how many deliveries of a handler have failed in a row.
    pub(super) fn in_a_row(&self, handler: i32) -> u32 {
        self.stops().in_a_row(handler)
    }

    /// Tells MongoDB which handlers have tripped or recovered, and takes over what somebody or another host has done.
    async fn hear_stops(&self) -> Result<(), Error> {
        let news = self.stops().take_news();
        for (told, one) in news.iter().enumerate() {
            let written = match one {
                News::Tripped(handler, trip) => self.context.store.trip(*handler, trip).await,
                News::Recovered(handler, version) => self.context.store.recovered(*handler, version).await,
            };
            if let Err(error) = written {
                self.stops().put_back(news[told..].to_vec());
                return Err(error);
            }
        }
        let found = self.context.store.stops().await?;
        let changes = self.stops().hear(&found, self.handlers.routes(), self.context.clock.elapsed());
        for change in changes {
            self.stop_changed(change);
        }
        Ok(())
    }

    /// Says that a handler is stopped or goes on.
    fn stop_changed(&self, (handler, cause, stands): Change) {
        let Some(handler) = self.handlers.routes().all().find(|known| known.id == handler) else { return };
        let (line, handler) = (handler.line, &*handler.name);
        match (cause, stands) {
            (Cause::Paused, true) => tracing::warn!(line, handler, "handler_paused"),
            (Cause::Paused, false) => tracing::info!(line, handler, "handler_resumed"),
            (Cause::Tripped, true) => {
                let hint = "its events wait in parked; another version runs at once, `weir handlers reset` lets this one go on, \
                            and Weir tries one delivery from time to time";
                tracing::error!(line, handler, hint, "handler_tripped");
            }
            (Cause::Tripped, false) => tracing::info!(line, handler, "handler_goes_on"),
        }
        self.context.metrics.handler_stopped(handler, cause.as_str(), stands);
        if let Some(lane) = self.known().by_line.get(&line) {
            lane.wake();
        }
    }

    fn away(&self) -> MutexGuard<'_, Away> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the group's committer wait no longer for the handlers of a line.
    pub(super) fn send_away(&self, line: i32, cause: away::Cause) {
        if self.away().send(line, self.context.clock.elapsed()) {
            let hint = "their events wait in parked and are handled in their order, so nobody else waits for them";
            let cause = cause.as_str();
            let handlers = self.handlers.routes().of_line(line).join(", ");
            tracing::warn!(line, handlers, cause, hint, "line_sent_away");
            self.show_away(line, true);
        }
    }

    /// Returns how long the group's committer waits for a delivery. None if there is no other line that waits.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.patience
    }

    /// Notes how long a delivery of the group's committer has taken.
    pub(super) fn took(&self, line: i32, took: Duration) {
        self.away().took(line, took);
    }

    /// Notes how long a delivery has run in a lane.
    pub(super) fn ran_away(&self, line: i32, took: Duration) {
        self.away().ran_away(line, took, self.context.clock.elapsed());
    }

    /// Notes whether the group's committer has records to commit.
    pub(super) fn is_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Relaxed);
        self.away().is_busy(is_busy, self.context.clock.elapsed());
    }

    /// Returns how long a lane pauses after its handlers have computed for this long, so that it takes no more than a
    /// quarter of a processor while others wait.
    pub(super) fn pause_after(&self, computed: Duration) -> Duration {
        if self.is_busy.load(Ordering::Relaxed) { (computed * 3).min(LONGEST_PAUSE) } else { Duration::ZERO }
    }

    /// Sends away what takes too large a share, and brings back what has caught up.
    pub(super) fn weigh(&self) {
        let now = self.context.clock.elapsed();
        let expensive = self.away().expensive(now);
        if let Some(line) = expensive {
            self.send_away(line, away::Cause::Expensive);
        }
        if self.away().is_empty() {
            return;
        }
        let lanes = self.known().by_line.clone();
        let has_caught_up = |line: i32| lanes.get(&line).is_none_or(|lane| lane.retries.has_caught_up());
        let back = self.away().bring_back(now, has_caught_up);
        for line in back {
            let handlers = self.handlers.routes().of_line(line).join(", ");
            tracing::info!(line, handlers, "line_came_back");
            self.show_away(line, false);
        }
    }

    fn show_away(&self, line: i32, is_away: bool) {
        for handler in self.handlers.routes().of_line(line) {
            self.context.metrics.handler_away(&handler, is_away);
        }
    }

    /// Notes what a batch has parked, released or failed again, and how its deliveries ended. It is committed.
    pub(super) fn committed(self: &Arc<Self>, batch: &Batch) {
        let now = (self.context.clock.elapsed(), self.context.clock.now_ms());
        let changes: Vec<Change> = {
            let mut stops = self.stops();
            batch.runs().filter_map(|(handler, failure)| stops.ended(handler, failure, now)).collect()
        };
        for change in changes {
            self.stop_changed(change);
        }
        for (line, partition, sequence, goes) in batch.goes_on() {
            let lane = self.lane(line);
            // A lane may commit after the partition was given up. Its next owner reads what is held.
            if self.known().owned.contains_key(&partition) {
                lane.retries.note(&partition, sequence, goes);
                lane.wake();
            }
        }
    }

    /// Returns MongoDB's clock as far as this process can tell, in milliseconds since 1970, if it has been heard.
    pub(super) fn now_ms(&self) -> Option<i64> {
        let (at_ms, heard) = self.known().heard?;
        let since = self.context.clock.elapsed().saturating_sub(heard);
        Some(at_ms.saturating_add(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Looks from time to time for what somebody has asked for. While no records come, nothing else asks MongoDB.
    pub(super) async fn hear(self: &Arc<Self>) {
        let elapsed = self.context.clock.elapsed();
        {
            let mut known = self.known();
            let is_due = known.asked.is_none_or(|asked| elapsed.saturating_sub(asked) >= ASK);
            if !is_due || elapsed < known.not_before {
                return;
            }
            known.asked = Some(elapsed);
        }
        if let Err(error) = self.try_hear().await {
            tracing::debug!(%error, "requests_not_read");
            self.context.health.waiting_for(MONGODB, error.to_string());
            let mut known = self.known();
            known.not_before = self.context.clock.elapsed() + PAUSE;
            known.asked = None;
        }
    }

    async fn try_hear(self: &Arc<Self>) -> Result<(), Error> {
        let (requests, now_ms) = self.context.store.requested().await?;
        self.hear_stops().await?;
        self.context.health.found(MONGODB);
        let heard = now_ms.map(|now_ms| (now_ms, self.context.clock.elapsed()));
        let mut by_line: BTreeMap<Option<i32>, Vec<Held>> = BTreeMap::new();
        {
            let mut known = self.known();
            known.heard = heard.or(known.heard);
            for held in requests {
                if known.owned.contains_key(&held.partition()) {
                    by_line.entry(held.in_line().map(|(line, _)| line)).or_default().push(held);
                }
            }
        }
        for line in by_line.keys().copied().flatten() {
            self.lane(line);
        }
        self.without_line.ask(by_line.remove(&None).unwrap_or_default());
        for lane in self.all() {
            lane.retries.hear(heard);
            let requests = by_line.remove(&Some(lane.line)).unwrap_or_default();
            let any = !requests.is_empty();
            lane.retries.ask(requests);
            if any {
                lane.wake();
            }
        }
        Ok(())
    }

    /// Returns what the group's committer itself is to try now, and looks for what somebody has asked for.
    pub(super) async fn due(self: &Arc<Self>, claims: &Heads, busy: &Busy, most: usize) -> Vec<Entry> {
        self.hear().await;
        self.without_line.due(claims, busy, most, Turn::All).await
    }

    /// Returns the lane of a line, which is started if it does not run yet.
    fn lane(self: &Arc<Self>, number: i32) -> Arc<Lane> {
        if let Some(lane) = self.known().by_line.get(&number) {
            return Arc::clone(lane);
        }
        let context = Arc::new(self.context.of_line(number));
        let (handlers, decoder) = (Arc::clone(&self.handlers), Arc::clone(&self.decoder));
        let lane = Arc::new(Lane::new(number, Retries::new(Arc::clone(&context), handlers, decoder)));
        {
            let mut known = self.known();
            lane.retries.hear(known.heard);
            for (partition, epoch) in &known.owned {
                lane.own(partition, *epoch);
            }
            lane.rest(&known.resting.iter().cloned().collect::<Vec<_>>());
            known.by_line.insert(number, Arc::clone(&lane));
        }
        tracing::debug!(line = number, "lane_started");
        self.lanes.start(Box::pin(Arc::clone(self).run(Arc::clone(&lane), context)));
        lane
    }

    /// Runs a lane until it is ended.
    async fn run(self: Arc<Self>, lane: Arc<Lane>, context: Arc<Context>) {
        let _panics = Panics(Arc::clone(&self));
        let session = loop {
            match context.store.session().await {
                Ok(session) => break session,
                // Without it, nothing of the line goes on, so it is opened whatever is to be given up.
                Err(error) => {
                    context.health.waiting_for(MONGODB, error.to_string());
                    context.clock.sleep(PAUSE).await;
                }
            }
        };
        let committer =
            Committer::of_lane(Arc::clone(&self), (Arc::clone(&lane), Arc::clone(&context)), session, &self.settings);
        let committing = pin!(committer.run(&*lane));
        let keeping = pin!(lane.keep(&context, &self.context.store));
        select(committing, keeping).await;
    }

    /// Ends the lanes.
    pub(super) fn end(&self) {
        for lane in self.all() {
            lane.end();
        }
    }

    /// Fails as a lane has failed.
    ///
    /// # Panics
    /// If a lane has panicked.
    pub(super) fn check(&self) {
        assert!(!self.is_broken.load(Ordering::Relaxed), "a lane has panicked");
    }
}

/// Notes that a lane panics.
struct Panics(Arc<Lines>);

impl Drop for Panics {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.is_broken.store(true, Ordering::Relaxed);
        }
    }
}
