//! `weir run`'s end of a member: it reports to `member` what Kafka, MongoDB and the committer say, and performs what
//! the member decides.
//!
//! Invariant: the loop waits nowhere but in its one `select!`. However long the committer, a claim or a question to
//! Kafka takes, the loop polls Kafka, handles signals and everything else, and beats.

mod claim_tasks;
mod perform;
mod records;
mod start;

#[cfg(test)]
#[path = "reading_test.rs"]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use tokio::task::{JoinError, JoinHandle};

use self::claim_tasks::ClaimTasks;
use super::client::{self, Kafka};
use super::committing::{self, Ends};
use super::questions::Questions;
use crate::config::Settings;
use crate::shutdown::Shutdown;
use weir_core::clock::Clock;
use weir_core::consumer::action::Change;
use weir_core::consumer::claiming::Claiming;
use weir_core::consumer::member::{self, Member};
use weir_core::consumer::queue::BatchBounds;
use weir_core::delivery::{BATCH_BYTES, Committer};
use weir_core::event;
use weir_core::store::{GroupProgress, PartitionId, Store};
use weir_core::telemetry::Telemetry;
use weir_core::telemetry::health::{ASSIGNMENT, Health, Heartbeat, PROGRESS, RECORDS};
use weir_core::telemetry::metrics::Metrics;

/// How often the member looks at what depends on time.
const TICK: Duration = Duration::from_millis(100);
/// How long to wait before Kafka is asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// The loop counts as dead if it has not come round for that long.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How often a host looks at what others may have changed.
const LOOK: Duration = Duration::from_secs(15);
/// How many bytes of records may wait for the committer.
const QUEUE_BYTES: usize = 16 << 20;
/// How long after Kafka has refused a topic a loss of all partitions is taken for its consequence.
const CONSEQUENCE: Duration = Duration::from_secs(10);
/// How long the committer may take to end once nothing is asked of it any more.
const JOIN: Duration = Duration::from_secs(1);

/// The loop and what it owns.
pub struct Reading {
    member: Member,
    kafka: Kafka,
    questions: Questions,
    claiming: Claiming,
    claim_tasks: ClaimTasks,
    store: Store,
    ends: Ends,
    committer: JoinHandle<()>,
    /// Tells Kafka and MongoDB what the member hands over, while the member waits for it.
    handing_over: Option<JoinHandle<()>>,
    /// Asks how far the group has come.
    progress: Option<JoinHandle<Option<GroupProgress>>>,
    /// Asks where logs end.
    log_ends: Option<JoinHandle<Vec<(PartitionId, i64)>>>,
    /// Whether everything was drained, once the member wants to leave the group.
    leaving: Option<bool>,
    topic_partitions: HashMap<Arc<str>, usize>,
    give_up: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    decoding: event::Settings,
    said_without_op: bool,
    /// Why Kafka lets it read none, or not all, of its topics, since it was last assigned anything.
    not_read: Option<(Duration, String)>,
    /// The group has taken all partitions away, and has not assigned any yet.
    has_lost: bool,
    metrics: Metrics,
    health: Health,
    heartbeat: Heartbeat,
}

impl Reading {
    /// Creates a loop that has not subscribed yet.
    #[must_use]
    pub fn new(
        kafka: Kafka,
        store: Store,
        committer: Committer,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        telemetry: Telemetry,
        give_up: Arc<AtomicBool>,
    ) -> Self {
        Self::with(kafka, store, committing::start(committer), settings, clock, telemetry, give_up)
    }

    fn with(
        kafka: Kafka,
        store: Store,
        (ends, committer): (Ends, JoinHandle<()>),
        settings: &Settings,
        clock: Arc<dyn Clock>,
        telemetry: Telemetry,
        give_up: Arc<AtomicBool>,
    ) -> Self {
        let Telemetry { metrics, health } = telemetry;
        let questions = kafka.questions.clone();
        Self {
            member: Member::new(member::Settings {
                batch: BatchBounds { events: settings.processing_batch_size, bytes: BATCH_BYTES },
                queue_bytes: QUEUE_BYTES,
                shutdown_timeout: settings.shutdown_timeout,
                look_every: look_every(),
            }),
            claiming: Claiming {
                store: store.clone(),
                broker: Arc::new(questions.clone()),
                clock: Arc::clone(&clock),
                health: health.clone(),
                topics: settings.kafka_topic.clone(),
                reset: settings.kafka_auto_offset_reset,
                give_up: Arc::clone(&give_up),
            },
            claim_tasks: ClaimTasks::new(),
            kafka,
            questions,
            store,
            ends,
            committer,
            handing_over: None,
            progress: None,
            log_ends: None,
            leaving: None,
            topic_partitions: HashMap::new(),
            give_up,
            clock,
            settings: settings.clone(),
            decoding: settings.decoding(),
            said_without_op: false,
            not_read: None,
            has_lost: false,
            heartbeat: health.heartbeat("consumer", HEARTBEAT),
            metrics,
            health,
        }
    }

