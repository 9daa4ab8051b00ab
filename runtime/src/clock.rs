//! The host's clock: the only place that reads it. What ages and leases depend on is MongoDB's time, not this.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::macros::format_description;

/// Milliseconds since 1970-01-01T00:00:00Z, rounded down.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A time of [`now_ms`] as ISO 8601 in UTC, such as `2026-01-02T03:04:05.678Z`; of a year that ISO 8601 has no four
/// digits for, the number itself.
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
