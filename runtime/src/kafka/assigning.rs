//! Tells Kafka's client which partitions this process reads.

use std::collections::HashSet;

use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::callbacks::Context;
use super::lists::{list, partitions};
use weir_core::store::PartitionId;

/// Where a partition is read from. Without an offset, it is assigned and not read.
pub(super) type Start = (PartitionId, Option<i64>);

/// Answers an assignment before any of it is claimed, so that the rest of the group, and what this process already has,
/// go on. Nothing is read of a partition before [`assign`] says where.
pub(super) fn accept(client: &StreamConsumer<Context>) -> Result<(), KafkaError> {
    client.incremental_assign(&TopicPartitionList::new())
}

/// Has the client read these from where they start, whatever it did with them before. Returns those that it did not
/// take.
pub(super) fn assign(client: &StreamConsumer<Context>, starts: &[Start]) -> Vec<PartitionId> {
    let Err(error) = assign_together(client, starts) else { return Vec::new() };
    tracing::warn!(%error, "assign_failed");
    // The client takes all of a list or nothing, and one partition must not keep the others from being read.
    let refused = |start: &&Start| {
        let assigned = assign_together(client, std::slice::from_ref(*start));
        assigned.inspect_err(|error| tracing::warn!(%error, partition = %start.0, "assign_failed")).is_err()
    };
    starts.iter().filter(refused).map(|(partition, _)| partition.clone()).collect()
}

fn assign_together(client: &StreamConsumer<Context>, starts: &[Start]) -> Result<(), KafkaError> {
    let known = assigned(client)?;
    let again: Vec<&PartitionId> =
        starts.iter().map(|(partition, _)| partition).filter(|id| known.contains(id)).collect();
    if !again.is_empty() {
        client.incremental_unassign(&list(again.into_iter().map(|partition| (partition, None)))?)?;
    }
    client.incremental_assign(&list(starts.iter().map(|(id, start)| (id, Some(start.unwrap_or(0)))))?)?;
    // In Kafka's client, a pause outlasts an assignment, even one that is left from an earlier assignment.
    let read = starts.iter().filter(|(_, start)| start.is_some()).map(|(partition, _)| (partition, None));
    client.resume(&list(read)?)?;
    let idle = starts.iter().filter(|(_, start)| start.is_none()).map(|(partition, _)| (partition, None));
    client.pause(&list(idle)?)
}

/// Gives back those of these that the client has, which answers a revocation.
pub(super) fn unassign(client: &StreamConsumer<Context>, partitions: &[PartitionId]) -> Result<(), KafkaError> {
    let known = assigned(client)?;
    let given_back = partitions.iter().filter(|partition| known.contains(partition));
    client.incremental_unassign(&list(given_back.map(|partition| (partition, None)))?)
}

/// Gives back everything, which answers any revocation.
pub(super) fn unassign_all(client: &StreamConsumer<Context>) -> Result<(), KafkaError> {
    client.incremental_unassign(&client.assignment()?)
}

/// Returns what the client has. It refuses a list in which one partition is not as it expects, so this is looked up
/// first.
fn assigned(client: &StreamConsumer<Context>) -> Result<HashSet<PartitionId>, KafkaError> {
    Ok(partitions(&client.assignment()?).into_iter().collect())
}
