//! Kafka's client: how it is set, and what its callbacks send.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc;

use super::broker::{Answer, Broker, Log, Unanswered};
use super::partitions::LogEnd;
use crate::config::Settings;
use crate::store::PartitionId;

/// How long one question to Kafka may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why Kafka did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the client says.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// The topic is compacted.
    #[error(
        "the topic {0} is compacted (cleanup.policy): events of it may vanish before they are read; use a topic with \
         cleanup.policy=delete"
    )]
    Compacted(String),
}

/// What a callback has to say.
#[derive(Debug)]
pub(super) enum Change {
    /// Partitions are this member's from now on.
    Assigned(Vec<PartitionId>),
    /// They are to be given back, in an orderly way.
    Revoked(Vec<PartitionId>),
    /// They are somebody else's already.
    Lost(Vec<PartitionId>),
}

/// What the client sees of Kafka, once a second.
#[derive(Debug)]
pub(super) struct View {
    /// Whether a broker is connected.
    pub(super) connected: bool,
    /// Where each log ends.
    pub(super) log_ends: HashMap<PartitionId, LogEnd>,
    /// How many partitions the topic has.
    pub(super) partitions: usize,
}

/// The callbacks: they send a message and do nothing else.
#[derive(Debug)]
pub(super) struct Context {
    changes: mpsc::Sender<Change>,
    views: mpsc::Sender<View>,
    closing: AtomicBool,
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let connected = statistics.brokers.values().any(|broker| broker.state == "UP");
        let mut log_ends = HashMap::new();
        let mut partitions = 0;
        for (topic, statistics) in statistics.topics {
            let topic: Arc<str> = Arc::from(topic);
            // One of them, -1, stands for none.
            let numbered = statistics.partitions.into_values().filter(|partition| partition.partition >= 0);
            for found in numbered {
                partitions += 1;
                if found.hi_offset >= 0 {
                    let id = PartitionId { topic: Arc::clone(&topic), partition: found.partition };
                    // What is left of the log are marks of transactions, which are no records.
                    let reached = found.next_offset >= found.hi_offset && found.fetchq_cnt == 0;
                    log_ends.insert(id, LogEnd { offset: found.hi_offset, reached });
                }
            }
        }
        // One that nobody has taken yet says the same, a second older.
        let _ = self.views.try_send(View { connected, log_ends, partitions });
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka_error");
    }
}

impl ConsumerContext for Context {
    /// Kafka waits for the answer, which the loop gives when it has claimed or drained; so the queue of messages never
    /// holds more than one or two. While the client closes there is no loop any more.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = partitions(list);
        let change = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Assigned(partitions),
            _ if consumer.assignment_lost() => Change::Lost(partitions),
            _ => Change::Revoked(partitions),
        };
        if self.closing.load(Ordering::Acquire) {
            let answer = match change {
                Change::Assigned(_) => consumer.incremental_assign(&TopicPartitionList::new()),
                Change::Revoked(_) | Change::Lost(_) => consumer.incremental_unassign(list),
            };
            if let Err(error) = answer {
                tracing::debug!(%error, "close_unassign_failed");
            }
        } else if let Err(error) = self.changes.try_send(change) {
            tracing::error!(%error, "assignment_change_lost");
        }
    }
}

/// The client, and the receiving ends of what its callbacks send. Cheap to clone but for these.
pub struct Kafka {
    pub(super) client: Arc<StreamConsumer<Context>>,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) views: mpsc::Receiver<View>,
    /// Whether it can be asked for a topic's settings.
    pub(super) describes: bool,
}

impl Kafka {
    /// Makes the client; nothing is sent before it subscribes.
    ///
    /// # Errors
    /// A setting that librdkafka refuses.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let (changes_in, changes) = mpsc::channel(16);
        let (views_in, views) = mpsc::channel(1);
        let context = Context { changes: changes_in, views: views_in, closing: AtomicBool::new(false) };
        let client: StreamConsumer<Context> = configuration(settings).create_with_context(context)?;
        Ok(Self { client: Arc::new(client), changes, views, describes: true })
    }

    /// The same for the embedded one, at the brokers of the settings.
    ///
    /// # Errors
    /// A setting that librdkafka refuses.
    pub fn of_embedded(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { describes: false, ..Self::new(settings)? })
    }
}

