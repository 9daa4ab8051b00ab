//! The embedded Kafka: librdkafka's mock cluster, in this process, filled from a recording. It is for trying handlers.
//!
//! It is no Kafka. Its one broker, which nobody but this process uses, holds the records in memory, and forgets them
//! and the group's offsets when the process ends. It knows no topic's settings. Code that starts it must say so.

use std::fmt;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};

use super::recording::{self, Recorded, Recording};

/// How long the writing of all records may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why there is no embedded Kafka.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no recording.
    #[error(transparent)]
    Recording(#[from] recording::Error),
    /// The client's error.
    #[error("the embedded kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// It did not take a record.
    #[error("the embedded kafka did not take every record: {0}")]
    NotTaken(String),
}

/// A running embedded Kafka. It ends with the value.
pub struct Embedded {
    /// The client that the mock cluster belongs to.
    _producer: FutureProducer,
    brokers: String,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedded({})", self.brokers)
    }
}

impl Embedded {
    /// Starts an embedded Kafka and writes the recording to it.
    ///
    /// # Errors
    /// Fails if it does not start or does not take a record.
    pub async fn start(recording: &Recording) -> Result<Self, Error> {
        let producer: FutureProducer = configuration().create()?;
        let brokers = {
            let cluster = producer.client().mock_cluster();
            let cluster = cluster.ok_or_else(|| Error::NotTaken("it did not start".to_owned()))?;
            for (topic, partitions) in &recording.partitions {
                cluster.create_topic(topic, *partitions, 1)?;
            }
            cluster.bootstrap_servers()
        };
        match tokio::time::timeout(PATIENCE, write(&producer, &recording.records)).await {
            Ok(written) => written?,
            Err(_) => return Err(Error::NotTaken(format!("not within {} s", PATIENCE.as_secs()))),
        }
        Ok(Self { _producer: producer, brokers })
    }

    /// Returns its address, for clients in this process.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }
}

fn configuration() -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in [
        ("test.mock.num.brokers", "1"),
        ("client.id", "weir-embedded"),
        // One request at a time keeps the order.
        ("max.in.flight", "1"),
        ("linger.ms", "5"),
        // All records wait in the queue at once.
        ("queue.buffering.max.messages", "10000000"),
        ("queue.buffering.max.kbytes", "2097151"),
        ("message.max.bytes", "5000000"),
    ] {
        config.set(name, value);
    }
    config
}

/// Writes the records in their order, and waits until all are taken.
async fn write(producer: &FutureProducer, records: &[Recorded]) -> Result<(), Error> {
    let mut sent = Vec::with_capacity(records.len());
    for recorded in records {
        let mut record = FutureRecord::<str, str>::to(&recorded.topic).partition(recorded.partition);
        record.key = recorded.key.as_deref();
        record.payload = recorded.value.as_deref();
        record.timestamp = recorded.timestamp_ms;
        record.headers = Some(headers(recorded));
        sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
    }
    for delivery in sent {
        match delivery.await {
            Ok(Ok(_)) => {}
            Ok(Err((error, _))) => return Err(error.into()),
            Err(error) => return Err(Error::NotTaken(error.to_string())),
        }
    }
    Ok(())
}

fn headers(recorded: &Recorded) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(recorded.headers.len());
    recorded.headers.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() }))
}
