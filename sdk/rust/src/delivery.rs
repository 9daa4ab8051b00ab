//! This delivery: its clock, its attempt, its random numbers.

use crate::{DateTime, ObjectId, guest, host};

/// The most bytes that the host gives at once.
const MOST_AT_ONCE: u32 = 4096;

/// The host's clock when this attempt was first begun: the same however often it is asked.
#[must_use]
pub fn now() -> DateTime {
    DateTime::from_millis(host::now())
}

/// Which attempt this is: 1 for the first.
#[must_use]
pub fn attempt() -> u32 {
    host::attempt()
}

/// The next bytes of a sequence that handler and event decide: for new ids, not for secrets.
#[must_use]
pub fn random(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let wanted = u32::try_from(count - bytes.len()).unwrap_or(u32::MAX);
        bytes.extend(host::random(wanted.min(MOST_AT_ONCE)));
    }
    bytes
}

/// A new id, with the event's time in front; the same in every run of the delivery.
#[must_use]
pub fn new_id() -> ObjectId {
    let seconds = guest::created_at().millis().div_euclid(1000).to_be_bytes();
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&seconds[4..]);
    bytes[4..].copy_from_slice(&random(8));
    ObjectId::from_bytes(bytes)
}
