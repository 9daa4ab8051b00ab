//! Clocks that show the delivery's time, and sleeping.
//!
//! The wall clock always shows the delivery's `now`. The monotonic clock starts at 0 and advances in only two ways: by
//! a microsecond with each reading, and by the time slept with each sleep. So every run of a delivery reads the same
//! times, and a loop that waits for the clock to advance ends.
//!
//! A sleep really waits, and counts as running time. It is cut short when the deadline passes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::FutureExt as _;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi_io::bindings::wasi::io::poll;

use super::State;
use super::state::Shared;

const READING_NS: u64 = 1_000;

/// A pollable that becomes ready at a time of the monotonic clock.
struct Until {
    shared: Arc<Shared>,
    at_ns: u64,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Until {
    /// If no pollable is ready, the caller sleeps until the earliest of the awaited times and polls again. So only the
    /// delivery's clock decides which pollables are ready, and no timer is needed here.
    async fn ready(&mut self) {
        let clock = &self.shared.clock;
        if clock.now_ns.load(Relaxed) < self.at_ns {
            clock.awaited_ns.fetch_min(self.at_ns, Relaxed);
            std::future::pending::<()>().await;
        }
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        self.called()?;
        let now = u64::try_from(self.scene.now_ms).unwrap_or(0);
        let nanoseconds = u32::try_from(now % 1_000).unwrap_or(0) * 1_000_000;
        Ok(wall_clock::Datetime { seconds: now / 1_000, nanoseconds })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        self.called()?;
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.called()?;
        Ok(self.shared.clock.now_ns.fetch_add(READING_NS, Relaxed))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        self.called()?;
        Ok(READING_NS)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.called()?;
        let until = self.table.push(Until { shared: Arc::clone(&self.shared), at_ns: when })?;
        subscribe(&mut self.table, until)
    }

    fn subscribe_duration(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.shared.clock.now_ns.load(Relaxed);
        self.subscribe_instant(now.saturating_add(when))
    }
}

impl poll::Host for State {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.called()?;
        self.crossed(pollables.len().saturating_mul(size_of::<u32>()))?;
        loop {
            let asked = pollables.iter().map(|pollable| Resource::new_borrow(pollable.rep())).collect();
            self.shared.clock.awaited_ns.store(u64::MAX, Relaxed);
            if let Some(ready) = poll::Host::poll(&mut self.table, asked).now_or_never() {
                return ready;
            }
            self.sleep().await?;
        }
    }
}

impl poll::HostPollable for State {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.called()?;
        poll::HostPollable::ready(&mut self.table, pollable).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::Host::poll(self, vec![pollable]).await.map(drop)
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(&mut self.table, pollable)
    }
}

impl State {
    /// Sleeps until the earliest awaited time. Fails if the deadline passes first.
    async fn sleep(&mut self) -> wasmtime::Result<()> {
        let shared = Arc::clone(&self.shared);
        let awaited = shared.clock.awaited_ns.load(Relaxed);
        let wait = Duration::from_nanos(awaited.saturating_sub(shared.clock.now_ns.load(Relaxed)));
        let left = self.budget.deadline.saturating_sub(shared.meter.running());
        shared.meter.sleep(tokio::time::sleep(wait.min(left))).await;
        if wait >= left {
            return Err(self.late());
        }
        shared.clock.now_ns.fetch_max(awaited, Relaxed);
        Ok(())
    }
}
