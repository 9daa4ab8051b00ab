//! Handles what comes from Kafka's client: records, errors, and its view of the brokers.

use std::sync::Arc;

use futures_util::FutureExt as _;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};

use super::Reading;
use crate::kafka::callbacks::{Context, View};
use crate::kafka::record;
use weir_core::delivery::{Entry, Item};
use weir_core::failpoint;
use weir_core::hint;
use weir_core::store::PartitionId;
use weir_core::telemetry::health::{ASSIGNMENT, KAFKA};
use weir_core::telemetry::metrics::Service;

impl Reading {
    pub(super) fn received(
        &mut self,
        received: Result<BorrowedMessage<'_>, KafkaError>,
        client: &StreamConsumer<Context>,
    ) {
        failpoint::pass("after-poll");
        let mut received = Some(received);
        for _ in 0..self.settings.kafka_max_poll_records {
            match received.take().or_else(|| client.recv().now_or_never()) {
                Some(Ok(message)) => self.record(&message),
                Some(Err(error)) => self.kafka_error(&error),
                None => return,
            }
            // Decoding hundreds of records takes milliseconds, in which the committer would be idle.
            while let Ok(said) = self.ends.said.try_recv() {
                self.member.said(said, self.clock.elapsed());
            }
            if self.member.has_whole_batch() || self.member.is_full() {
                return;
            }
        }
    }

    fn record(&mut self, message: &BorrowedMessage<'_>) {
        let id = PartitionId { topic: Arc::from(message.topic()), partition: message.partition() };
        if !self.member.takes(&id, message.offset()) {
            return;
        }
        let entry = record::decode(id, message, &self.decoding);
        self.metrics.record(record::kind(&entry.item));
        self.say_without_op(&entry);
        self.member.record(entry);
    }

    /// Warns once that inserts and updates look alike in this topic.
    fn say_without_op(&mut self, entry: &Entry) {
        let Item::Event(event) = &entry.item else { return };
        if event.says_op || self.said_without_op {
            return;
        }
        self.said_without_op = true;
        let (topic, offset) = (&*entry.partition().topic, entry.offset());
        let hint = "set add.fields=op on the connector's ExtractNewRecordState (docs/records.md)";
        tracing::warn!(
            topic,
            partition = entry.partition().partition,
            offset,
            hint,
            "operation_missing: these rows do not say whether they were inserted or updated, so an update is known by its \
             event's id only, as long as the ledger remembers it"
        );
    }

    fn kafka_error(&mut self, error: &KafkaError) {
        self.metrics.fault(Service::Kafka);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                let topics = &self.settings.kafka_topic;
                let which = if topics.only().is_some() { "the topic" } else { "one of the topics" };
                self.not_assigned(format!("{which} {topics} does not exist yet"));
            }
            Some(
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed),
            ) => {
                let (topics, group) = (&self.settings.kafka_topic, &self.settings.kafka_group_id);
                let needs = "Read and Describe on both, and DescribeConfigs on the topic";
                let fact = format!("kafka does not let this user read {topics} as {group} ({code})");
                self.not_assigned(hint::with(&fact, &format!("it needs {needs}")));
            }
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                tracing::warn!(%error, "offset_out_of_range: partitions are claimed anew");
                self.member.offset_out_of_range();
            }
            _ => tracing::debug!(%error, "kafka_fault"),
        }
    }

    /// Reports why nothing, or not everything, is assigned.
    fn not_assigned(&mut self, why: String) {
        self.not_read = Some((self.clock.elapsed(), why.clone()));
        if self.member.partitions().count() == 0 {
            self.health.waiting_for(ASSIGNMENT, why);
        } else {
            tracing::warn!(%why, "topic_not_read");
        }
    }

    pub(super) fn viewed(&mut self, view: &View) {
        let connection = &self.kafka.client.context().connection;
        if view.connected {
            connection.made();
            self.health.found(KAFKA);
            if self.member.partitions().count() > 0 && !self.member.waits_for_first_claim() && !self.has_lost {
                self.health.found(ASSIGNMENT);
            }
        } else {
            let why = connection.trouble().map_or_else(String::new, |trouble| format!(": {}", trouble.why));
            self.health.waiting_for(KAFKA, format!("no broker is connected{why}"));
            self.member.disconnected();
        }
        self.member.log_ends(&view.log_ends);
        for (topic, now) in &view.partitions {
            let known = self.topic_partitions.entry(Arc::clone(topic)).or_insert(*now);
            if now > known {
                tracing::info!(topic = &**topic, before = *known, now, "topic_has_more_partitions");
                *known = *now;
            }
        }
    }
}
