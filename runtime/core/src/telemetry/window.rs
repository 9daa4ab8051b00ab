//! The last ten seconds: how many events, and how long they took.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;

/// The number of whole seconds that the window covers.
pub(super) const SECONDS: u64 = 10;

/// Latencies are kept in microseconds to two digits, up to an hour. Longer ones count as an hour.
const MAX_US: u64 = 3_600_000_000;

/// Counts and latencies by second. Anything older than [`SECONDS`] is forgotten.
#[derive(Debug)]
pub(super) struct Window {
    started: Instant,
    slots: Mutex<Vec<Slot>>,
}

#[derive(Debug)]
struct Slot {
    second: u64,
    events: u64,
    latency_us: Histogram<u32>,
}

/// The figures of the last seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recent {
    pub(super) rate_per_second: f64,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

impl Window {
    pub(super) fn new() -> Self {
        let slot = |_| Slot { second: 0, events: 0, latency_us: histogram() };
        Self { started: Instant::now(), slots: Mutex::new((0..=SECONDS).map(slot).collect()) }
    }

    pub(super) fn count(&self, events: u64) {
        self.with(self.second(), |slot| slot.events += events);
    }

    pub(super) fn latency(&self, ms: i64) {
        let us = u64::try_from(ms).unwrap_or(0).saturating_mul(1_000).min(MAX_US);
        self.with(self.second(), |slot| slot.latency_us.saturating_record(us));
    }

    pub(super) fn recent(&self) -> Recent {
        self.recent_at(self.second(), self.started.elapsed().as_secs_f64())
    }

    fn second(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    fn with(&self, second: u64, change: impl FnOnce(&mut Slot)) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let count = slots.len() as u64;
        let index = usize::try_from(second % count).expect("there are few slots");
        let slot = &mut slots[index];
        if slot.second != second {
            slot.second = second;
            slot.events = 0;
            slot.latency_us.reset();
        }
        change(slot);
    }

    /// Covers the current second and the ten before it. The rate is over the part of them in which the process has run.
    #[allow(clippy::cast_precision_loss, reason = "counts and microseconds stay far below 2^52")]
    fn recent_at(&self, second: u64, uptime_s: f64) -> Recent {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latency_us = histogram();
        let mut events = 0;
        let first = second.saturating_sub(SECONDS);
        for slot in slots.iter().filter(|slot| (first..=second).contains(&slot.second)) {
            events += slot.events;
            latency_us.add(&slot.latency_us).expect("both histograms have the same bounds");
        }
        let seconds = (uptime_s - first as f64).max(1.0);
        let quantile = |q| (!latency_us.is_empty()).then(|| latency_us.value_at_quantile(q) as f64 / 1_000.0);
        Recent { rate_per_second: events as f64 / seconds, p50_ms: quantile(0.5), p99_ms: quantile(0.99) }
    }
}

fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, MAX_US, 2).expect("the bounds are in order and two digits can be kept")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_ten_seconds_and_forgets_the_rest() {
        let window = Window::new();
        let empty = window.recent_at(0, 0.1);
        assert_eq!(empty, Recent { rate_per_second: 0.0, p50_ms: None, p99_ms: None });

        window.with(3, |slot| slot.events += 40);
        for ms in 1..=100_u64 {
            window.with(3, |slot| slot.latency_us.saturating_record(ms * 1_000));
        }
        let recent = window.recent_at(4, 4.0);
        assert!((recent.rate_per_second - 10.0).abs() < 1e-9, "{recent:?}");
        assert!((recent.p50_ms.expect("there are latencies") - 50.0).abs() <= 0.5, "{recent:?}");
        assert!((recent.p99_ms.expect("there are latencies") - 99.0).abs() <= 1.0, "{recent:?}");

        assert!(window.recent_at(13, 13.9).p50_ms.is_some());
        assert_eq!(window.recent_at(14, 14.0), empty);
        window.with(14, |slot| slot.events += 1);
        assert!((window.recent_at(14, 14.0).rate_per_second - 0.1).abs() < 1e-9);
    }
}
