//! The loop: records in, batches to the committer, offsets to Kafka. What it does with a partition is decided by
//! `partitions`.
//!
//! Invariant: nothing in the loop waits, except in its one `select!`. Whatever the committer, a claim or a question to Kafka
//! takes, the loop hears Kafka, signals and all the others, and beats.

mod assignment;
mod claims;
mod give_back;
mod idle;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::FutureExt as _;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use tokio::task::{JoinError, JoinHandle};

use self::claims::Claims;
use super::claiming::{Claiming, First};
use super::committing::{self, Ends};
use super::kafka::{self, Change, Kafka, Questions, View};
use super::partitions::Partitions;
use super::queue::BatchBounds;
use super::record;
use super::returning::Returning;
use crate::clock::Clock;
use crate::config::{Settings, Topics};
use crate::delivery::{BATCH_BYTES, Committer, Entry, Item, Said};
use crate::event;
use crate::failpoint;
use crate::shutdown::Shutdown;
use crate::store::{GroupProgress, PartitionId, Store};
use crate::telemetry::health::{ASSIGNMENT, Health, Heartbeat, KAFKA, PROGRESS, RECORDS};
use crate::telemetry::metrics::{Metrics, Service};

/// How often offsets go to Kafka, and the flow is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long to wait before Kafka is asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// The loop is dead where it has not come round in this time.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The loop and what it owns.
pub struct Reading {
    kafka: Kafka,
    questions: Questions,
    claiming: Claiming,
    store: Store,
    ends: Ends,
    committer: JoinHandle<()>,
    partitions: Partitions,
    changes: VecDeque<Change>,
    claims: Claims,
    /// What Kafka wants back; one thing at a time.
    returning: Option<Returning>,
    /// Tells Kafka and MongoDB of it.
    handing: Option<JoinHandle<()>>,
    /// Asks how far the group has come.
    progress: Option<JoinHandle<Option<GroupProgress>>>,
    /// Asks where logs end.
    log_ends: Option<JoinHandle<idle::Ends>>,
    topic_partitions: HashMap<Arc<str>, usize>,
    give_up: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    decoding: event::Settings,
    said_without_op: bool,
    metrics: Metrics,
    health: Health,
    heartbeat: Heartbeat,
}

impl Reading {
    /// A loop that has not subscribed yet.
    #[must_use]
    pub fn new(
        kafka: Kafka,
        store: Store,
        committer: Committer,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        (metrics, health): (Metrics, Health),
        give_up: Arc<AtomicBool>,
    ) -> Self {
        Self::with(kafka, store, committing::start(committer), settings, clock, (metrics, health), give_up)
    }

    fn with(
        kafka: Kafka,
        store: Store,
        (ends, committer): (Ends, JoinHandle<()>),
        settings: &Settings,
        clock: Arc<dyn Clock>,
        (metrics, health): (Metrics, Health),
        give_up: Arc<AtomicBool>,
    ) -> Self {
        let questions = kafka.questions.clone();
        Self {
            claiming: Claiming {
                store: store.clone(),
                broker: Arc::new(questions.clone()),
                clock: Arc::clone(&clock),
                health: health.clone(),
                topics: settings.kafka_topic.clone(),
                reset: settings.kafka_auto_offset_reset,
                give_up: Arc::clone(&give_up),
            },
            kafka,
            questions,
            store,
            ends,
            committer,
            partitions: Partitions::default(),
            changes: VecDeque::new(),
            claims: Claims::new(),
            returning: None,
            handing: None,
            progress: None,
            log_ends: None,
            topic_partitions: HashMap::new(),
            give_up,
            clock,
            settings: settings.clone(),
            decoding: event::Settings {
                snapshot_events: settings.snapshot_events,
                columns: settings.outbox_columns.clone(),
                others: settings.outbox_other_columns.clone(),
            },
            said_without_op: false,
            heartbeat: health.heartbeat("consumer", HEARTBEAT),
            metrics,
            health,
        }
    }

    /// Stores how many partitions each topic has at the group's first start, then joins the group; none where it was
    /// asked to stop while it waited for Kafka. Nothing is read before a claim.
    ///
    /// # Errors
    /// A topic that is named is compacted, or Kafka refuses the login or a certificate.
    pub async fn subscribe(self, shutdown: &Shutdown) -> Result<Option<Self>, kafka::Error> {
        let client = Arc::clone(&self.kafka.client);
        tokio::select! {
            () = shutdown.wait() => return Ok(None),
            started = self.started() => started?,
            why = refused(&client) => return Err(kafka::Error::Refused(why)),
        }
        self.kafka.client.subscribe(&self.settings.kafka_topic.subscription())?;
        Ok(Some(self))
    }

