//! Changes of the assignment, and the claims that follow from them.

use std::time::Duration;

use rdkafka::consumer::Consumer as _;

use super::{Reading, numbers};
use crate::consumer::assigning;
use crate::consumer::claiming::Claimed;
use crate::consumer::kafka::{self, Change};
use crate::consumer::partitions::Assigned;
use crate::store::PartitionId;
use crate::telemetry::health::ASSIGNMENT;

/// How long a partition rests whose claim another host took, for that host may own it by right.
const LOST_PAUSE: Duration = Duration::from_millis(500);

impl Reading {
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Assigned(partitions) => {
                tracing::info!(partitions = numbers(&partitions), "partitions_assigned");
                if let Err(error) = assigning::accept(&self.kafka.client) {
                    // The first claim's answer is one too.
                    tracing::warn!(%error, "assignment_not_accepted");
                }
                self.claims.begin(&self.claiming, &partitions, true, Duration::ZERO);
                if partitions.is_empty() {
                    self.health.found(ASSIGNMENT);
                }
            }
            Change::Revoked(partitions) => {
                tracing::info!(partitions = numbers(&partitions), "partitions_revoked");
                self.give_back(partitions, true);
            }
            Change::Lost(partitions) => {
                tracing::warn!(partitions = numbers(&partitions), "partitions_lost");
                self.give_back(partitions, false);
            }
        }
    }

    /// Claims anew what was lost, unless it goes back to Kafka.
    pub(super) fn reclaim(&mut self) {
        let returning = self.returning.as_ref().map_or(&[][..], |returning| &returning.partitions);
        let lost = self.partitions.to_reclaim().iter().filter(|partition| !returning.contains(partition));
        let lost: Vec<PartitionId> = lost.cloned().collect();
        if !lost.is_empty() {
            self.claims.begin(&self.claiming, &lost, false, LOST_PAUSE);
        }
    }

    /// A claim was made.
    pub(super) fn claimed(&mut self, claimed: (PartitionId, Claimed)) {
        let noted = self.claims.note(claimed);
        self.hand_over_unwanted(noted.unwanted);
        self.claims.begin(&self.claiming, &noted.again, true, Duration::ZERO);
    }

    /// The partitions of claims that were made are read from where these say.
    pub(super) fn take_claims(&mut self) {
        let claimed = self.claims.take();
        if claimed.is_empty() {
            return;
        }
        let Assigned { claims, starts, stopped } = self.partitions.claimed(claimed);
        for (PartitionId { topic, partition }, _) in starts.iter().filter(|(_, start)| start.is_some()) {
            self.health.partition_resumed(topic, *partition);
            self.metrics.partition_stopped(topic, *partition, false);
        }
        for (partition, why) in stopped {
            self.stop_partition(&partition, &why);
        }
        self.ends.works.own(claims);
        // What Kafka's client does not take is claimed anew, which tries again.
        self.partitions.lose(&assigning::assign(&self.kafka.client, &starts));
        self.metrics.partitions_owned(self.partitions.count());
        if !self.claims.wait_for_first() {
            self.health.found(ASSIGNMENT);
        }
    }

    /// The last record of a partition is another one now: nothing more of it is read.
    pub(super) fn stop_reading(&self, partition: &PartitionId, why: &str) {
        self.stop_partition(partition, why);
        let paused = kafka::list([(partition, None)]).and_then(|list| self.kafka.client.pause(&list));
        if let Err(error) = paused {
            // Its records are fetched and thrown away, and that is all.
            tracing::warn!(%error, %partition, "stopped_partition_not_paused");
        }
    }

    fn stop_partition(&self, partition: &PartitionId, why: &str) {
        let PartitionId { topic, partition: number } = partition;
        let group = &self.settings.kafka_group_id;
        let hint = format!("weir progress set --topic {topic} --partition {number} --offset <n> (group {group})");
        tracing::error!(topic = &**topic, partition = number, error = why, hint, "partition_stopped");
        self.health.partition_stopped(topic, *number, format!("{why}; once you know what was lost: {hint}"));
        self.metrics.partition_stopped(topic, *number, true);
    }
}
