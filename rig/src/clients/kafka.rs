//! Kafka: topics, records, groups.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{ClientConfig, Offset};
use tokio::task::spawn_blocking;

/// How long Kafka may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A record, before it is sent or after it is read.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The partition it goes to or came from. If it is `None` when the record is sent, the key decides.
    pub partition: Option<i32>,
    /// The offset it was read at.
    pub offset: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; a tombstone has none.
    pub value: Option<Vec<u8>>,
    /// The headers, in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl From<(i32, Option<String>)> for Record {
    fn from((partition, value): (i32, Option<String>)) -> Self {
        Self { partition: Some(partition), value: value.map(String::into_bytes), ..Self::default() }
    }
}

/// A client of a broker, independent of any host.
#[derive(Clone)]
pub struct Kafka {
    bootstrap: String,
    producer: FutureProducer,
    admin: std::sync::Arc<AdminClient<DefaultClientContext>>,
}

impl Kafka {
    /// Returns a client that is not connected yet.
    pub fn new(bootstrap: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("enable.idempotence", "true");
        let producer = config.create().context("kafka's producer cannot be made")?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        let admin = config.create().context("kafka's admin client cannot be made")?;
        Ok(Self { bootstrap: bootstrap.to_owned(), producer, admin: std::sync::Arc::new(admin) })
    }

    /// Makes a topic.
    pub async fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        new.config = settings.to_vec();
        let made = self.admin.create_topics([&new], &options()).await.context("kafka makes no topic")?;
        for topic in made {
            topic.map_err(|(topic, error)| anyhow!("kafka does not make the topic {topic}: {error}"))?;
        }
        Ok(())
    }

    /// Deletes a topic.
    pub async fn delete(&self, topic: &str) -> Result<()> {
        let gone = self.admin.delete_topics(&[topic], &options()).await.context("kafka deletes no topic")?;
        for topic in gone {
            topic.map_err(|(topic, error)| anyhow!("kafka does not delete the topic {topic}: {error}"))?;
        }
        Ok(())
    }

    /// Sends records in their order, and returns once Kafka has all of them.
    pub async fn send<R: Into<Record>>(&self, topic: &str, records: impl IntoIterator<Item = R>) -> Result<()> {
        let mut sent = Vec::new();
        for record in records {
            let record: Record = record.into();
            let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
            for (key, value) in &record.headers {
                headers = headers.insert(Header { key, value: value.as_ref() });
            }
            let future = FutureRecord::<[u8], [u8]> {
                topic,
                partition: record.partition,
                payload: record.value.as_deref(),
                key: record.key.as_deref(),
                timestamp: None,
                headers: (!record.headers.is_empty()).then_some(headers),
            };
            sent.push(self.producer.send_result(future).map_err(|(error, _)| error).context("a record is not taken")?);
        }
        for delivery in sent {
            delivery.await.context("kafka's producer was closed")?.map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    /// Sends one record in the client's own form, for example one with headers that are not text.
    pub async fn send_one(&self, record: FutureRecord<'_, [u8], [u8]>) -> Result<()> {
        let sent = self.producer.send_result(record).map_err(|(error, _)| error).context("a record is not taken")?;
        sent.await.context("kafka's producer was closed")?.map_err(|(error, _)| error)?;
        Ok(())
    }

    /// Sends records to a partition in one transaction, and commits or aborts it. Its marker takes the offset after
    /// them.
    pub async fn transact(&self, topic: &str, partition: i32, values: Vec<String>, commits: bool) -> Result<()> {
        let (bootstrap, topic) = (self.bootstrap.clone(), topic.to_owned());
        blocking(move || {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", bootstrap).set("transactional.id", &topic);
            let producer: BaseProducer = config.create().context("kafka's producer cannot be made")?;
            producer.init_transactions(PATIENCE)?;
            producer.begin_transaction()?;
            for value in &values {
                let record = BaseRecord::<(), str>::to(&topic).partition(partition).payload(value);
                producer.send(record).map_err(|(error, _)| error)?;
            }
            producer.flush(PATIENCE)?;
            let ended =
                if commits { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) };
            Ok(ended?)
        })
        .await
    }

    /// Deletes the records before an offset, as retention does.
    pub async fn delete_before(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        let deleted = self.admin.delete_records(&list, &options()).await.context("kafka deletes no records")?;
        for partition in deleted.elements() {
            partition.error().context("kafka deletes no records")?;
        }
        Ok(())
    }

    /// Returns the offset after the last record of each partition.
    pub async fn ends(&self, topic: &str) -> Result<Vec<i64>> {
        let (bootstrap, topic) = (self.bootstrap.clone(), topic.to_owned());
        blocking(move || Ok(bounds(&consumer(&bootstrap, "rig")?, &topic)?.into_iter().map(|(_, end)| end).collect()))
            .await
    }

    /// Returns all records that a topic holds now. Those of one partition are in their order.
    pub async fn records(&self, topic: &str) -> Result<Vec<Record>> {
        let (bootstrap, topic) = (self.bootstrap.clone(), topic.to_owned());
        blocking(move || read(&consumer(&bootstrap, "rig")?, &topic)).await
    }

    /// Returns the offset that a group has committed.
    pub async fn committed(&self, group: &str, topic: &str, partition: i32) -> Result<Option<i64>> {
        let (bootstrap, group, topic) = (self.bootstrap.clone(), group.to_owned(), topic.to_owned());
        blocking(move || {
            let mut list = TopicPartitionList::new();
            list.add_partition(&topic, partition);
            let found = consumer(&bootstrap, &group)?.committed_offsets(list, PATIENCE)?;
            Ok(found.elements()[0].offset().to_raw().filter(|offset| *offset >= 0))
        })
        .await
    }

    /// Commits an offset for a group, as a predecessor does.
    pub async fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let (bootstrap, group, topic) = (self.bootstrap.clone(), group.to_owned(), topic.to_owned());
        blocking(move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, partition, Offset::Offset(offset))?;
            Ok(consumer(&bootstrap, &group)?.commit(&list, CommitMode::Sync)?)
        })
        .await
    }

    /// Returns how many members a group has, or `None` while it is not stable.
    pub async fn members(&self, group: &str) -> Result<Option<usize>> {
        let (bootstrap, group) = (self.bootstrap.clone(), group.to_owned());
        blocking(move || {
            let found = consumer(&bootstrap, "rig")?.fetch_group_list(Some(&group), PATIENCE)?;
            let stable = found.groups().iter().find(|known| known.name() == group && known.state() == "Stable");
            Ok(stable.map(|group| group.members().len()))
        })
        .await
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.context("a call of kafka's client panicked")?
}

