//! The Rust bindings of `wit/`. They are generated; this file only says how.
//!
//! Of the imports, only `documents` waits for anything, so only its functions are async. An event is lowered from
//! borrowed text.
#![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated from wit/")]
#![allow(unsafe_code, reason = "the generated code carries the unsafe marker traits of the component ABI")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "event-handler",
    imports: {
        "weir:handler/documents": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
    trappable_error_type: {
        "weir:handler/types.error" => crate::host::cause::CallError,
    },
});
