//! Runs seeds on all processors.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use weir_core::seeded::{self, Bug};

use crate::broken::Fault;
use crate::kernel::lock;
use crate::run;
use crate::world::STORM;

/// The seeds that failed, each with its fault.
pub(crate) type Failures = Vec<(u64, Vec<Fault>)>;

/// The result of the seeds.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    pub(crate) failures: Failures,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// The longest that a world took to be settled after its storm.
    pub(crate) latest: Duration,
    /// The longest that a command waited for a transaction.
    pub(crate) waited: Duration,
}

/// Runs the seeds until one fails with faults that are `enough`, or all have run.
pub(crate) fn run(seeds: &[u64], bug: Option<Bug>, enough: impl Fn(&[Fault]) -> bool + Sync) -> Swept {
    let (next, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
    let swept = Mutex::new(Swept::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                seeded::set(bug);
                while !ends.load(Ordering::Relaxed)
                    && let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)).copied()
                {
                    let ended = run::seed(seed);
                    if enough(&ended.faults) {
                        ends.store(true, Ordering::Relaxed);
                    }
                    let mut all = lock(&swept);
                    for (what, count) in ended.counts {
                        *all.counts.entry(what).or_default() += count;
                    }
                    all.waited = all.waited.max(ended.waited);
                    all.latest = all.latest.max(ended.settled.unwrap_or_default().saturating_sub(STORM));
                    if !ended.faults.is_empty() {
                        all.failures.push((seed, ended.faults));
                    }
                }
            });
        }
    });
    let mut swept = swept.into_inner().unwrap_or_default();
    swept.failures.sort();
    swept
}

/// Returns the first of the faults in words.
pub(crate) fn words(faults: &[Fault]) -> String {
    faults.first().map(ToString::to_string).unwrap_or_default()
}
