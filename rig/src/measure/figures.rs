//! What was measured, and what is computed from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a process used in a run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Used {
    /// Seconds of processor time from the first commit to the last.
    pub cpu_seconds: f64,
    /// Its peak resident memory, in bytes.
    pub peak_bytes: u64,
}

/// One run of one way to work through the backlog.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measure {
    /// Events between the first commit that was seen and the last one.
    pub events: u64,
    /// How long that took.
    pub seconds: f64,
    /// By process: `weir-1`, `client`, `mongod`, `kafka`.
    pub processes: BTreeMap<String, Used>,
}

impl Measure {
    /// Returns events per second.
    #[allow(clippy::cast_precision_loss, reason = "counts of this size are exact in a double")]
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.seconds.max(1e-6)
    }

    /// Returns processor seconds per 10,000 events, of the processes whose names begin with `prefix`.
    #[allow(clippy::cast_precision_loss, reason = "counts of this size are exact in a double")]
    pub fn cpu_of_10k(&self, prefix: &str) -> f64 {
        let chosen = self.processes.iter().filter(|(name, _)| name.starts_with(prefix));
        chosen.map(|(_, used)| used.cpu_seconds).sum::<f64>() * 10_000.0 / self.events.max(1) as f64
    }

    /// Returns the highest peak of memory among the processes whose names begin with `prefix`, in MiB.
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn peak_mib(&self, prefix: &str) -> f64 {
        let chosen = self.processes.iter().filter(|(name, _)| name.starts_with(prefix));
        chosen.map(|(_, used)| used.peak_bytes).max().unwrap_or(0) as f64 / f64::from(1 << 20)
    }
}

/// The time from a row's commit to its document, in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Latency {
    /// Rows per second.
    pub rate: f64,
    /// Rows that were timed.
    pub samples: u64,
    /// The fastest.
    pub fewest_us: i64,
    /// The slowest.
    pub most_us: i64,
    /// For each per mille of the samples, the time within which they had arrived.
    pub per_mille_us: Vec<i64>,
}

impl Latency {
    /// Returns the time within which that share of the samples had arrived, in milliseconds.
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn within_ms(&self, per_mille: usize) -> f64 {
        self.per_mille_us.get(per_mille).copied().unwrap_or(i64::MAX) as f64 / 1_000.0
    }
}

/// The cost of a call that does nothing.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct EmptyCall {
    /// The median of the rounds, in microseconds.
    pub median_us: f64,
    /// The fastest round.
    pub least_us: f64,
    /// Whether the kernel reports which pages were touched.
    pub pagemap_scan: bool,
}

/// Returns the middle one of some figures. Of an even number of figures, it is the upper middle.
pub fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::{Measure, Used, median};

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([]), None);
    }

    #[test]
    fn hosts_are_summed_and_others_left_out() {
        let used = |cpu_seconds| Used { cpu_seconds, peak_bytes: 3 << 20 };
        let processes = [("weir-1", used(1.0)), ("weir-2", used(2.0)), ("mongod", used(5.0))];
        let processes = processes.map(|(name, used)| (name.to_owned(), used)).into();
        let measure = Measure { events: 20_000, seconds: 4.0, processes };
        assert!((measure.rate() - 5_000.0).abs() < 1e-9);
        assert!((measure.cpu_of_10k("weir") - 1.5).abs() < 1e-9);
        assert!((measure.peak_mib("weir") - 3.0).abs() < 1e-9);
    }
}
