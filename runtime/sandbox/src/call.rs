//! One call into a fresh instance: everything that happens for each delivery.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Store, UpdateDeadline};

use super::limits::Fuel;
use super::{Engine, Limits, Reason, backtrace, trap};
use crate::host::{Budget, EventHandler, EventHandlerPre, Scene, Seed, State, exports, types};
use weir_core::call::{Action, Failure, HandlerKey, Installation, LogLine, Stop, StopKind, Verdict};
use weir_core::cut;
use weir_core::documents::{Grants, Mode};
use weir_core::event::Event;

/// Units of fuel after which a call yields to other work.
const YIELD_FUEL: u64 = 1_000_000;

/// The most bytes that are kept of the texts in a handler's failure.
const MESSAGE_BYTES: usize = 64 << 10;
const ERROR_TYPE_BYTES: usize = 256;
const TRACE_BYTES: usize = 16 << 10;

/// Everything that is needed to call a component.
pub(super) struct Caller {
    pub(super) engine: Engine,
    pub(super) pre: EventHandlerPre<State>,
    pub(super) budget: Budget,
}

/// How a call ended, and what it leaves behind.
pub(super) struct Ended<T> {
    pub(super) result: Result<T, Verdict>,
    pub(super) state: State,
    pub(super) log: Vec<LogLine>,
    pub(super) log_lines_dropped: u64,
    pub(super) fuel: u64,
    pub(super) running: Duration,
}

/// The step at which a call ended.
enum Ends<T> {
    Instantiating(wasmtime::Error),
    Called(wasmtime::Result<T>),
}

