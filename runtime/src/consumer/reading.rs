//! The loop: records in, batches to the committer, offsets to Kafka, and a partition's life from claim to drain.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use tokio::task::{JoinError, JoinHandle};

use super::claiming::{Claimed, Claiming};
use super::committing::{self, Hop, Work};
use super::kafka::{self, Change, Kafka, Questions, View};
use super::queue::{BatchBounds, Bounds, Queue};
use crate::config::Settings;
use crate::delivery::{Committer, Done, Entry, Item, RawRecord};
use crate::event::{self, Decoded, Ignored, Record};
use crate::shutdown::Shutdown;
use crate::store::{Claim, PartitionId, Store};
use crate::telemetry::health::{ASSIGNMENT, Health, Heartbeat, KAFKA};
use crate::telemetry::metrics::{Metrics, RecordKind, Service};

/// The most bytes of records in a batch.
const BATCH_BYTES: usize = 8 << 20;
/// How often offsets go to Kafka, and the flow is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long a revoked partition may drain before it is given up.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the committer may take to give up: what it waits for may take as long as a server is looked for.
const GIVE_UP: Duration = Duration::from_secs(6);
/// How long Kafka and MongoDB may take to hear that partitions are given back.
const HAND_OVER: Duration = Duration::from_secs(3);
/// How long a partition rests whose claim another host took, for that host may own it by right.
const LOST_PAUSE: Duration = Duration::from_millis(500);
/// How long to wait before Kafka is asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// The loop is dead where it has not come round in this time.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// A partition that this process owns.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    /// The claim's.
    epoch: i64,
    /// The offset of the next record to take from Kafka.
    read: i64,
    /// The offset of the first record that is not accounted for.
    next: i64,
    /// What of it has gone to Kafka.
    committed: i64,
    /// The end of its log, as Kafka last said.
    log_end: Option<i64>,
}

