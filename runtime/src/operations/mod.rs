//! What people and programs ask of an installation, one file for each resource. The API and the command line both call
//! it, so both say the same. Nothing here changes anything.
//!
//! Numbers of 64 bits are texts, because many readers of JSON keep only 53 bits of a number. Times are RFC 3339 in UTC.

pub mod failures;
pub mod handlers;
pub mod progress;

#[cfg(test)]
#[path = "operations_test.rs"]
mod tests;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns a time as RFC 3339 writes it, or its milliseconds since 1970 if it is beyond the year 9999.
fn time(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    at.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| ms.to_string())
}
