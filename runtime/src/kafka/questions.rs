//! What Kafka is asked, each question on a thread of its own.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::callbacks::Context;
use super::connection::{self, Connection};
use super::lists::list;
use crate::config::{SaslMechanism, Settings};
use weir_core::consumer::broker::{Answer, Broker, Log, Unanswered};
use weir_core::store::PartitionId;

/// How long one question to Kafka may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long to trust what is known of a topic's settings.
const KNOWN_FOR: Duration = Duration::from_mins(1);

/// Questions to Kafka that block. Each runs on a thread of its own, and none keeps the client alive: dropping it blocks
/// until Kafka's client has left the group, so only [`close`](super::client::close) may be the last to do so.
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
    pub(super) fn new(client: &Arc<StreamConsumer<Context>>, settings: &Settings, describes: bool) -> Self {
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