/// The loop and what it owns.
pub struct Reading {
    kafka: Kafka,
    questions: Questions,
    claiming: Claiming,
    store: Store,
    hop: Hop,
    committer: JoinHandle<()>,
    queue: Queue,
    owned: HashMap<PartitionId, Position>,
    stopped: Vec<PartitionId>,
    changes: VecDeque<Change>,
    claims: Option<JoinHandle<Vec<(PartitionId, Claimed)>>>,
    reclaim: Vec<PartitionId>,
    in_flight: bool,
    give_up: Arc<AtomicBool>,
    settings: Settings,
    decoding: event::Settings,
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
        (metrics, health): (Metrics, Health),
        give_up: Arc<AtomicBool>,
    ) -> Self {
        let questions = Questions::new(Arc::clone(&kafka.client));
        let (hop, task) = committing::start(committer);
        Self {
            claiming: Claiming {
                store: store.clone(),
                kafka: questions.clone(),
                health: health.clone(),
                reset: settings.kafka_auto_offset_reset,
                give_up: Arc::clone(&give_up),
            },
            kafka,
            questions,
            store,
            hop,
            committer: task,
            queue: Queue::new(Bounds::default()),
            owned: HashMap::new(),
            stopped: Vec::new(),
            changes: VecDeque::new(),
            claims: None,
            reclaim: Vec::new(),
            in_flight: false,
            give_up,
            settings: settings.clone(),
            decoding: event::Settings { snapshot_events: settings.snapshot_events },
            heartbeat: health.heartbeat("consumer", HEARTBEAT),
            metrics,
            health,
        }
    }

    /// Stores how many partitions the topic has at the group's first start, then joins the group; none where it was
    /// asked to stop while it waited for Kafka. Nothing is read before a claim.
    ///
    /// # Errors
    /// The topic's name is not one.
    pub async fn subscribe(self, shutdown: &Shutdown) -> Result<Option<Self>, kafka::Error> {
        let topic = &self.settings.kafka_topic;
        while !shutdown.requested() {
            match self.claiming.first_start(topic).await {
                Some(0) => {
                    tracing::warn!(topic, "topic_does_not_exist_yet");
                    break;
                }
                Some(_) => break,
                None => tokio::time::sleep(PAUSE).await,
            }
        }
        if shutdown.requested() {
            return Ok(None);
        }
        self.kafka.client.subscribe(&[topic])?;
        Ok(Some(self))
    }

    /// Runs until it is asked to stop and has drained.
    ///
    /// # Errors
    /// The committer has panicked: nothing can be committed any more.
    pub async fn run(mut self, shutdown: &Shutdown) -> Result<(), JoinError> {
        self.health.waiting_for(ASSIGNMENT, format!("partitions of {}", self.settings.kafka_topic));
        let mut tick = tokio::time::interval(TICK);
        let client = Arc::clone(&self.kafka.client);
        loop {
            tokio::select! {
                () = shutdown.wait() => break,
                Some(change) = self.kafka.changes.recv() => self.changes.push_back(change),
                claimed = finished(&mut self.claims) => self.claimed(claimed).await,
                done = self.hop.done.recv() => match done {
                    Some(done) => self.done(done),
                    None => break,
                },
                received = client.recv() => self.received(received, &client),
                Some(view) = self.kafka.views.recv() => self.viewed(&view),
                _ = tick.tick() => self.tick(),
            }
            self.heartbeat.beat();
            self.turn().await;
        }
        drop(client);
        self.stop().await
    }

    /// What may follow from any of it: the next change of the assignment, and the next batch.
    async fn turn(&mut self) {
        if self.claims.is_none()
            && let Some(change) = self.changes.pop_front()
        {
            self.change(change).await;
        }
        if self.in_flight || self.queue.is_empty() {
            return;
        }
        let bounds = BatchBounds { events: self.settings.processing_batch_size, bytes: BATCH_BYTES };
        let entries = self.queue.take(bounds);
        self.in_flight = true;
        self.send(Work::Commit(entries)).await;
    }

    async fn send(&self, work: Work) {
        if self.hop.work.send(work).await.is_err() {
            tracing::error!("committer_ended");
        }
    }

    async fn change(&mut self, change: Change) {
        match change {
            Change::Assigned(partitions) => {
                tracing::info!(partitions = numbers(&partitions), "partitions_assigned");
                self.claims = Some(tokio::spawn(self.claiming.clone().all(partitions)));
            }
            Change::Revoked(partitions) => {
                tracing::info!(partitions = numbers(&partitions), "partitions_revoked");
                self.give_back(&partitions, true).await;
            }
            Change::Lost(partitions) => {
                tracing::warn!(partitions = numbers(&partitions), "partitions_lost");
                self.give_back(&partitions, false).await;
            }
        }
    }

    /// Claims are made: the partitions are read from where these say.
    async fn claimed(&mut self, claimed: Vec<(PartitionId, Claimed)>) {
        self.claims = None;
        let again = std::mem::take(&mut self.reclaim);
        let mut claims = Vec::new();
        let mut starts = Vec::new();
        for (partition, claimed) in claimed {
            match claimed {
                Claimed::Owned(claim) => {
                    let Claim { epoch, next } = claim;
                    let position = Position { epoch, read: next, next, committed: -1, log_end: None };
                    self.owned.insert(partition.clone(), position);
                    starts.push((partition.clone(), Some(claim.next)));
                    claims.push((partition, claim));
                }
                Claimed::Stopped(why) => {
                    self.stop_partition(&partition, why);
                    starts.push((partition, None));
                }
                Claimed::GivenUp => starts.push((partition, None)),
            }
        }
        self.send(Work::Own(claims)).await;
        if let Err(error) = self.assign(&starts, &again) {
            tracing::error!(%error, "assign_failed");
        }
        self.metrics.partitions_owned(self.owned.len());
        self.health.found(ASSIGNMENT);
    }

    /// Tells Kafka from where to read; a partition without an offset is assigned and not read.
    fn assign(&self, starts: &[(PartitionId, Option<i64>)], again: &[PartitionId]) -> Result<(), KafkaError> {
        if !again.is_empty() {
            let again = kafka::list(again.iter().map(|partition| (partition, None)))?;
            self.kafka.client.incremental_unassign(&again)?;
        }
        let list = kafka::list(starts.iter().map(|(partition, start)| (partition, Some(start.unwrap_or(0)))))?;
        self.kafka.client.incremental_assign(&list)?;
        let idle = starts.iter().filter(|(_, start)| start.is_none()).map(|(partition, _)| (partition, None));
        self.kafka.client.pause(&kafka::list(idle)?)
    }

    fn stop_partition(&mut self, partition: &PartitionId, why: String) {
        let PartitionId { topic, partition: number } = partition;
        let hint = "set the group's progress by hand once you know what was lost";
        tracing::error!(topic = &**topic, partition = number, error = why, hint, "partition_stopped");
        self.health.partition_stopped(topic, *number, why);
        self.metrics.partition_stopped(topic, *number, true);
        self.stopped.push(partition.clone());
    }

    fn received(
        &mut self,
        received: Result<BorrowedMessage<'_>, KafkaError>,
        client: &rdkafka::consumer::StreamConsumer<kafka::Context>,
    ) {
        let mut received = Some(received);
        for _ in 0..self.settings.kafka_max_poll_records {
            match received.take().or_else(|| client.recv().now_or_never()) {
                Some(Ok(message)) => self.record(&message),
                Some(Err(error)) => self.kafka_error(&error),
                None => return,
            }
        }
    }

    fn record(&mut self, message: &BorrowedMessage<'_>) {
        let id = PartitionId { topic: Arc::from(message.topic()), partition: message.partition() };
        let Some(position) = self.owned.get_mut(&id) else { return };
        if message.offset() < position.read {
            return;
        }
        position.read = message.offset() + 1;
        let entry = decode(id, message, self.decoding);
        self.metrics.record(kind(&entry.item));
        self.queue.push(entry);
    }

    fn kafka_error(&mut self, error: &KafkaError) {
        self.metrics.fault(Service::Kafka);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                let why = format!("the topic {} does not exist yet", self.settings.kafka_topic);
                self.health.waiting_for(ASSIGNMENT, why);
            }
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                let why = format!("a partition's next record is not in its log any more: {error}");
                tracing::error!(error = why, "log_left_progress_behind");
                self.health.partition_stopped(&self.settings.kafka_topic, -1, why);
            }
            _ => tracing::debug!(%error, "kafka_fault"),
        }
    }

    fn done(&mut self, done: Done) {
        self.in_flight = false;
        for (partition, next) in done.next {
            if let Some(position) = self.owned.get_mut(&partition) {
                position.next = next;
            }
        }
        for partition in done.lost {
            self.queue.drop_partition(&partition);
            if self.owned.remove(&partition).is_some() {
                self.reclaim.push(partition);
            }
        }
        if !self.reclaim.is_empty() && self.claims.is_none() {
            let (claiming, partitions) = (self.claiming.clone(), self.reclaim.clone());
            self.claims = Some(tokio::spawn(async move {
                tokio::time::sleep(LOST_PAUSE).await;
                claiming.all(partitions).await
            }));
        }
    }

    fn viewed(&mut self, view: &View) {
        if view.connected {
            self.health.found(KAFKA);
            if !self.owned.is_empty() && self.claims.is_none() {
                self.health.found(ASSIGNMENT);
            }
        } else {
            self.health.waiting_for(KAFKA, "no broker is connected");
        }
        for (partition, position) in &mut self.owned {
            position.log_end = view.log_ends.get(partition).copied().or(position.log_end);
            // What was committed while nobody listened is committed again.
            if !view.connected {
                position.committed = -1;
            }
        }
    }

    fn tick(&mut self) {
        for (partition, position) in &self.owned {
            if let Some(end) = position.log_end {
                self.metrics.lag(&partition.topic, partition.partition, (end - position.next).max(0));
            }
        }
        self.metrics.oldest_uncommitted(self.queue.oldest_created_at_ms());
        if let Err(error) = self.commit_offsets().and_then(|()| self.flow()) {
            tracing::warn!(%error, "kafka_call_failed");
        }
    }

    /// Offsets go to Kafka for lag tools and for a hand-over; nothing waits for them.
    fn commit_offsets(&mut self) -> Result<(), KafkaError> {
        let moved: Vec<_> = self
            .owned
            .iter_mut()
            .filter(|(_, position)| position.next != position.committed)
            .map(|(partition, position)| {
                position.committed = position.next;
                (partition.clone(), Some(position.next))
            })
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        let list = kafka::list(moved.iter().map(|(partition, next)| (partition, *next)))?;
        self.kafka.client.commit(&list, CommitMode::Async)
    }

    fn flow(&mut self) -> Result<(), KafkaError> {
        let flow = self.queue.flow(self.owned.keys());
        if !flow.pause.is_empty() {
            self.kafka.client.pause(&kafka::list(flow.pause.iter().map(|partition| (partition, None)))?)?;
        }
        if !flow.resume.is_empty() {
            self.kafka.client.resume(&kafka::list(flow.resume.iter().map(|partition| (partition, None)))?)?;
        }
        Ok(())
    }

    /// Drains partitions and gives them back to Kafka; in an orderly way where they were not lost.
    async fn give_back(&mut self, partitions: &[PartitionId], orderly: bool) {
        for partition in partitions {
            self.queue.drop_partition(partition);
        }
        let drained = self.drain(DRAIN).await;
        self.send(Work::Disown(partitions.to_vec())).await;
        if orderly && drained {
            self.hand_over(partitions).await;
        }
        for partition in partitions {
            self.owned.remove(partition);
            self.reclaim.retain(|known| known != partition);
            self.metrics.partition_gone(&partition.topic, partition.partition);
            self.health.partition_resumed(&partition.topic, partition.partition);
        }
        self.stopped.retain(|stopped| !partitions.contains(stopped));
        self.metrics.partitions_owned(self.owned.len());
        let answer = kafka::list(partitions.iter().map(|partition| (partition, None)))
            .and_then(|list| self.kafka.client.incremental_unassign(&list));
        if let Err(error) = answer {
            tracing::warn!(%error, "unassign_failed");
        }
    }

    /// Waits for the batch that is with the committer; false where it had to be given up.
    async fn drain(&mut self, within: Duration) -> bool {
        if !self.in_flight {
            return true;
        }
        if let Ok(Some(done)) = tokio::time::timeout(within, self.hop.done.recv()).await {
            self.done(done);
            return true;
        }
        self.give_up.store(true, Ordering::Relaxed);
        if let Ok(Some(done)) = tokio::time::timeout(GIVE_UP, self.hop.done.recv()).await {
            self.done(done);
        }
        self.give_up.store(false, Ordering::Relaxed);
        false
    }

    /// The last offsets to Kafka, this owner's name out of progress. What is not done in time is given up: the next
    /// owner finds the name and ends sessions that have ended already.
    async fn hand_over(&mut self, partitions: &[PartitionId]) {
        let owned: Vec<_> = partitions.iter().filter_map(|id| Some((id.clone(), *self.owned.get(id)?))).collect();
        if owned.is_empty() {
            return;
        }
        let (questions, store) = (self.questions.clone(), self.store.clone());
        // A task of its own, since no call of the driver is dropped halfway.
        let handing = tokio::spawn(async move {
            let claims: Vec<_> = owned.iter().map(|(id, position)| (id, position.epoch)).collect();
            let offsets = async {
                let list = kafka::list(owned.iter().map(|(id, position)| (id, Some(position.next))))?;
                questions.commit(list).await
            };
            let (offsets, release) = tokio::join!(offsets, store.release(&claims));
            if let Err(error) = offsets {
                tracing::warn!(%error, "offsets_not_committed");
            }
            if let Err(error) = release {
                tracing::warn!(%error, "release_failed");
            }
        });
        if tokio::time::timeout(HAND_OVER, handing).await.is_err() {
            tracing::warn!("hand_over_given_up");
        }
    }

    /// Drains, gives everything back, leaves the group.
    async fn stop(mut self) -> Result<(), JoinError> {
        self.health.draining();
        tracing::info!("draining");
        let partitions: Vec<PartitionId> = self.owned.keys().cloned().collect();
        for partition in &partitions {
            self.queue.drop_partition(partition);
        }
        if self.drain(self.settings.shutdown_timeout).await {
            self.hand_over(&partitions).await;
        }
        if let Some(claims) = self.claims.take() {
            claims.abort();
        }
        let Self { kafka, questions, claiming, hop, committer, .. } = self;
        drop((questions, claiming));
        drop(hop.work);
        let ended = tokio::time::timeout(GIVE_UP, committer).await;
        kafka::close(kafka.client).await;
        // One that still waits for MongoDB ends with the process; the next claim ends its session.
        ended.unwrap_or(Ok(()))
    }
}

