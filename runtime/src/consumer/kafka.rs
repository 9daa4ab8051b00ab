//! Kafka's client: how it is set, and what its callbacks send.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc;

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
    /// The thread that asked has ended.
    #[error("kafka: the call did not end: {0}")]
    Join(#[from] tokio::task::JoinError),
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
    /// The offset after the last record, by partition.
    pub(super) log_ends: HashMap<PartitionId, i64>,
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
        let ends = statistics.topics.into_iter().flat_map(|(topic, statistics)| {
            let topic: Arc<str> = Arc::from(topic);
            statistics
                .partitions
                .into_values()
                .filter(|partition| partition.partition >= 0 && partition.hi_offset >= 0)
                .map(move |found| {
                    (PartitionId { topic: Arc::clone(&topic), partition: found.partition }, found.hi_offset)
                })
        });
        // One that nobody has taken yet says the same, a second older.
        let _ = self.views.try_send(View { connected, log_ends: ends.collect() });
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
        Ok(Self { client: Arc::new(client), changes, views })
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

/// What Kafka knows of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Log {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// Questions to Kafka that block: each runs on a thread of its own.
#[derive(Clone)]
pub(super) struct Questions {
    client: Arc<StreamConsumer<Context>>,
}

impl Questions {
    pub(super) fn new(client: Arc<StreamConsumer<Context>>) -> Self {
        Self { client }
    }

    /// How many partitions the topic has; 0 where it does not exist.
    pub(super) async fn partition_count(&self, topic: &str) -> Result<i32, Error> {
        let (client, topic) = (Arc::clone(&self.client), topic.to_owned());
        tokio::task::spawn_blocking(move || {
            let metadata = client.fetch_metadata(Some(&topic), TIMEOUT)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let count = found.map_or(0, |found| found.partitions().len());
            Ok(i32::try_from(count).unwrap_or(i32::MAX))
        })
        .await?
    }

    pub(super) async fn log(&self, partition: &PartitionId) -> Result<Log, Error> {
        let (client, partition) = (Arc::clone(&self.client), partition.clone());
        tokio::task::spawn_blocking(move || {
            let (start, end) = client.fetch_watermarks(&partition.topic, partition.partition, TIMEOUT)?;
            Ok(Log { start, end })
        })
        .await?
    }

    pub(super) async fn committed(&self, partition: &PartitionId) -> Result<Option<i64>, Error> {
        let client = Arc::clone(&self.client);
        let list = list([(partition, None)])?;
        tokio::task::spawn_blocking(move || {
            let committed = client.committed_offsets(list, TIMEOUT)?;
            Ok(committed.elements().first().and_then(|element| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }))
        })
        .await?
    }

    /// Commits offsets and waits for Kafka's word.
    pub(super) async fn commit(&self, offsets: TopicPartitionList) -> Result<(), Error> {
        let client = Arc::clone(&self.client);
        tokio::task::spawn_blocking(move || Ok(client.commit(&offsets, CommitMode::Sync)?)).await?
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