fn configuration(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    for (name, value) in [
        ("bootstrap.servers", settings.kafka_bootstrap_servers.as_str()),
        ("group.id", settings.kafka_group_id.as_str()),
        ("client.id", "weir"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        // Progress lives in MongoDB, and every start is decided before a partition is read.
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "error"),
        ("check.crcs", "true"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "2000"),
        ("max.poll.interval.ms", "300000"),
        // The defaults queue 64 MiB.
        ("queued.max.messages.kbytes", "16384"),
        ("fetch.max.bytes", "16777216"),
        ("fetch.error.backoff.ms", "100"),
        ("reconnect.backoff.max.ms", "1000"),
        ("socket.nagle.disable", "true"),
        // A topic that is not there yet, or grows, is noticed within this time.
        ("topic.metadata.refresh.interval.ms", "5000"),
        ("allow.auto.create.topics", "false"),
        ("statistics.interval.ms", "1000"),
    ] {
        config.set(name, value);
    }
    #[cfg(feature = "proofs")]
    if let Ok(interval) = std::env::var("WEIR_MAX_POLL_INTERVAL_MS") {
        config.set("max.poll.interval.ms", interval);
    }
    config
}

pub(super) fn partitions(list: &TopicPartitionList) -> Vec<PartitionId> {
    list.elements()
        .iter()
        .map(|element| PartitionId { topic: Arc::from(element.topic()), partition: element.partition() })
        .collect()
}

/// A list of partitions, each with an offset where one is given.
pub(super) fn list<'a>(
    partitions: impl IntoIterator<Item = (&'a PartitionId, Option<i64>)>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        let offset = offset.map_or(Offset::Invalid, Offset::Offset);
        list.add_partition_offset(&partition.topic, partition.partition, offset)?;
    }
    Ok(list)
}

/// Questions to Kafka that block: each runs on a thread of its own.
#[derive(Clone)]
pub(super) struct Questions {
    client: Arc<StreamConsumer<Context>>,
}

impl fmt::Debug for Questions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Questions").finish_non_exhaustive()
    }
}

impl Questions {
    pub(super) fn new(client: Arc<StreamConsumer<Context>>) -> Self {
        Self { client }
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&StreamConsumer<Context>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Answer<'_, T> {
        let client = Arc::clone(&self.client);
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || question(&client)).await {
                Ok(answer) => answer.map_err(|error| Unanswered(error.to_string())),
                Err(error) => Err(Unanswered(error.to_string())),
            }
        })
    }

    /// Commits offsets and waits for Kafka's word.
    pub(super) async fn commit(&self, offsets: TopicPartitionList) -> Result<(), Unanswered> {
        self.ask(move |client| client.commit(&offsets, CommitMode::Sync)).await
    }
}

impl Broker for Questions {
    fn partition_count<'a>(&'a self, topic: &'a str) -> Answer<'a, i32> {
        let topic = topic.to_owned();
        self.ask(move |client| {
            let metadata = client.fetch_metadata(Some(&topic), TIMEOUT)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let count = found.map_or(0, |found| found.partitions().len());
            Ok(i32::try_from(count).unwrap_or(i32::MAX))
        })
    }

    fn log<'a>(&'a self, partition: &'a PartitionId) -> Answer<'a, Log> {
        let partition = partition.clone();
        self.ask(move |client| {
            let (start, end) = client.fetch_watermarks(&partition.topic, partition.partition, TIMEOUT)?;
            Ok(Log { start, end })
        })
    }

    fn committed<'a>(&'a self, partition: &'a PartitionId) -> Answer<'a, Option<i64>> {
        let partition = partition.clone();
        self.ask(move |client| {
            let committed = client.committed_offsets(list([(&partition, None)])?, TIMEOUT)?;
            let elements = committed.elements();
            let Some(element) = elements.first() else { return Ok(None) };
            element.error()?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
        })
    }
}

/// Whether the topic is compacted: a record of it may vanish before it is read. None where it does not exist.
pub(super) async fn is_compacted(settings: &Settings) -> Result<Option<bool>, Unanswered> {
    let told = |error: KafkaError| Unanswered(error.to_string());
    let admin: AdminClient<DefaultClientContext> = configuration(settings).create().map_err(told)?;
    let topic = ResourceSpecifier::Topic(&settings.kafka_topic);
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let answer = admin.describe_configs([&topic], &options).await.map_err(told)?;
    match answer.into_iter().next() {
        Some(Ok(resource)) => {
            let policy = resource.get("cleanup.policy").and_then(|entry| entry.value.clone());
            Ok(Some(policy.is_some_and(|policy| policy.split(',').any(|part| part.trim() == "compact"))))
        }
        Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition)) | None => Ok(None),
        Some(Err(code)) => Err(Unanswered(code.to_string())),
    }
}

/// Leaves the group. The loop has given everything back before.
pub(super) async fn close(client: Arc<StreamConsumer<Context>>) {
    client.context().closing.store(true, Ordering::Release);
    let closed = tokio::task::spawn_blocking(move || drop(client));
    if tokio::time::timeout(TIMEOUT, closed).await.is_err() {
        tracing::warn!("kafka_close_timed_out");
    }
}
