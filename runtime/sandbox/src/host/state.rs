//! The data in the store of one delivery: the handler and its event, what the delivery may use, what it has used, and
//! why it ended.
//!
//! Invariant: before the host raises a trap that ends a delivery, it records the reason here, and a later reason never
//! replaces the first. Nothing that the guest does afterwards, or that happens to it, can hide the reason.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::WasiFilesystemCtx;

use super::cause::{Abandoned, CallError, Cause};
use super::clock::Clock;
use super::growth::Growth;
use super::log_buffer::LogBuffer;
use super::meter::Meter;
use super::random::{Seed, Sequence};
use weir_core::call::{HandlerKey, Stop, StopKind, Verdict};
use weir_core::documents::Expressions;
use weir_core::documents::view::{Needs, View};
use weir_core::documents::{Grants, Mode, Refusal};
use weir_core::event::Event;

/// The limits of one call. The sandbox's limits say what each one means.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    pub(crate) deadline: Duration,
    /// The deadline is that of others who wait, not the handler's own.
    pub(crate) others_wait: bool,
    /// The setting that `deadline` comes from.
    pub(crate) deadline_name: &'static str,
    pub(crate) documents: Duration,
    pub(crate) memory_bytes: u64,
    pub(crate) table_elements: u64,
    pub(crate) host_calls: u64,
    pub(crate) writes: u64,
    pub(crate) found_documents: u32,
    pub(crate) log_bytes: u64,
    pub(crate) log_lines: u64,
    pub(crate) boundary_bytes: u64,
    pub(crate) handles: usize,
    pub(crate) expressions: Expressions,
}

/// The state that the store shares with the streams, the pollables and the loop that polls the call.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) meter: Meter,
    pub(crate) clock: Clock,
    log: Mutex<LogBuffer>,
}

impl Shared {
    pub(crate) fn log(&self) -> MutexGuard<'_, LogBuffer> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handler that is called, and what it is called with.
#[derive(Debug)]
pub(crate) struct Scene {
    /// `None` for `describe`.
    pub(crate) event: Option<Arc<Event>>,
    pub(crate) handler: HandlerKey,
    pub(crate) attempt: u32,
    pub(crate) now_ms: i64,
    pub(crate) grants: Arc<Grants>,
    /// How the delivery reaches MongoDB. `None` for `describe`, which does not.
    pub(crate) mode: Option<Mode>,
    pub(crate) seed: Seed,
}

/// The data of a delivery's store.
pub(crate) struct State {
    pub(crate) scene: Scene,
    pub(crate) budget: Budget,
    pub(crate) shared: Arc<Shared>,
    pub(crate) growth: Growth,
    pub(super) table: ResourceTable,
    pub(super) filesystem: WasiFilesystemCtx,
    pub(super) host_calls: u64,
    pub(super) boundary_bytes: u64,
    /// The statements of all writes so far.
    pub(super) statements: u64,
    /// What the delivery has read and written. `None` for `describe`.
    pub(crate) view: Option<View>,
    pub(super) random: Option<Sequence>,
    pub(super) wasi_random: Option<Sequence>,
    pub(crate) in_documents: Duration,
    cause: Option<Cause>,
}

impl State {
    pub(crate) fn new(mut scene: Scene, budget: Budget) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(budget.handles);
        let event_id = scene.event.as_ref().map_or("", |event| event.id.as_str());
        let log = Mutex::new(LogBuffer::new(budget.log_bytes, budget.log_lines, event_id));
        Self {
            shared: Arc::new(Shared { meter: Meter::new(), clock: Clock::default(), log }),
            growth: Growth::new(budget.memory_bytes, budget.table_elements),
            table,
            filesystem: WasiFilesystemCtx::default(),
            host_calls: 0,
            boundary_bytes: 0,
            statements: 0,
            view: scene.mode.take().map(View::new),
            scene,
            budget,
            random: None,
            wasi_random: None,
            in_documents: Duration::ZERO,
            cause: None,
        }
    }

