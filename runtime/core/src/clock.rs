//! The host's time. This is the only place that reads it. Ages and leases depend on MongoDB's time, not on this.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::macros::format_description;

/// Time and randomness for the modules that decide, so that a simulation can have its own.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the host's time, in milliseconds since 1970. It may be wrong, and jump.
    fn now_ms(&self) -> i64;

    /// Returns the time since any fixed point, which never goes back.
    fn elapsed(&self) -> Duration;

    /// Ends after this time.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Returns a random number.
    fn random(&self) -> u64;
}

/// Returns between half of the pause and all of it, so that hosts that conflict do not meet again.
#[must_use]
pub fn jittered(clock: &dyn Clock, pause: Duration) -> Duration {
    let share = u32::try_from(clock.random() % 512).unwrap_or(0) + 512;
    pause * share / 1024
}

/// Returns milliseconds since 1970-01-01T00:00:00Z, rounded down.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Writes a time of [`now_ms`] as ISO 8601 in UTC, such as `2026-01-02T03:04:05.678Z`. For a year that ISO 8601 has no
/// four digits for, it writes the number itself.
#[must_use]
pub fn iso(ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_else(|| ms.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn iso_has_milliseconds_also_before_1970() {
        assert_eq!(super::iso(1_767_323_045_678), "2026-01-02T03:04:05.678Z");
        assert_eq!(super::iso(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(super::iso(i64::MAX), i64::MAX.to_string());
    }
}