/// The claims that are being made, once they are; never, where there are none.
async fn finished(claims: &mut Option<JoinHandle<Vec<(PartitionId, Claimed)>>>) -> Vec<(PartitionId, Claimed)> {
    match claims {
        Some(task) => task.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

fn decode(partition: PartitionId, message: &BorrowedMessage<'_>, settings: event::Settings) -> Entry {
    let headers: Vec<(&str, Option<&[u8]>)> = message
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key, header.value)).collect())
        .unwrap_or_default();
    let timestamp_ms = message.timestamp().to_millis();
    let record = Record {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms,
        key: message.key(),
        value: message.payload(),
        headers: &headers,
    };
    let item = match event::decode(&record, &settings) {
        Decoded::Event(event) => Item::Event(Arc::from(event)),
        Decoded::Ignored(ignored) => Item::Ignored(ignored),
        Decoded::Undecodable(undecodable) => Item::Undecodable(undecodable),
    };
    let raw = RawRecord {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect(),
        timestamp_ms,
    };
    Entry { partition, offset: message.offset(), item, raw: Arc::new(raw), begun_ms: None }
}

fn kind(item: &Item) -> RecordKind {
    match item {
        Item::Event(_) => RecordKind::Event,
        Item::Undecodable(_) => RecordKind::Undecodable,
        Item::Ignored(ignored) => match ignored {
            Ignored::Update => RecordKind::Update,
            Ignored::Delete => RecordKind::Delete,
            Ignored::Snapshot => RecordKind::Snapshot,
            Ignored::Truncate => RecordKind::Truncate,
            Ignored::LogicalMessage => RecordKind::LogicalMessage,
            Ignored::Tombstone => RecordKind::Tombstone,
            Ignored::Heartbeat => RecordKind::Heartbeat,
        },
    }
}

fn numbers(partitions: &[PartitionId]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
