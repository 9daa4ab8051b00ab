//! What a handler may import: documents, log, delivery, an empty WASI; and the checks on what it asks for.
//!
//! It knows nothing of how handlers are loaded, called or limited in fuel: it is given a `Budget` and
//! keeps it.

mod bindings;
mod cut;
mod delivery;
mod documents;
pub mod ejson;
pub mod grants;
mod growth;
pub mod log;
mod meter;
pub mod operators;
pub mod pending;
mod random;
pub mod refusal;
pub mod request;
pub mod run;
mod state;
pub mod view;
mod wasi;
mod wasi_clocks;
mod wasi_streams;

pub use cut::cut;
pub use grants::Grants;
pub use log::{Level, LogLine};
pub use pending::Pending;
pub use random::Installation;
pub use refusal::{Code, Refusal};
pub use run::{Action, Call, Failure, Fault, HandlerKey, Mode, Run, Stop, StopKind, Verdict};

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