    /// Returns what the delivery has read and written. Fails for `describe`.
    pub(super) fn view(&mut self) -> wasmtime::Result<&mut View> {
        self.view.as_mut().ok_or_else(|| wasmtime::Error::msg("describe has no documents"))
    }

    /// Returns how many writes the delivery has made.
    pub(super) fn written(&self) -> usize {
        self.view.as_ref().map_or(0, View::count)
    }

    /// Counts a call of the host, whether of the contract or of WASI.
    pub(super) fn called(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.budget.host_calls {
            let message = format!("host_calls: more than {} calls of the host", self.budget.host_calls);
            return Err(self.stopped(StopKind::HostCalls, message));
        }
        Ok(())
    }

    /// Counts bytes that cross the boundary, in either direction.
    pub(super) fn crossed(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.boundary_bytes = self.boundary_bytes.saturating_add(bytes as u64);
        if self.boundary_bytes > self.budget.boundary_bytes {
            let limit = self.budget.boundary_bytes;
            let message = format!("boundary_bytes: more than {limit} bytes given to the host and taken from it");
            return Err(self.stopped(StopKind::Boundary, message));
        }
        Ok(())
    }

    /// Records why the sandbox stops the delivery, and returns the error to trap with.
    pub(crate) fn stopped(&mut self, kind: StopKind, message: String) -> wasmtime::Error {
        let error = wasmtime::Error::msg(message.clone());
        self.cause.get_or_insert(Cause::Stopped(Stop { kind, message, backtrace: None }));
        error
    }

    /// Records that the deadline has passed.
    pub(crate) fn late(&mut self) -> wasmtime::Error {
        if self.budget.others_wait {
            self.cause.get_or_insert(Cause::Slow);
            return wasmtime::Error::msg("others wait");
        }
        let (name, limit) = (self.budget.deadline_name, self.budget.deadline.as_millis());
        self.stopped(StopKind::Deadline, format!("{name}: ran for more than {limit} ms"))
    }

    /// Records why the host gives up the delivery.
    pub(super) fn abandoned(&mut self, why: Abandoned) -> CallError {
        self.cause.get_or_insert(Cause::Abandoned(why));
        CallError::Ended(wasmtime::Error::msg("the host ended the delivery"))
    }

    /// Records a refused call.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.cause.get_or_insert_with(|| Cause::Refused(refusal.clone()));
    }

    /// Fails with the same refusal if an earlier call was refused. That refusal decided the delivery, and if the
    /// delivery runs in its own transaction, MongoDB has already aborted it.
    pub(super) fn not_refused(&self) -> Result<(), Refusal> {
        match &self.cause {
            Some(Cause::Refused(refusal)) => Err(refusal.clone()),
            _ => Ok(()),
        }
    }

    /// Ends the call if it comes from `describe`, because only a delivery may make it.
    pub(super) fn only_in_delivery(&mut self, call: &str) -> wasmtime::Result<()> {
        if self.view.is_none() {
            let refusal = Refusal::denied(format!("{call}: describe may call nothing but log"));
            self.refused(&refusal);
            return Err(wasmtime::Error::msg(refusal.message));
        }
        Ok(())
    }

    /// Returns why the call ended, if the host decided it.
    pub(crate) fn take_cause(&mut self) -> Option<Verdict> {
        let verdict = self.cause.take().map(|cause| match cause {
            Cause::Abandoned(Abandoned::Fault(fault)) => Verdict::Fault(fault),
            Cause::Abandoned(Abandoned::Needs(Needs::Commit)) => Verdict::NeedsCommit,
            Cause::Abandoned(Abandoned::Needs(Needs::Alone(why))) => Verdict::NeedsAlone(why),
            Cause::Refused(refusal) => Verdict::Refused(refusal),
            Cause::Stopped(stop) => Verdict::Stopped(stop),
            Cause::Slow => Verdict::Slow,
        });
        verdict.or_else(|| self.growth.denied.take().map(Verdict::Stopped))
    }
}
