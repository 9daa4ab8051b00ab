//! The interfaces that a handler may import: documents, log, delivery and an empty WASI. This module turns
//! WebAssembly's calls into calls of [`weir_core::documents`].
//!
//! It does not know how handlers are loaded, called or limited in fuel. It is given a `Budget` and enforces it.

mod bindings;
mod cause;
mod clock;
mod delivery;
mod documents;
mod growth;
mod log;
mod log_buffer;
mod meter;
mod random;
mod state;
mod wasi;
mod wasi_clocks;
mod wasi_streams;

pub(crate) use bindings::exports::weir::handler::handler as exports;
pub(crate) use bindings::weir::handler::types;
pub(crate) use bindings::{EventHandler, EventHandlerPre};
pub(crate) use log::emit;
pub(crate) use random::Seed;
pub(crate) use state::{Budget, Scene, State};
pub(crate) use wasi::INTERFACES;

use wasmtime::component::{HasSelf, Linker};

/// Returns a linker with everything that a handler may import, and nothing else.
///
/// # Errors
/// If a name is linked twice.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    EventHandler::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    wasi::link(&mut linker)?;
    Ok(linker)
}
