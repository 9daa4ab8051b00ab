//! The tasks that claim partitions. They end with this value.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use weir_core::consumer::claiming::{Claimed, Claiming};
use weir_core::store::PartitionId;

/// How many claims may be made without the loop having heard of them.
const MADE: usize = 64;

/// The tasks, and the channel on which they report.
#[derive(Debug)]
pub(super) struct ClaimTasks {
    to: mpsc::Sender<(PartitionId, Claimed)>,
    from: mpsc::Receiver<(PartitionId, Claimed)>,
    tasks: JoinSet<()>,
}

impl ClaimTasks {
    pub(super) fn new() -> Self {
        let (to, from) = mpsc::channel(MADE);
        Self { to, from, tasks: JoinSet::new() }
    }

    /// Claims the partitions after a pause.
    pub(super) fn spawn(&mut self, claiming: Claiming, partitions: Vec<PartitionId>, after: Duration) {
        while self.tasks.try_join_next().is_some() {}
        let to = self.to.clone();
        self.tasks.spawn(async move {
            tokio::time::sleep(after).await;
            let mut made = std::pin::pin!(claiming.each(partitions));
            while let Some(claimed) = made.next().await {
                if to.send(claimed).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Returns the next claim that was made. May be dropped at any time without loss.
    pub(super) async fn next(&mut self) -> (PartitionId, Claimed) {
        match self.from.recv().await {
            Some(claimed) => claimed,
            None => unreachable!("this value holds a sender"),
        }
    }

    /// Returns the next claim if one was made by now.
    pub(super) fn try_next(&mut self) -> Option<(PartitionId, Claimed)> {
        self.from.try_recv().ok()
    }
}
