//! What a handler may import: documents, log, delivery and an empty WASI. Here WebAssembly's calls become those of
//! [`crate::documents`].
//!
//! It knows nothing of how handlers are loaded, called or limited in fuel: it is given a `Budget` and
//! keeps it.

mod bindings;
mod delivery;
mod documents;
mod growth;
mod log;
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

/// Everything that a handler may import, and nothing else.
///
/// # Errors
/// Where a name is linked twice.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    EventHandler::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    wasi::link(&mut linker)?;
    Ok(linker)
}
