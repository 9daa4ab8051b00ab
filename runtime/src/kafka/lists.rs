//! Lists of partitions, from and for Kafka's client.

use std::sync::Arc;

use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use weir_core::store::PartitionId;

/// Returns the partitions of a list.
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
