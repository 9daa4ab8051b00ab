//! One seed: a world, its storm, the calm after it, and what must hold then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broken::{Broken, Fault};
use crate::kernel::{Kernel, lock};
use crate::verdict::{self, Watch};
use crate::world::{STORM, World};

/// How long a calm world may take to account for every record.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often the world is judged while it runs.
const JUDGED_EVERY: Duration = Duration::from_secs(8);

/// The result of a seed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) fingerprint: u64,
    /// The promise that was broken, if one was.
    pub(crate) faults: Vec<Fault>,
    /// When the world was settled, if it was.
    pub(crate) settled: Option<Duration>,
    /// The longest that a command waited for a transaction.
    pub(crate) waited: Duration,
}

/// Runs a seed to its end.
pub(crate) fn seed(seed: u64) -> Ended {
    let kernel = Kernel::new(seed);
    let world = World::new(&kernel);
    World::begin(&world);
    let mut watch = Watch::default();
    let (mut looked, mut judged) = (Duration::ZERO, Duration::ZERO);
    let mut settled = None;
    let faults = loop {
        if !kernel.step() {
            break vec![Fault::new(Broken::NotSettled, "nothing is left to happen")];
        }
        let now = kernel.now();
        if now.saturating_sub(looked) < Duration::from_millis(100) {
            continue;
        }
        looked = now;
        let world = lock(&world);
        if let Err(fault) = watch.look(&world) {
            break std::iter::once(fault).chain(verdict::judge(&world)).collect();
        }
        if now > STORM && world.is_settled() {
            settled = Some(now);
            verdict::count_letters(&world);
            break verdict::judge(&world);
        }
        if now > STORM + PATIENCE {
            let late = Fault::new(Broken::NotSettled, world.standing());
            break verdict::judge(&world).into_iter().chain([late]).collect();
        }
        if now.saturating_sub(judged) >= JUDGED_EVERY && now < STORM {
            judged = now;
            let faults = verdict::judge(&world);
            if !faults.is_empty() {
                break faults;
            }
        }
    };
    let waited = lock(&lock(&world).mongo).longest_wait;
    kernel.end();
    Ended { counts: kernel.counts(), fingerprint: kernel.fingerprint(), faults, settled, waited }
}
