//! Decides whether a delivery that failed is tried again, and when. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

/// The reasons of failures that may pass.
pub const MAY_PASS: [&str; 8] =
    ["deadline", "must-match", "refused", "retry", "slow", "unanswered", "unauthorized", "undecodable"];

/// What becomes of the later events of an aggregate once a delivery of it is dead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDead {
    /// They wait until somebody retries or discards it.
    #[default]
    Hold,
    /// They go on without it.
    Skip,
}

/// How a handler's failed deliveries are tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a delivery is tried again after its first attempt.
    pub max_retries: u32,
    /// The same for deliveries that failed for one of these reasons.
    pub max_retries_by_reason: BTreeMap<String, u32>,
    /// The delay before the first retry, which doubles with each retry.
    pub delay: Duration,
    /// The longest delay that doubling leads to.
    pub longest_delay: Duration,
    /// How long after its first failure a delivery may still be tried again.
    pub longest_time: Duration,
    /// What becomes of the later events of its aggregate once it is dead.
    pub on_dead: OnDead,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 3,
            max_retries_by_reason: BTreeMap::new(),
            delay: Duration::from_secs(5),
            longest_delay: Duration::from_mins(5),
            longest_time: Duration::from_hours(24),
            on_dead: OnDead::Hold,
        }
    }
}

/// A delivery that has failed for a reason that may pass.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// The reason of its last attempt.
    pub reason: &'a str,
    /// The number of its last attempt. The first is 1.
    pub attempt: u32,
    /// When the last attempt failed, in milliseconds since 1970.
    pub at_ms: i64,
    /// When the first attempt failed, in milliseconds since 1970.
    pub first_at_ms: i64,
    /// The shortest delay that the handler has asked for, in milliseconds.
    pub after_ms: Option<i64>,
    /// A number of its own, which spreads retries that would otherwise come at the same time.
    pub salt: u64,
}

/// What the policy says about a delivery that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Try it again at this time, in milliseconds since 1970.
    At(i64),
    /// It has had all its attempts.
    Never,
}

impl RetryPolicy {
    /// Decides when a failed delivery is tried again: after the delay, doubled for each attempt before, but at most
    /// `longest_delay`, and up to a quarter more. A delay that the handler has asked for counts if it is longer.
    #[must_use]
    pub fn decide(&self, failed: &Failed<'_>) -> Retry {
        let most = self.max_retries_by_reason.get(failed.reason).copied().unwrap_or(self.max_retries);
        if failed.attempt > most {
            return Retry::Never;
        }
        let doubled = 2_i64.saturating_pow(failed.attempt.saturating_sub(1));
        let delay_ms = ms(self.delay).saturating_mul(doubled).min(ms(self.longest_delay));
        let spread_ms = i64::try_from(mixed(failed.salt, failed.attempt) % 1_024).unwrap_or(0);
        let jittered_ms = delay_ms.saturating_add(delay_ms / 4 * spread_ms / 1_024);
        let wait_ms = jittered_ms.max(failed.after_ms.unwrap_or(0));
        let at_ms = failed.at_ms.saturating_add(wait_ms);
        if at_ms.saturating_sub(failed.first_at_ms) > ms(self.longest_time) {
            return Retry::Never;
        }
        Retry::At(at_ms)
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Spreads numbers that are close to each other (the finalizer of `SplitMix64`, Steele, Lea and Flood 2014).
fn mixed(salt: u64, attempt: u32) -> u64 {
    let mut bits = salt.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            max_retries: 5,
            max_retries_by_reason: BTreeMap::from([("deadline".to_owned(), 1), ("refused".to_owned(), 0)]),
            delay: Duration::from_secs(4),
            longest_delay: Duration::from_secs(20),
            longest_time: Duration::from_secs(100),
            on_dead: OnDead::Hold,
        }
    }

    /// Returns the delay in seconds, without what spreads it, and none if the delivery is dead.
    fn after(reason: &str, attempt: u32, failed: i64, asked: Option<i64>) -> Option<i64> {
        let delay = |salt| {
            let after_ms = asked.map(|seconds| seconds * 1_000);
            let failed = Failed { reason, attempt, at_ms: 1_000 * failed, first_at_ms: 0, after_ms, salt };
            match policy().decide(&failed) {
                Retry::At(time) => Some(time - failed.at_ms),
                Retry::Never => None,
            }
        };
        (0..1_000).filter_map(delay).min().map(|least| least / 1_000)
    }

    #[test]
    fn the_table() {
        for (reason, attempt, failed, asked, delay) in [
            ("retry", 1, 0, None, Some(4)),
            ("retry", 2, 5, None, Some(8)),
            ("retry", 3, 15, None, Some(16)),
            // No longer than the longest delay.
            ("retry", 4, 35, None, Some(20)),
            ("retry", 5, 60, None, Some(20)),
            // It has had its five retries.
            ("retry", 6, 80, None, None),
            // It is too old for another one.
            ("retry", 3, 97, None, None),
            // A reason may have a number of its own.
            ("deadline", 1, 0, None, Some(4)),
            ("deadline", 2, 5, None, None),
            ("refused", 1, 0, None, None),
            // The handler's delay counts if it is longer.
            ("retry", 1, 0, Some(30), Some(30)),
            ("retry", 2, 5, Some(1), Some(8)),
            ("retry", 1, 0, Some(1_000), None),
        ] {
            assert_eq!(after(reason, attempt, failed, asked), delay, "{reason} {attempt} {failed} {asked:?}");
        }
    }

    #[test]
    fn retries_are_spread_over_a_quarter_of_the_delay() {
        let at = |salt| {
            let failed = Failed { reason: "retry", attempt: 1, at_ms: 0, first_at_ms: 0, after_ms: None, salt };
            match policy().decide(&failed) {
                Retry::At(at_ms) => at_ms,
                Retry::Never => panic!("it has retries left"),
            }
        };
        let times: Vec<i64> = (0..1_000).map(at).collect();
        assert!(times.iter().all(|at_ms| (4_000..5_000).contains(at_ms)), "{times:?}");
        for quarter in 0..4 {
            let range = 4_000 + 250 * quarter..4_250 + 250 * quarter;
            let among = times.iter().filter(|at_ms| range.contains(*at_ms)).count();
            assert!((150..350).contains(&among), "{among} in {range:?}");
        }
        assert_eq!(at(7), at(7), "the same delivery has the same time, whoever asks");
    }
}
