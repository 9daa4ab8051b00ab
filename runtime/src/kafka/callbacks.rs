//! The callbacks of Kafka's client, and what they send.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::lists::partitions;
use weir_core::consumer::LogEnd;
use weir_core::consumer::action::Change;
use weir_core::store::PartitionId;

/// The client's view of Kafka, once a second.
#[derive(Debug)]
pub(super) struct View {
    /// Whether a broker is connected.
    pub(super) connected: bool,
    /// The end of each log.
    pub(super) log_ends: HashMap<PartitionId, LogEnd>,
    /// How many partitions each topic has.
    pub(super) partitions: HashMap<Arc<str>, usize>,
}

/// The callbacks, which send a message and do nothing else.
#[derive(Debug)]
pub(super) struct Context {
    changes: mpsc::Sender<Change>,
    views: mpsc::Sender<View>,
    closing: AtomicBool,
    pub(super) connection: Connection,
}

impl Context {
    pub(super) fn new(changes: mpsc::Sender<Change>, views: mpsc::Sender<View>, connection: Connection) -> Self {
        Self { changes, views, closing: AtomicBool::new(false), connection }
    }

    /// Has the callbacks answer for themselves from now on, because nobody else will.
    pub(super) fn begin_close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.connection.token()
    }

    fn stats(&self, statistics: Statistics) {
        let connected = statistics.brokers.values().any(|broker| broker.state == "UP");
        let mut log_ends = HashMap::new();
        let mut partitions = HashMap::new();
        for (topic, statistics) in statistics.topics {
            let topic: Arc<str> = Arc::from(topic);
            // Partition -1 is not a real one.
            let numbered = statistics.partitions.into_values().filter(|partition| partition.partition >= 0);
            for found in numbered {
                *partitions.entry(Arc::clone(&topic)).or_default() += 1;
                if found.hi_offset >= 0 {
                    let id = PartitionId { topic: Arc::clone(&topic), partition: found.partition };
                    // The rest of the log consists of marks of transactions, which are no records.
                    let reached = found.next_offset >= found.hi_offset && found.fetchq_cnt == 0;
                    log_ends.insert(id, LogEnd { offset: found.hi_offset, reached });
                }
            }
        }
        // A view that nobody has taken yet says the same, a second earlier.
        let _ = self.views.try_send(View { connected, log_ends, partitions });
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if self.connection.is_news(reason) {
            tracing::warn!(%error, reason, "kafka_error");
        }
        self.connection.failed(&error, reason);
    }
}

impl ConsumerContext for Context {
    /// Kafka waits for the answer, which the loop gives at once or when it has drained, so the queue of messages never
    /// holds more than one or two. While the client closes, there is no loop any more.
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
