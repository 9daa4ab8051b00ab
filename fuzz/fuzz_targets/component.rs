//! Loads and calls core modules from wasm-smith, wrapped in a component that follows the contract. An input that
//! already is a component, or the text of one, is used as it is, so that the corpus can be replayed without wasm-smith.

#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use wasm_smith::{Config, Module};

fuzz_target!(|data: &[u8]| {
    let Some(component) = weir_fuzz::component_of(data).or_else(|| generated(data)) else { return };
    // Lets you keep the component of a failing input as a case.
    if let Some(file) = std::env::var_os("WEIR_FUZZ_COMPONENT") {
        std::fs::write(file, &component).expect("the component can be written");
    }
    weir_fuzz::component(&component);
});

/// Returns a component whose `handle` is arbitrary code that may call the host.
fn generated(data: &[u8]) -> Option<Vec<u8>> {
    let parsed = |text: &str| wat::parse_str(text).expect("the text is right");
    let config = Config {
        available_imports: Some(parsed(weir_fuzz::IMPORTS)),
        exports: Some(parsed("(module (func (export \"handle\") (param i32) (result i32) unreachable))")),
        max_memories: 2,
        max_tables: 3,
        memory64_enabled: false,
        threads_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        custom_page_sizes_enabled: false,
        shared_everything_threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    };
    let module = Module::new(config, &mut Unstructured::new(data)).ok()?;
    Some(weir_fuzz::around(&module.to_bytes()))
}
