//! The look at what moves without this process: what a person has set, where other hosts have claimed, idle partitions.

use std::future;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use super::Reading;
use crate::consumer::broker::Broker as _;
use crate::store::{GroupProgress, PartitionId};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(15);
/// How many logs are asked for at a time: one whose leader is away takes seconds to say nothing.
const AT_ONCE: usize = 8;

/// The group's progress, and where logs ended after that was seen, as far as Kafka has told.
pub(super) struct Ends {
    seen: GroupProgress,
    ends: Vec<(PartitionId, i64)>,
}

/// How often to look; proofs have less time than people.
pub(super) fn interval() -> Duration {
    #[cfg(feature = "proofs")]
    if let Some(ms) = std::env::var("WEIR_IDLE_MS").ok().and_then(|ms| ms.parse().ok()) {
        return Duration::from_millis(ms);
    }
    EVERY
}

impl Reading {
    /// Asks how far the group has come.
    pub(super) fn look_at_idle(&mut self) {
        if self.progress.is_none() {
            let store = self.store.clone();
            self.progress = Some(tokio::spawn(async move { store.group_progress().await.ok() }));
        }
    }

    /// Claims anew what somebody has set or claimed, and asks where the logs of the others end.
    pub(super) fn seen_progress(&mut self, seen: Option<GroupProgress>) {
        let Some(seen) = seen else { return };
        self.partitions.compare(&seen.epochs);
        if self.log_ends.is_some() {
            return;
        }
        let (questions, owned) = (self.questions.clone(), self.partitions.owned());
        self.log_ends = Some(tokio::spawn(async move {
            let ends = stream::iter(owned).map(|partition| {
                let questions = questions.clone();
                async move {
                    let log = questions.log(&partition).await.ok()?;
                    Some((partition, log.end))
                }
            });
            let ends = ends.buffer_unordered(AT_ONCE).filter_map(future::ready).collect().await;
            Ends { seen, ends }
        }));
    }

    /// Tells the committer which partitions are at their ends, so that they do not keep the ledger.
    pub(super) fn seen_ends(&mut self, Ends { seen, ends }: Ends) {
        let at_end = self.partitions.at_end(&ends).into_iter();
        let highest = at_end.filter_map(|id| seen.highest_of(&id.topic).map(|highest_ms| (id, highest_ms)));
        self.ends.works.advise(highest.collect());
    }
}