    /// Runs until it is asked to stop and has drained. Returns false if something had to be left behind.
    ///
    /// # Errors
    /// Fails if the committer has panicked, because nothing can be committed any more.
    pub async fn run(mut self, shutdown: &Shutdown) -> Result<bool, JoinError> {
        self.health.waiting_for(ASSIGNMENT, format!("partitions of {}", self.settings.kafka_topic));
        let mut tick = tokio::time::interval(TICK);
        let client = Arc::clone(&self.kafka.client);
        let is_clean = loop {
            tokio::select! {
                () = shutdown.wait(), if !self.member.is_stopping() => self.stop(),
                Some(change) = self.kafka.changes.recv() => self.changed(change),
                (partition, claimed) = self.claim_tasks.next() => self.member.claimed(partition, claimed),
                said = self.ends.said.recv() => match said {
                    Some(said) => self.member.said(said, self.clock.elapsed()),
                    // The committer ends before its senders are dropped only if it panicked.
                    None => break false,
                },
                () = self.ends.works.room(), if self.member.has_work() => {}
                received = client.recv(), if self.reads() => self.received(received, &client),
                Some(view) = self.kafka.views.recv() => self.viewed(&view),
                _ = finished(&mut self.handing_over) => self.member.handed_over(),
                seen = finished(&mut self.progress) => self.member.seen_progress(seen.flatten(), self.clock.elapsed()),
                ends = finished(&mut self.log_ends) => {
                    self.member.seen_log_ends(&ends.unwrap_or_default(), self.clock.elapsed());
                }
                _ = tick.tick() => self.tick(),
            }
            self.heartbeat.beat();
            self.turn();
            if let Some(is_clean) = self.leaving {
                break is_clean;
            }
        };
        drop(client);
        self.leave(is_clean).await
    }

    /// Whether records are taken from Kafka's client.
    fn reads(&self) -> bool {
        !self.member.is_full() && !self.member.is_stopping()
    }

    /// Reports everything that has come so far, so that related changes are decided together, and performs what
    /// follows.
    fn turn(&mut self) {
        while let Ok(change) = self.kafka.changes.try_recv() {
            self.changed(change);
        }
        while let Some((partition, claimed)) = self.claim_tasks.try_next() {
            self.member.claimed(partition, claimed);
        }
        self.member.turn(self.clock.elapsed());
        while let Some(action) = self.member.next_action() {
            self.perform(action);
        }
        self.ends.works.hand_on(&mut self.member);
    }

    fn changed(&mut self, change: Change) {
        match &change {
            Change::Assigned(partitions) => {
                tracing::info!(partitions = numbers(partitions), "partitions_assigned");
                self.not_read = None;
                self.has_lost = false;
                // Other hosts read the partitions.
                if partitions.is_empty() {
                    self.health.found(ASSIGNMENT);
                }
            }
            Change::Revoked(partitions) => tracing::info!(partitions = numbers(partitions), "partitions_revoked"),
            Change::Lost(partitions) => {
                tracing::warn!(partitions = numbers(partitions), "partitions_lost");
                self.has_lost = true;
                let now = self.clock.elapsed();
                let just_said = self.not_read.take().filter(|(at, _)| now.saturating_sub(*at) < CONSEQUENCE);
                let why = just_said
                    .map_or_else(|| "the group took this host for dead; it joins again".to_owned(), |(_, why)| why);
                self.health.waiting_for(ASSIGNMENT, why);
            }
        }
        self.member.changed(change);
    }

    fn tick(&mut self) {
        let now = self.clock.elapsed();
        self.member.tick(now);
        for (partition, lag) in self.member.partitions().lags() {
            self.metrics.lag(&partition.topic, partition.partition, lag);
        }
        self.metrics.oldest_uncommitted(self.member.partitions().oldest_created_at_ms());
        match self.member.stalled(now) {
            Some(still) => {
                let why = format!("no progress for {} s or more while there is lag", still.as_secs() / 30 * 30);
                self.health.waiting_for(PROGRESS, why);
            }
            None => self.health.found(PROGRESS),
        }
        match self.kafka.client.context().connection.unreadable() {
            Some(why) => self.health.waiting_for(RECORDS, why),
            None => self.health.found(RECORDS),
        }
    }

    fn stop(&mut self) {
        // From here on, the member's own time limits bound the stop, and probes should not end it earlier.
        self.heartbeat.clone().end();
        self.health.draining();
        tracing::info!("draining");
        self.claim_tasks = ClaimTasks::new();
        self.member.stop(self.clock.elapsed());
    }

    /// Leaves the group. Every step has a time limit, whatever the committer does.
    async fn leave(self, is_clean: bool) -> Result<bool, JoinError> {
        let Self { kafka, ends, committer, .. } = self;
        drop(ends);
        let (ended, ()) = tokio::join!(tokio::time::timeout(JOIN, committer), client::close(kafka.client));
        // A committer that still waits for MongoDB ends with the process. The next claim ends its session.
        ended.map_or(Ok(false), |ended| ended.map(|()| is_clean))
    }
}

/// How often a host looks at what others may have changed: the group's progress and the handlers' collections. Proofs
/// have less time than people.
#[must_use]
pub fn look_every() -> Duration {
    #[cfg(feature = "proofs")]
    if let Some(ms) = std::env::var("WEIR_IDLE_MS").ok().and_then(|ms| ms.parse().ok()) {
        return Duration::from_millis(ms);
    }
    LOOK
}

/// Waits for a task to end, forever if there is none. Returns none if it panicked.
async fn finished<T>(task: &mut Option<JoinHandle<T>>) -> Option<T> {
    match task {
        Some(running) => {
            let ended = running.await.ok();
            *task = None;
            ended
        }
        None => std::future::pending().await,
    }
}

fn numbers(partitions: &[PartitionId]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
