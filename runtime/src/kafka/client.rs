//! Kafka's client: how it is made, and what its callbacks send.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::{ClientContext, DefaultClientContext, OAuthToken};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc;

use super::assigning;
use super::connection::{self, Connection};
use crate::config::{SaslMechanism, Settings};
use weir_core::consumer::LogEnd;
use weir_core::consumer::action::Change;
use weir_core::consumer::broker::{Answer, Broker, Log, Unanswered};
use weir_core::store::PartitionId;

/// How long one question to Kafka may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long leaving the group may take.
const CLOSE: Duration = Duration::from_secs(3);
/// How long to trust what is known of a topic's settings.
const KNOWN_FOR: Duration = Duration::from_mins(1);

/// Why Kafka did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client's error.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// The topic is compacted.
    #[error(
        "the topic {0} is compacted (cleanup.policy): events of it may vanish before they are read\nhint: use a topic with \
         cleanup.policy=delete"
    )]
    Compacted(String),
    /// A property of the client that librdkafka refuses.
    #[error("kafka.{name} (of [kafka] in weir.toml, or KAFKA__ in the environment) is refused by librdkafka: {why}")]
    Property {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The login or a certificate is refused.
    #[error("kafka cannot be used with these settings: {0}")]
    Refused(String),
}

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

/// The client, and the receiving ends of its callbacks' channels.
pub struct Kafka {
    pub(super) client: Arc<StreamConsumer<Context>>,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) views: mpsc::Receiver<View>,
    pub(super) questions: Questions,
}

impl Kafka {
    /// Checks that a client can be made of the settings, and keeps none.
    ///
    /// # Errors
    /// Fails if librdkafka refuses a setting, such as an unknown property or a certificate that it cannot read.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        let _: BaseConsumer = connection::configuration(settings)?.create()?;
        Ok(())
    }

    /// Makes the client. Nothing is sent before it subscribes.
    ///
    /// # Errors
    /// Fails if librdkafka refuses a setting.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Self::make(settings, true)
    }

    /// Makes the client for the embedded Kafka, whose brokers the settings name.
    ///
    /// # Errors
    /// Fails if librdkafka refuses a setting.
    pub fn of_embedded(settings: &Settings) -> Result<Self, Error> {
        Self::make(settings, false)
    }

    fn make(settings: &Settings, describes: bool) -> Result<Self, Error> {
        let (changes_in, changes) = mpsc::channel(16);
        let (views_in, views) = mpsc::channel(1);
        let connection = Connection::of(settings);
        let context = Context { changes: changes_in, views: views_in, closing: AtomicBool::new(false), connection };
        let client: StreamConsumer<Context> = connection::configuration(settings)?.create_with_context(context)?;
        let client = Arc::new(client);
        let questions = Questions::new(&client, settings, describes);
        Ok(Self { client, changes, views, questions })
    }
}

pub(super) fn partitions(list: &TopicPartitionList) -> Vec<PartitionId> {
    list.elements()
        .iter()
        .map(|element| PartitionId { topic: Arc::from(element.topic()), partition: element.partition() })
        .collect()
}

/// Returns a list of partitions, each with its offset if it has one.
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

/// Questions to Kafka that block. Each runs on a thread of its own, and none keeps the client alive: dropping it blocks
/// until Kafka's client has left the group, so only [`close`] may be the last to do so.
#[derive(Clone)]
pub(super) struct Questions {
    client: Weak<StreamConsumer<Context>>,
    connection: Connection,
    settings: Arc<Settings>,
    /// Whether Kafka can be asked for a topic's settings.
    describes: bool,
    compacted: Arc<Mutex<HashMap<String, (Instant, bool)>>>,
}

impl fmt::Debug for Questions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Questions").finish_non_exhaustive()
    }
}

