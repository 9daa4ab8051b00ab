//! This delivery: its clock, its attempt, its random numbers.

use crate::{DateTime, ObjectId, guest, host};

/// The most bytes that the host returns at once.
const MOST_AT_ONCE: u32 = 4096;

/// Returns the host's clock when this attempt first began: the same however often it is called.
#[must_use]
pub fn now() -> DateTime {
    DateTime::from_millis(host::now())
}

/// Returns which attempt this is: 1 for the first.
#[must_use]
pub fn attempt() -> u32 {
    host::attempt()
}

/// Returns the next bytes of a sequence that handler and event determine: for new ids, not for secrets.
#[must_use]
pub fn random(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let wanted = u32::try_from(count - bytes.len()).unwrap_or(u32::MAX);
        bytes.extend(host::random(wanted.min(MOST_AT_ONCE)));
    }
    bytes
}

/// Returns a new id that begins with the event's time. It is the same in every run of the delivery.
#[must_use]
pub fn new_id() -> ObjectId {
    let seconds = guest::created_at().millis().div_euclid(1000).to_be_bytes();
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&seconds[4..]);
    bytes[4..].copy_from_slice(&random(8));
    ObjectId::from_bytes(bytes)
}
