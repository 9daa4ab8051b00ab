//! The clock of this machine, as the core sees it.

use std::pin::Pin;
use std::time::{Duration, Instant};

use weir_core::clock::{Clock, now_ms};

/// The clock of this machine.
#[derive(Debug)]
pub struct HostClock {
    begun: Instant,
}

impl Default for HostClock {
    fn default() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Clock for HostClock {
    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        uuid::Uuid::new_v4().as_u64_pair().1
    }
}