impl Questions {
    fn new(client: &Arc<StreamConsumer<Context>>, settings: &Settings, describes: bool) -> Self {
        let connection = client.context().connection.clone();
        let (client, settings) = (Arc::downgrade(client), Arc::new(settings.clone()));
        Self { client, connection, settings, describes, compacted: Arc::default() }
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&StreamConsumer<Context>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Answer<'_, T> {
        let client = Weak::clone(&self.client);
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || client.upgrade().map(|client| question(&client)));
            match asked.await {
                Ok(Some(answer)) => answer.map_err(|error| self.unanswered(&error)),
                Ok(None) => Err(Unanswered("the client is closed".to_owned())),
                Err(error) => Err(Unanswered(error.to_string())),
            }
        })
    }

    /// Prefers the reason why there is no connection to the error of an unanswered question, which says less.
    fn unanswered(&self, error: &KafkaError) -> Unanswered {
        let trouble = self.connection.trouble().map(|trouble| trouble.why);
        Unanswered(trouble.unwrap_or_else(|| error.to_string()))
    }

    /// Asks whether the topic is compacted, with a client made for the question.
    async fn policy(&self, topic: &str) -> Result<bool, Unanswered> {
        if !self.describes {
            return Ok(false);
        }
        // This client library gives an admin client no token.
        if self.settings.kafka_sasl_mechanism == Some(SaslMechanism::OauthBearer) {
            let hint = "make sure that it has cleanup.policy=delete";
            tracing::warn!(topic, hint, "topic_policy_not_checked: it cannot be asked for with OAUTHBEARER");
            return Ok(false);
        }
        let told = |error: KafkaError| self.unanswered(&error);
        let mut config = connection::configuration(&self.settings).map_err(|error| Unanswered(error.to_string()))?;
        let admin: AdminClient<DefaultClientContext> =
            config.set("statistics.interval.ms", "0").create().map_err(told)?;
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let answer = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options).await.map_err(told)?;
        match answer.into_iter().next() {
            Some(Ok(resource)) => {
                let policy = resource.get("cleanup.policy").and_then(|entry| entry.value.clone());
                Ok(policy.is_some_and(|policy| policy.split(',').any(|part| part.trim() == "compact")))
            }
            Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition)) | None => Ok(false),
            Some(Err(code)) => Err(Unanswered(format!("the settings of topic {topic} are not told: {code}"))),
        }
    }

    /// Commits offsets and waits for Kafka's answer.
    pub(super) async fn commit(&self, offsets: TopicPartitionList) -> Result<(), Unanswered> {
        self.ask(move |client| client.commit(&offsets, CommitMode::Sync)).await
    }
}

impl Broker for Questions {
    fn topics(&self) -> Answer<'_, Vec<(String, i32)>> {
        self.ask(move |client| {
            let metadata = client.fetch_metadata(None, TIMEOUT)?;
            let count = |partitions: usize| i32::try_from(partitions).unwrap_or(i32::MAX);
            let topics = metadata.topics().iter();
            Ok(topics.map(|topic| (topic.name().to_owned(), count(topic.partitions().len()))).collect())
        })
    }

    fn is_compacted<'a>(&'a self, topic: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let known = || self.compacted.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, compacted)) = known().get(topic).filter(|(asked, _)| asked.elapsed() < KNOWN_FOR) {
                return Ok(*compacted);
            }
            let compacted = self.policy(topic).await?;
            known().insert(topic.to_owned(), (Instant::now(), compacted));
            Ok(compacted)
        })
    }

    fn partition_count<'a>(&'a self, topic: &'a str) -> Answer<'a, i32> {
        let topic = topic.to_owned();
        self.ask(move |client| {
            let metadata = client.fetch_metadata(Some(&topic), TIMEOUT)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            match found.and_then(rdkafka::metadata::MetadataTopic::error).map(RDKafkaErrorCode::from) {
                None | Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::LeaderNotAvailable) => {}
                Some(code) => return Err(KafkaError::MetadataFetch(code)),
            }
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

/// Leaves the group. The loop has given everything back before, but Kafka's client may still wait for the answer to a
/// revocation that came too late for it, and then never leaves.
pub(super) async fn close(client: Arc<StreamConsumer<Context>>) {
    client.context().closing.store(true, Ordering::Release);
    let closed = tokio::task::spawn_blocking(move || {
        if let Err(error) = assigning::unassign_all(&client) {
            tracing::debug!(%error, "close_unassign_failed");
        }
        // A question that is under way holds the client too, for a few seconds at most.
        while Arc::strong_count(&client) > 1 {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(client);
    });
    if tokio::time::timeout(CLOSE, closed).await.is_err() {
        tracing::warn!("kafka_close_timed_out");
    }
}
