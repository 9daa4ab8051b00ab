//! How far a group has come.

use serde::Serialize;
use utoipa::ToSchema;

use weir_core::store::{self, Progress, Store};

/// A partition of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartitionProgress {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The offset of the first record that is not accounted for.
    pub next: String,
    /// Increases with every claim.
    pub epoch: String,
    /// How many transactions have moved it.
    pub commits: String,
    /// The offset at which the group began, or at which it was set to go on.
    pub start: Option<String>,
    /// The reason for this offset.
    pub start_because: Option<String>,
    /// The owner that claimed it and has not given it back.
    pub owner: Option<String>,
}

/// Returns the group's partitions, by topic and number.
///
/// # Errors
/// If MongoDB has more than one reply of 16 MiB. Also fails if MongoDB refuses a command or does not answer.
pub async fn list(store: &Store) -> Result<Vec<PartitionProgress>, store::Error> {
    Ok(store.all_progress().await?.into_iter().map(shown).collect())
}

pub(super) fn shown(progress: Progress) -> PartitionProgress {
    let partition = progress.partition();
    PartitionProgress {
        topic: partition.topic.to_string(),
        partition: partition.partition,
        next: progress.next.to_string(),
        epoch: progress.epoch.to_string(),
        commits: progress.commits.to_string(),
        start: progress.start.map(|start| start.to_string()),
        start_because: progress.start_because,
        owner: progress.owner,
    }
}
