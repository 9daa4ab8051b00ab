//! Performs what the member decides, on Kafka's client, MongoDB and the committer.

use std::future;
use std::sync::atomic::Ordering;

use futures_util::stream::{self, StreamExt as _};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::{Reading, numbers};
use crate::kafka::assigning::{self, Start};
use crate::kafka::lists;
use weir_core::consumer::action::{Action, Standing};
use weir_core::consumer::broker::Broker as _;
use weir_core::consumer::returning::HAND_OVER;
use weir_core::failpoint;
use weir_core::hint;
use weir_core::store::PartitionId;
use weir_core::telemetry::health::ASSIGNMENT;

/// How many logs to ask for at a time. A partition whose leader is away takes seconds to fail.
const AT_ONCE: usize = 8;

impl Reading {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Accept => {
                if let Err(error) = assigning::accept(&self.kafka.client) {
                    // The assignment that follows the first claim is an answer too.
                    tracing::warn!(%error, "assignment_not_accepted");
                }
            }
            Action::Claim { partitions, after } => self.claim_tasks.spawn(self.claiming.clone(), partitions, after),
            Action::Read(starts) => self.read(&starts),
            Action::Stop { partition, why, is_read } => {
                self.stop_partition(&partition, &why);
                if is_read {
                    // If this fails, its records are fetched and thrown away, which does no harm.
                    log_failure("stopped_partition_not_paused", self.pause(std::slice::from_ref(&partition)));
                }
            }
            Action::Pause(partitions) => {
                tracing::info!(partitions = numbers(&partitions), "reading_paused");
                log_failure("kafka_call_failed", self.pause(&partitions));
            }
            Action::Resume(partitions) => {
                tracing::info!(partitions = numbers(&partitions), "reading_resumed");
                log_failure("kafka_call_failed", plain(&partitions).and_then(|list| self.kafka.client.resume(&list)));
            }
            Action::CommitOffsets(offsets) => {
                failpoint::pass("before-offsets");
                let list = lists::list(offsets.iter().map(|(partition, next)| (partition, Some(*next))));
                log_failure(
                    "kafka_call_failed",
                    list.and_then(|list| self.kafka.client.commit(&list, CommitMode::Async)),
                );
            }
            Action::GiveUp(give_up) => self.give_up.store(give_up, Ordering::Relaxed),
            Action::HandOver { standing, is_awaited } => {
                let handing_over = tokio::spawn(self.hand_over(standing));
                if is_awaited {
                    self.handing_over = Some(handing_over);
                }
            }
            Action::Return(partitions) => self.give_back(&partitions),
            Action::AskProgress => {
                let store = self.store.clone();
                self.progress = Some(tokio::spawn(async move { store.group_progress().await.ok() }));
            }
            Action::AskLogEnds(partitions) => self.ask_log_ends(partitions),
            Action::Advise(at_end) => self.ends.works.advise(at_end, &self.member),
            Action::Leave { is_clean } => self.leaving = Some(is_clean),
        }
    }

    fn read(&mut self, starts: &[Start]) {
        for (PartitionId { topic, partition }, _) in starts.iter().filter(|(_, start)| start.is_some()) {
            self.health.partition_resumed(topic, *partition);
            self.metrics.partition_stopped(topic, *partition, false);
        }
        let refused = assigning::assign(&self.kafka.client, starts);
        self.member.not_read(&refused);
        self.metrics.partitions_owned(self.member.partitions().count());
        if !self.member.waits_for_first_claim() {
            self.health.found(ASSIGNMENT);
        }
    }

    fn pause(&self, partitions: &[PartitionId]) -> Result<(), KafkaError> {
        self.kafka.client.pause(&plain(partitions)?)
    }

    fn stop_partition(&self, partition: &PartitionId, why: &str) {
        let PartitionId { topic, partition: number } = partition;
        let group = &self.settings.kafka_group_id;
        let (fact, hint) = hint::split(why);
        let hint = hint.unwrap_or_else(|| {
            format!(
                "once you know what was lost: weir progress set --topic {topic} --partition {number} --offset <n> (group \
                 {group})"
            )
        });
        tracing::error!(topic = &**topic, partition = number, error = fact, hint, "partition_stopped");
        self.health.partition_stopped(topic, *number, hint::with(&fact, &hint));
        self.metrics.partition_stopped(topic, *number, true);
    }

    /// Tells Kafka the offsets before it tells MongoDB that the owner has gone: an owner that progress no longer names
    /// has committed all of them. What does not succeed in time is given up. Then the next owner finds this one's name
    /// and ends sessions that have already ended.
    fn hand_over(&self, standing: Vec<Standing>) -> impl Future<Output = ()> + Send + 'static {
        let (questions, store) = (self.questions.clone(), self.store.clone());
        let handing_over = async move {
            match lists::list(standing.iter().map(|it| (&it.partition, Some(it.next)))) {
                Ok(list) => questions.commit(list).await?,
                Err(error) => tracing::warn!(%error, "offsets_not_committed"),
            }
            let claims: Vec<_> = standing.iter().map(|it| (&it.partition, it.epoch)).collect();
            store.release(&claims).await.map_err(anyhow::Error::from)
        };
        async move {
            let handed_over = tokio::time::timeout(HAND_OVER, handing_over).await;
            let given_up = |_| Err(anyhow::anyhow!("it was given up after {} s", HAND_OVER.as_secs()));
            log_failure("hand_over_failed", handed_over.unwrap_or_else(given_up));
        }
    }

    fn give_back(&mut self, partitions: &[PartitionId]) {
        for partition in partitions {
            self.metrics.partition_gone(&partition.topic, partition.partition);
            self.health.partition_resumed(&partition.topic, partition.partition);
        }
        self.metrics.partitions_owned(self.member.partitions().count());
        let answered = assigning::unassign(&self.kafka.client, partitions);
        self.member.returned(answered.is_ok(), self.clock.elapsed());
        log_failure("unassign_failed", answered);
    }

    fn ask_log_ends(&mut self, partitions: Vec<PartitionId>) {
        let questions = self.questions.clone();
        self.log_ends = Some(tokio::spawn(async move {
            let ends = stream::iter(partitions).map(|partition| {
                let questions = questions.clone();
                async move {
                    let log = questions.log(&partition).await.ok()?;
                    Some((partition, log.end))
                }
            });
            ends.buffer_unordered(AT_ONCE).filter_map(future::ready).collect().await
        }));
    }
}

fn plain(partitions: &[PartitionId]) -> Result<TopicPartitionList, KafkaError> {
    lists::list(partitions.iter().map(|partition| (partition, None)))
}

/// Logs an error that nothing else follows from.
fn log_failure<E: std::fmt::Display>(what: &'static str, result: Result<(), E>) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what}");
    }
}
