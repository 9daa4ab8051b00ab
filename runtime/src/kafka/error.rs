//! Why Kafka did not do what it was asked.

use rdkafka::error::KafkaError;

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
