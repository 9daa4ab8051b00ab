//! One seed: a world, its storm, the calm after it, and what must hold then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kernel::{Kernel, lock};
use crate::verdict::{self, Watch};
use crate::world::{STORM, World};

/// How long a calm world may take to account for every record.
const PATIENCE: Duration = Duration::from_mins(10);

/// The result of a seed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) fingerprint: u64,
    pub(crate) verdict: Result<(), String>,
}

/// Runs a seed to its end.
pub(crate) fn seed(seed: u64) -> Ended {
    let kernel = Kernel::new(seed);
    let world = World::new(&kernel);
    World::begin(&world);
    let mut watch = Watch::default();
    let mut looked = Duration::ZERO;
    let verdict = loop {
        if !kernel.step() {
            break Err("nothing is left to happen".to_owned());
        }
        let now = kernel.now();
        if now.saturating_sub(looked) < Duration::from_millis(100) {
            continue;
        }
        looked = now;
        let world = lock(&world);
        if let Err(why) = watch.look(&world) {
            break Err(why);
        }
        if now > STORM && world.is_settled() {
            break verdict::judge(&world);
        }
        if now > STORM + PATIENCE {
            break Err(format!("not settled: {}", world.standing()));
        }
    };
    kernel.end();
    Ended { counts: kernel.counts(), fingerprint: kernel.fingerprint(), verdict }
}
