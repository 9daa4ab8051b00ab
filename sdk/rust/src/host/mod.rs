//! The host's functions: the contract's imports in a component, a recording fake everywhere else.

#[cfg(target_arch = "wasm32")]
mod imports;
#[cfg(target_arch = "wasm32")]
pub(crate) use imports::*;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod fake;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use fake::*;

use crate::CallError;

/// The result of a call that can be refused.
pub(crate) type Answer<T> = Result<T, CallError>;

/// What a write did, as in the contract.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawEffect {
    pub(crate) inserted: u64,
    pub(crate) matched: u64,
    pub(crate) modified: u64,
    pub(crate) deleted: u64,
    pub(crate) upserted_id: Option<String>,
}