impl Caller {
    /// Instantiates the component and makes one call of it.
    pub(super) async fn call<T>(
        &self,
        state: State,
        fuel: Fuel,
        call: impl AsyncFnOnce(&EventHandler, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Ended<T> {
        let _slot = self.engine.slot().await;
        let shared = Arc::clone(&state.shared);
        let mut store = self.store(state);
        let mut instantiated = 0;
        let ends = shared.meter.count(async {
            if let Err(error) = store.set_fuel(fuel.instantiate) {
                return Ends::Instantiating(error);
            }
            let instance = match self.pre.instantiate_async(&mut store).await {
                Ok(instance) => instance,
                Err(error) => return Ends::Instantiating(error),
            };
            instantiated = fuel.instantiate.saturating_sub(store.get_fuel().unwrap_or(0));
            match store.set_fuel(fuel.call) {
                Ok(()) => Ends::Called(call(&instance, &mut store).await),
                Err(error) => Ends::Called(Err(error)),
            }
        });
        let ends = ends.await;
        let left = store.get_fuel().unwrap_or(0);
        let (result, used) = match ends {
            Ends::Instantiating(error) => {
                let limit = Fuel { call: fuel.instantiate, name: "instantiate_fuel", ..fuel };
                let verdict = trap::verdict(&error, StopKind::InstantiateFuel, limit);
                (Err((verdict, Some(error))), fuel.instantiate.saturating_sub(left))
            }
            Ends::Called(Err(error)) => {
                let verdict = trap::verdict(&error, StopKind::Fuel, fuel);
                (Err((verdict, Some(error))), instantiated + fuel.call.saturating_sub(left))
            }
            Ends::Called(Ok(value)) => (Ok(value), instantiated + fuel.call.saturating_sub(left)),
        };
        ended(store, result, used)
    }

    fn store(&self, state: State) -> Store<State> {
        let boundary = usize::try_from(state.budget.boundary_bytes).unwrap_or(usize::MAX);
        let handles = state.budget.handles;
        let mut store = Store::new(self.engine.wasm(), state);
        store.limiter(|state| &mut state.growth);
        store.set_hostcall_fuel(boundary);
        store.set_max_component_handles(handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            let state = store.data_mut();
            if state.shared.meter.running() > state.budget.deadline {
                return Err(state.late());
            }
            // The executor's own yield lets it look at its timers and sockets before the guest goes on.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        // This fails only for an engine without fuel, and ours always has it.
        let _ = store.fuel_async_yield_interval(Some(YIELD_FUEL));
        store
    }
}

/// Combines how the host and the guest saw the end. A cause that the host has recorded takes precedence.
fn ended<T>(store: Store<State>, result: Result<T, (Verdict, Option<wasmtime::Error>)>, fuel: u64) -> Ended<T> {
    let mut state = store.into_data();
    let cause = state.take_cause();
    let result = match (cause, result) {
        (Some(Verdict::Stopped(stop)), Err((_, error))) => {
            let backtrace = error.as_ref().and_then(backtrace::of);
            Err(Verdict::Stopped(Stop { backtrace, ..stop }))
        }
        (Some(cause), _) => Err(cause),
        (None, Err((verdict, _))) => Err(verdict),
        (None, Ok(value)) => Ok(value),
    };
    let (log, log_lines_dropped) = state.shared.log().finish();
    let running = state.shared.meter.running();
    Ended { result, state, log, log_lines_dropped, fuel, running }
}

/// Passes an event to the component's `handle`.
pub(super) async fn handle(caller: &Caller, limits: &Limits, scene: Scene, event: &Event) -> Ended<Verdict> {
    let patience = scene.mode.as_ref().and_then(Mode::patience).filter(|patience| *patience < caller.budget.deadline);
    let mut budget = caller.budget.clone();
    if let Some(patience) = patience {
        (budget.deadline, budget.others_wait) = (patience, true);
    }
    let state = State::new(scene, budget);
    if let Some(stop) = too_large(event, limits.event_bytes) {
        let running = Duration::ZERO;
        let result = Err(Verdict::Stopped(stop));
        return Ended { result, state, log: Vec::new(), log_lines_dropped: 0, fuel: 0, running };
    }
    let fuel = Fuel { instantiate: limits.instantiate_fuel, call: limits.fuel, name: "fuel" };
    caller
        .call(state, fuel, async |instance, store| {
            let headers: Vec<(&str, &str)> =
                event.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let event = exports::Event {
                id: &event.id,
                sequence: event.sequence.as_deref(),
                event_type: &event.event_type,
                aggregate_type: &event.aggregate_type,
                aggregate_id: &event.aggregate_id,
                payload: &event.payload,
                created_at: event.created_at_ms,
                headers: &headers,
                columns: &event.columns,
            };
            let returned = instance.weir_handler_handler().call_handle(store, event).await?;
            Ok(returned.map_or_else(|failure| Verdict::Failed(failed(failure)), |()| Verdict::Accepted))
        })
        .await
}

/// Asks the component to describe itself.
pub(super) async fn describe(caller: &Caller, name: &str, digest: &str, limits: &Limits) -> Result<String, Reason> {
    let scene = Scene {
        event: None,
        handler: HandlerKey { id: Arc::from(name), generation: 0, installation: Installation::default() },
        attempt: 0,
        now_ms: 0,
        grants: Arc::new(Grants::default()),
        mode: None,
        seed: Seed::of_description(digest),
    };
    let state = State::new(scene, limits.describe_budget());
    let fuel = Fuel { instantiate: limits.instantiate_fuel, call: limits.describe_fuel, name: "describe_fuel" };
    let ended = caller
        .call(state, fuel, async |instance, store| instance.weir_handler_handler().call_describe(store).await)
        .await;
    crate::host::emit(name, "", 0, &ended.log, ended.log_lines_dropped);
    ended.result.map_err(|verdict| match verdict {
        Verdict::Stopped(stop) => Reason::Stopped(stop),
        Verdict::Refused(refusal) => Reason::Refused(refusal),
        Verdict::Fault(fault) => Reason::Fault(fault.message),
        other => Reason::Fault(format!("describe ended as {other:?}")),
    })
}

fn too_large(event: &Event, limit: u64) -> Option<Stop> {
    let headers: usize = event.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let texts = [&event.id, &event.event_type, &event.aggregate_type, &event.aggregate_id];
    let texts: usize = texts.iter().map(|text| text.len()).sum();
    let bytes = (texts + headers + event.payload.len() + event.columns.len()) as u64;
    let message = || format!("event_bytes: the event has {bytes} bytes, the limit is {limit}");
    (bytes > limit).then(|| Stop { kind: StopKind::EventSize, message: message(), backtrace: None })
}

fn failed(failure: exports::Failure) -> Failure {
    let action = match failure.action {
        types::Action::Retry => Action::Retry,
        types::Action::Reject => Action::Reject,
        types::Action::Skip => Action::Skip,
    };
    let exports::Failure { error_type, message, trace, after_ms, .. } = failure;
    Failure {
        action,
        error_type: cut::noted(error_type, ERROR_TYPE_BYTES),
        message: cut::noted(message, MESSAGE_BYTES),
        trace: trace.map(|trace| cut::noted(trace, TRACE_BYTES)),
        after_ms,
    }
}
