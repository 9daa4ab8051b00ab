//! From an error of wasmtime to why a call was stopped.

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::call::Fuel;
use crate::host::{Stop, StopKind, Verdict};

/// Why a call ended, where the host's side has recorded nothing. `fuel` is the kind and the limit that a lack of fuel
/// stands for.
pub(super) fn verdict(error: &wasmtime::Error, kind: StopKind, fuel: Fuel) -> Verdict {
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Verdict::Fault(format!("no slot for an instance: {error:#}"));
    }
    let (kind, message) = match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => (kind, format!("{}: used up all {} units", fuel.name, fuel.call)),
        Some(Trap::StackOverflow) => (StopKind::Stack, "stack_bytes: the call stack is exhausted".to_owned()),
        Some(trap) => (StopKind::Trap, trap.to_string()),
        None => other(error),
    };
    Verdict::Stopped(Stop { kind, message, backtrace: backtrace(error) })
}

fn other(error: &wasmtime::Error) -> (StopKind, String) {
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return (StopKind::Handles, "handles: holds too many streams and pollables at once".to_owned());
    }
    let text = error.root_cause().to_string();
    // The type of this error is private to wasmtime; a test holds its words.
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        let message = "boundary_bytes: one call's texts and lists are larger than all that may cross".to_owned();
        return (StopKind::Boundary, message);
    }
    (StopKind::Trap, text)
}

/// The guest's stack, innermost first: a frame a line, with function names, and file and line where they are known.
pub(super) fn backtrace(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.to_string();
    let lines: Vec<&str> = frames.lines().skip(1).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
