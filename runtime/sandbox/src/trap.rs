//! Translates an error of wasmtime into the reason why a call was stopped.

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use super::backtrace;
use super::limits::Fuel;
use weir_core::call::{Fault, Stop, StopKind, Verdict};
use weir_core::cut;

/// Returns why a call ended, if the host's side has recorded nothing. If the fuel ran out, `kind` and `fuel` are the
/// kind and the limit to report.
pub(super) fn verdict(error: &wasmtime::Error, kind: StopKind, fuel: Fuel) -> Verdict {
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Verdict::Fault(Fault::of_host(format!("no slot for an instance: {error:#}")));
    }
    let (kind, message) = match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => (kind, format!("{}: used up all {} units", fuel.name, fuel.call)),
        Some(Trap::StackOverflow) => (StopKind::Stack, "stack_bytes: the call stack is exhausted".to_owned()),
        Some(trap) => (StopKind::Trap, trap.to_string()),
        None => other(error),
    };
    Verdict::Stopped(Stop { kind, message, backtrace: backtrace::of(error) })
}

/// The most bytes of a text from wasmtime.
const CAUSE_BYTES: usize = 2 << 10;

fn other(error: &wasmtime::Error) -> (StopKind, String) {
    let text = cut::noted(error.root_cause().to_string(), CAUSE_BYTES);
    // `Full` is the table of the host's resources. The other text is about everything that the component holds.
    let full = matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full));
    if full || text.contains("store handle limit exceeded") {
        return (StopKind::Handles, "handles: holds too many resources at once".to_owned());
    }
    // The types of these errors are private to wasmtime, so tests check their words.
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        let message = "boundary_bytes: one call's texts and lists are larger than all that may cross".to_owned();
        return (StopKind::Boundary, message);
    }
    (StopKind::Trap, text)
}
