//! The points at which a proof kills the process, and the other things that a proof changes. Only with the feature
//! `proofs`, which nothing that is shipped has.

use std::time::Duration;

/// Passes a point. If `WEIR_FAILPOINT` is `<name>:<n>`, the process sends itself SIGKILL the n-th time.
#[cfg(feature = "proofs")]
pub fn pass(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let chosen = CHOSEN.get_or_init(|| {
        let text = std::env::var("WEIR_FAILPOINT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    let Some((_, count)) = chosen.as_ref().filter(|(chosen, _)| chosen == name) else { return };
    if PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
}

/// Passes a point, without effect.
#[cfg(not(feature = "proofs"))]
pub fn pass(_name: &str) {}

/// Passes a point with one event for one handler. Panics if `WEIR_PANIC` is `<name>:<event>:<handler>`.
///
/// # Panics
/// As a fault in the host's own code would.
#[cfg(feature = "proofs")]
pub fn panic_at(name: &str, event: &str, handler: &str) {
    use std::sync::OnceLock;

    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();

    let chosen = CHOSEN.get_or_init(|| std::env::var("WEIR_PANIC").ok());
    assert!(*chosen != Some(format!("{name}:{event}:{handler}")), "the failpoint {name} was asked to panic");
}

/// Passes a point, without effect.
#[cfg(not(feature = "proofs"))]
pub fn panic_at(_name: &str, _event: &str, _handler: &str) {}

/// Returns how long the others wait for one delivery, if a proof needs them to wait longer: `WEIR_PATIENCE_MS`.
#[cfg(feature = "proofs")]
#[must_use]
pub fn patience() -> Option<Duration> {
    std::env::var("WEIR_PATIENCE_MS").ok()?.parse().ok().map(Duration::from_millis)
}

/// Returns `None`, so that they wait as long as usual.
#[cfg(not(feature = "proofs"))]
#[must_use]
pub const fn patience() -> Option<Duration> {
    None
}

/// Returns how often the ledger is swept, if a proof cannot wait for the usual period: `WEIR_SWEEP_MS`.
#[cfg(feature = "proofs")]
#[must_use]
pub fn sweep_period() -> Option<Duration> {
    std::env::var("WEIR_SWEEP_MS").ok()?.parse().ok().map(Duration::from_millis)
}

/// Returns `None`, so that the ledger is swept as often as usual.
#[cfg(not(feature = "proofs"))]
#[must_use]
pub const fn sweep_period() -> Option<Duration> {
    None
}
