//! The committer's own task: one bounded hop between Kafka and the commit.

use tokio::sync::mpsc;

use crate::delivery::{Committer, Done, Entry};
use crate::store::{Claim, PartitionId};

/// What the loop asks of the committer, in this order.
#[derive(Debug)]
pub(super) enum Work {
    /// These claims are its own now.
    Own(Vec<(PartitionId, Claim)>),
    /// These no longer are.
    Disown(Vec<PartitionId>),
    /// Account for these records.
    Commit(Vec<Entry>),
}

/// The loop's ends of the two channels.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) work: mpsc::Sender<Work>,
    pub(super) done: mpsc::Receiver<Done>,
}

/// Starts the task; it ends when the sender of work is dropped, and gives the committer back.
pub(super) fn start(mut committer: Committer) -> (Hop, tokio::task::JoinHandle<()>) {
    let (work, mut works) = mpsc::channel(4);
    let (dones, done) = mpsc::channel(4);
    let task = tokio::spawn(async move {
        while let Some(work) = works.recv().await {
            match work {
                Work::Own(claims) => claims.into_iter().for_each(|(partition, claim)| committer.own(partition, claim)),
                Work::Disown(partitions) => partitions.iter().for_each(|partition| committer.disown(partition)),
                Work::Commit(entries) => {
                    if dones.send(committer.commit(entries).await).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    (Hop { work, done }, task)
}
