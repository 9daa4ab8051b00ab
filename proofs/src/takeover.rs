//! How soon partitions are committed for again after their owner has gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::load::{Load, Partition, State};
use rig::interrupt;

const PATIENCE: Duration = Duration::from_mins(1);

/// The extent and the time of a takeover.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takeover {
    /// Partitions that have a new owner.
    pub(crate) partitions: usize,
    /// The time until the new owner had committed for the last of them.
    pub(crate) took: Duration,
}

/// Waits until two hosts share the partitions, and all of them move.
pub(crate) fn shared(load: &mut Load) -> Result<State> {
    let begin = Instant::now();
    loop {
        let before = load.fresh()?;
        interrupt::sleep(Load::STEP * 5)?;
        let after = load.fresh()?;
        let same =
            |(before, after): (&Partition, &Partition)| before.epoch == after.epoch && before.commits < after.commits;
        let moving = before.partitions.iter().zip(&after.partitions).all(same);
        if moving && owners(&after).is_some_and(|owners| owners.len() == 2) {
            return Ok(after);
        }
        ensure!(
            begin.elapsed() < PATIENCE,
            "after {} s two hosts do not share the partitions: {:?}",
            PATIENCE.as_secs(),
            after.partitions
        );
    }
}

/// Waits until one host owns all partitions and has committed for each. `before` is the state when two hosts shared
/// them, and `since` is when one of the two went away.
pub(crate) fn by_the_other(load: &mut Load, before: &State, since: Instant) -> Result<Takeover> {
    // The epoch of a new owner, and the commits when it was first seen. Every later commit is its own.
    let mut claimed: Vec<Option<(i64, i64)>> = vec![None; before.partitions.len()];
    loop {
        let state = load.state()?;
        let mut resumed = true;
        for (number, partition) in state.partitions.iter().enumerate() {
            if partition.epoch > before.partitions[number].epoch {
                let seen = claimed[number].filter(|(epoch, _)| *epoch == partition.epoch);
                let (epoch, commits) = seen.unwrap_or((partition.epoch, partition.commits));
                claimed[number] = Some((epoch, commits));
                resumed &= partition.commits > commits;
            }
        }
        let partitions = claimed.iter().flatten().count();
        if resumed && partitions > 0 && owners(&state).is_some_and(|owners| owners.len() == 1) {
            return Ok(Takeover { partitions, took: since.elapsed() });
        }
        ensure!(
            since.elapsed() < PATIENCE,
            "after {} s the other host does not commit for all partitions: {:?}",
            PATIENCE.as_secs(),
            state.partitions
        );
        interrupt::sleep(Duration::from_millis(10))?;
    }
}

/// Returns the owners of the partitions, or `None` while one of them was given back and not taken again.
fn owners(state: &State) -> Option<BTreeSet<&str>> {
    state.partitions.iter().map(|partition| partition.owner.as_deref()).collect()
}
