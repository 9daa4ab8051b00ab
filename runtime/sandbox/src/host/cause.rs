//! Why a call, or a whole delivery, ended early.

use weir_core::call::{Fault, Stop};
use weir_core::documents::Refusal;
use weir_core::documents::view::Needs;

/// Why the host gave up a delivery through no fault of the handler.
#[derive(Debug)]
pub(crate) enum Abandoned {
    Fault(Fault),
    Needs(Needs),
}

/// Why a delivery ended, if the host decided it.
#[derive(Debug)]
pub(super) enum Cause {
    Abandoned(Abandoned),
    /// Others no longer wait for it.
    Slow,
    Refused(Refusal),
    Stopped(Stop),
}

/// Why a call of `documents` returned no result.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "generated traits, which are public, name it, and nightly checks that")]
pub enum CallError {
    /// The handler gets the refusal as an error.
    Refused(Refusal),
    /// The call is ended by a trap. The cause is in the store.
    Ended(wasmtime::Error),
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<wasmtime::Error> for CallError {
    fn from(ended: wasmtime::Error) -> Self {
        Self::Ended(ended)
    }
}