/// A consumer that is assigned by hand, if at all. The group's name is used only to ask for its offsets.
fn consumer(bootstrap: &str, group: &str) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", group).set("enable.auto.commit", "false");
    config.create().context("kafka's consumer cannot be made")
}

/// Returns the first offset of each partition, and the one after its last record.
fn bounds(consumer: &BaseConsumer, topic: &str) -> Result<Vec<(i64, i64)>> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let found =
        metadata.topics().iter().find(|known| known.name() == topic).context("kafka does not know the topic")?;
    let mut partitions: Vec<i32> = found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect();
    partitions.sort_unstable();
    ensure!(!partitions.is_empty(), "the topic {topic} has no partition");
    partitions.into_iter().map(|partition| Ok(consumer.fetch_watermarks(topic, partition, PATIENCE)?)).collect()
}

fn read(consumer: &BaseConsumer, topic: &str) -> Result<Vec<Record>> {
    let mut left = 0;
    let mut list = TopicPartitionList::new();
    for (partition, (first, end)) in (0..).zip(bounds(consumer, topic)?) {
        left += end - first;
        list.add_partition_offset(topic, partition, Offset::Offset(first))?;
    }
    consumer.assign(&list)?;
    let mut records = Vec::new();
    while left > 0 {
        let message = consumer.poll(PATIENCE).context("kafka gives no record")??;
        left -= 1;
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        records.push(Record {
            partition: Some(message.partition()),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect(),
        });
    }
    Ok(records)
}