    /// Waits until Kafka and MongoDB have answered what must be known before the group is joined.
    async fn started(&self) -> Result<(), kafka::Error> {
        loop {
            let started = match &self.settings.kafka_topic {
                Topics::Names(names) => self.started_with(names).await?,
                Topics::Pattern(pattern) => self.claiming.first_start_with(pattern).await,
            };
            if started {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn started_with(&self, names: &[String]) -> Result<bool, kafka::Error> {
        for topic in names {
            match self.claiming.first_start(topic).await {
                Some(First::Found) => {}
                Some(First::Missing) => tracing::warn!(topic, "topic_does_not_exist_yet"),
                Some(First::Compacted) => return Err(kafka::Error::Compacted(topic.clone())),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Runs until it is asked to stop and has drained; false where something had to be left behind.
    ///
    /// # Errors
    /// The committer has panicked: nothing can be committed any more.
    pub async fn run(mut self, shutdown: &Shutdown) -> Result<bool, JoinError> {
        self.health.waiting_for(ASSIGNMENT, format!("partitions of {}", self.settings.kafka_topic));
        let mut tick = tokio::time::interval(TICK);
        let mut idle = tokio::time::interval(idle::interval());
        let client = Arc::clone(&self.kafka.client);
        loop {
            tokio::select! {
                () = shutdown.wait() => break,
                Some(change) = self.kafka.changes.recv() => self.changes.push_back(change),
                Some(claimed) = self.claims.next() => self.claimed(claimed),
                said = self.ends.said.recv() => match said {
                    Some(said) => self.said(said),
                    None => break,
                },
                () = self.ends.works.room() => {}
                received = client.recv(), if !self.partitions.are_full() => self.received(received, &client),
                Some(view) = self.kafka.views.recv() => self.viewed(&view),
                Some(()) = finished(&mut self.handing) => {}
                Some(seen) = finished(&mut self.progress) => self.seen_progress(seen),
                Some(ends) = finished(&mut self.log_ends) => self.seen_ends(ends),
                _ = tick.tick() => self.tick(),
                _ = idle.tick() => self.look_at_idle(),
            }
            self.heartbeat.beat();
            self.turn();
        }
        drop(client);
        self.stop().await
    }

    /// What may follow from any of it: the next change of the assignment, claims, and the next batch.
    fn turn(&mut self) {
        while let Ok(change) = self.kafka.changes.try_recv() {
            self.changes.push_back(change);
        }
        self.go_on_returning();
        while self.returning.is_none()
            && let Some(change) = self.changes.pop_front()
        {
            self.change(change);
            self.go_on_returning();
        }
        if self.returning.is_none() {
            // Kafka's client would take any change of its assignment for the answer that it waits for.
            self.take_claims();
        }
        self.reclaim();
        if self.returning.as_ref().is_some_and(Returning::is_draining) {
            return;
        }
        let bounds = BatchBounds { events: self.settings.processing_batch_size, bytes: BATCH_BYTES };
        if let Some(entries) = self.partitions.batch(bounds) {
            self.ends.works.commit(entries);
        }
    }

    fn said(&mut self, said: Said) {
        hear(said, &mut self.partitions, &*self.clock);
    }

    fn received(
        &mut self,
        received: Result<BorrowedMessage<'_>, KafkaError>,
        client: &rdkafka::consumer::StreamConsumer<kafka::Context>,
    ) {
        failpoint::pass("after-poll");
        let mut received = Some(received);
        for _ in 0..self.settings.kafka_max_poll_records {
            match received.take().or_else(|| client.recv().now_or_never()) {
                Some(Ok(message)) => self.record(&message),
                Some(Err(error)) => self.kafka_error(&error),
                None => return,
            }
            // Hundreds of records take milliseconds to decode, in which the committer would have nothing to do.
            while let Ok(said) = self.ends.said.try_recv() {
                self.said(said);
            }
            if self.partitions.has_batch_of(self.settings.processing_batch_size) || self.partitions.are_full() {
                return;
            }
        }
    }

    fn record(&mut self, message: &BorrowedMessage<'_>) {
        let id = PartitionId { topic: Arc::from(message.topic()), partition: message.partition() };
        if !self.partitions.takes(&id, message.offset()) {
            return;
        }
        let entry = record::decode(id.clone(), message, &self.decoding);
        self.metrics.record(record::kind(&entry.item));
        self.say_without_op(&entry);
        if let Some(why) = self.partitions.record(entry) {
            self.stop_reading(&id, &why);
        }
    }

    /// Says once that inserts and updates look alike in this topic.
    fn say_without_op(&mut self, entry: &Entry) {
        let Item::Event(event) = &entry.item else { return };
        if event.says_op || self.said_without_op {
            return;
        }
        self.said_without_op = true;
        let (topic, offset) = (&*entry.partition.topic, entry.offset);
        let hint = "set add.fields=op on the connector's ExtractNewRecordState (docs/records.md)";
        tracing::warn!(
            topic,
            partition = entry.partition.partition,
            offset,
            hint,
            "operation_missing: these rows do not say whether they were inserted or updated, so an update is known by its \
             event's id only, as long as the ledger remembers it"
        );
    }

    fn kafka_error(&mut self, error: &KafkaError) {
        self.metrics.fault(Service::Kafka);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                let topics = &self.settings.kafka_topic;
                let which = if topics.only().is_some() { "the topic" } else { "one of the topics" };
                self.not_assigned(format!("{which} {topics} does not exist yet"));
            }
            Some(
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed),
            ) => {
                let (topics, group) = (&self.settings.kafka_topic, &self.settings.kafka_group_id);
                let needs = "Read and Describe on both, and DescribeConfigs on the topic";
                self.not_assigned(format!(
                    "kafka does not let this user read {topics} as {group} ({code}): it needs {needs}"
                ));
            }
            // The client does not say which partition: each claim looks at its log again.
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                tracing::warn!(%error, "offset_out_of_range: partitions are claimed anew");
                self.partitions.lose(&self.partitions.owned());
            }
            _ => tracing::debug!(%error, "kafka_fault"),
        }
    }

    /// Says why nothing, or not all, is assigned.
    fn not_assigned(&self, why: String) {
        if self.partitions.count() == 0 {
            self.health.waiting_for(ASSIGNMENT, why);
        } else {
            tracing::warn!(why, "topic_not_read");
        }
    }

    fn viewed(&mut self, view: &View) {
        let connection = &self.kafka.client.context().connection;
        if view.connected {
            connection.made();
            self.health.found(KAFKA);
            if self.partitions.count() > 0 && !self.claims.wait_for_first() {
                self.health.found(ASSIGNMENT);
            }
        } else {
            let why = connection.trouble().map_or_else(String::new, |trouble| format!(": {}", trouble.why));
            self.health.waiting_for(KAFKA, format!("no broker is connected{why}"));
            // What was committed while nobody listened is committed again.
            self.partitions.forget_offsets();
        }
        self.partitions.log_ends(&view.log_ends);
        for (topic, now) in &view.partitions {
            let known = self.topic_partitions.entry(Arc::clone(topic)).or_insert(*now);
            if now > known {
                tracing::info!(topic = &**topic, before = *known, now, "topic_has_more_partitions");
                *known = *now;
            }
        }
    }

    fn tick(&mut self) {
        for (partition, lag) in self.partitions.lags() {
            self.metrics.lag(&partition.topic, partition.partition, lag);
        }
        self.metrics.oldest_uncommitted(self.partitions.oldest_created_at_ms());
        match self.partitions.stalled(self.clock.elapsed()) {
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
        if let Err(error) = self.commit_offsets().and_then(|()| self.flow()) {
            tracing::warn!(%error, "kafka_call_failed");
        }
    }

    /// Offsets go to Kafka for lag tools and for a hand-over; nothing waits for them.
    fn commit_offsets(&mut self) -> Result<(), KafkaError> {
        let moved = self.partitions.offsets();
        if moved.is_empty() {
            return Ok(());
        }
        failpoint::pass("before-offsets");
        let list = kafka::list(moved.iter().map(|(partition, next)| (partition, Some(*next))))?;
        self.kafka.client.commit(&list, CommitMode::Async)
    }

    fn flow(&mut self) -> Result<(), KafkaError> {
        let flow = self.partitions.flow(self.clock.elapsed());
        if !flow.pause.is_empty() {
            tracing::info!(partitions = numbers(&flow.pause), "reading_paused");
            self.kafka.client.pause(&kafka::list(flow.pause.iter().map(|partition| (partition, None)))?)?;
        }
        if !flow.resume.is_empty() {
            tracing::info!(partitions = numbers(&flow.resume), "reading_resumed");
            self.kafka.client.resume(&kafka::list(flow.resume.iter().map(|partition| (partition, None)))?)?;
        }
        Ok(())
    }
}

/// Serves the client's callbacks until they tell that Kafka refuses it, which another try would not change.
async fn refused(client: &rdkafka::consumer::StreamConsumer<kafka::Context>) -> String {
    loop {
        // Nothing is subscribed to, so that only errors come.
        let _ = client.recv().await;
        if let Some(trouble) = client.context().connection.trouble().filter(|trouble| trouble.refused) {
            return trouble.why;
        }
    }
}

fn hear(said: Said, partitions: &mut Partitions, clock: &dyn Clock) {
    match said {
        Said::Wants => partitions.wants(),
        Said::Done(done) => partitions.done(done, clock.elapsed()),
    }
}

/// What a task gives, once it has ended; never, where there is none.
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
