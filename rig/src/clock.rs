//! The time that tests and proofs compare processing times with.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns milliseconds since 1970. Whatever is processed afterwards has a later time.
#[allow(clippy::disallowed_methods, reason = "the host's clock is what processing times must agree with")]
pub fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}
