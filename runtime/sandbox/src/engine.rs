//! The engine: how components are compiled and the memory that their instances live in. There is one per process.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmparser::WasmFeatures;
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy, WasmBacktraceDetails};

use super::Compiler;
use crate::host::{self, State};

/// The settings of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    /// Calls at once. Further ones wait.
    pub slots: u32,
    /// Bytes of a handler's call stack.
    pub stack_bytes: u64,
    /// Milliseconds between two checks of a handler's running time.
    pub tick_ms: u64,
    /// The most that a handler's `memory_bytes` may be.
    pub max_memory_bytes: u64,
    /// The most that a handler's `table_elements` may be.
    pub max_table_elements: u32,
    /// The most memories, and the most tables, that one component may have.
    pub max_memories: u32,
    /// The most core modules that one component may consist of, counted by instances.
    pub max_core_instances: u32,
    /// Bytes of each memory that stay with a slot between two calls, if the kernel reports which pages were touched.
    pub resident_bytes: u64,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            slots: 64,
            stack_bytes: 1 << 20,
            tick_ms: 5,
            max_memory_bytes: 1 << 30,
            max_table_elements: 200_000,
            max_memories: 8,
            max_core_instances: 64,
            resident_bytes: 1 << 20,
        }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot be set up: {0}")]
pub struct EngineError(String);

/// Stack for host functions, which run on the stack of the handler that calls them, above the handler's own part.
const HOST_STACK_BYTES: u64 = 1 << 20;

/// The most frames of a handler's stack that a trap carries.
const BACKTRACE_FRAMES: usize = 32;

/// Compiles handlers and runs them. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    linker: Linker<State>,
    settings: EngineSettings,
    slots: Semaphore,
    compiler: Compiler,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Engine {
    /// Sets the engine up and reserves address space for its slots. The compiler is where its components are compiled.
    ///
    /// # Errors
    /// The settings do not fit together, or this machine has no room for them.
    pub fn new(settings: &EngineSettings, compiler: Compiler) -> Result<Self, EngineError> {
        let error = |error: wasmtime::Error| EngineError(format!("{error:#}"));
        let engine = wasmtime::Engine::new(&config(settings)?).map_err(error)?;
        let linker = host::linker(&engine).map_err(error)?;
        tick(&engine, Duration::from_millis(settings.tick_ms.max(1)))
            .map_err(|error| EngineError(error.to_string()))?;
        let slots = Semaphore::new(settings.slots as usize);
        Ok(Self { inner: Arc::new(Inner { engine, linker, settings: settings.clone(), slots, compiler }) })
    }

    /// Returns whether the kernel reports which pages a handler touched (Linux 6.7 and later). Otherwise a fresh
    /// instance costs several times as much.
    #[must_use]
    pub fn pagemap_scan(&self) -> bool {
        PoolingAllocationConfig::is_pagemap_scan_available()
    }

    pub(super) fn wasm(&self) -> &wasmtime::Engine {
        &self.inner.engine
    }

    pub(super) fn compiler(&self) -> &Compiler {
        &self.inner.compiler
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    pub(super) fn settings(&self) -> &EngineSettings {
        &self.inner.settings
    }

    /// Waits for a slot. Returns `None` only if the engine is torn down, which cannot happen while it is in use.
    pub(super) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        self.inner.slots.acquire().await.ok()
    }
}

/// Compiles a component for an engine with these settings, which may be in another process.
pub(super) fn precompile(settings: &EngineSettings, wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
    // Nothing runs here, so one slot is enough.
    let config = config(&EngineSettings { slots: 1, ..settings.clone() }).map_err(wasmtime::Error::new)?;
    wasmtime::Engine::new(&config)?.precompile_component(wasm)
}

fn config(settings: &EngineSettings) -> Result<Config, EngineError> {
    let size = |name: &str, bytes: u64| {
        usize::try_from(bytes).map_err(|_| EngineError(format!("{name}: {bytes} is too large for this machine")))
    };
    let stack = size("stack_bytes", settings.stack_bytes)?;
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(stack)
        .async_stack_size(size("stack_bytes", settings.stack_bytes.saturating_add(HOST_STACK_BYTES))?)
        .wasm_features(never(), false)
        // Two hosts must run a delivery alike, whatever their processors make of a NaN or of relaxed SIMD.
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings, &size)?));
    Ok(config)
}

/// The features that components may not use, whether or not wasmtime is built with them: another crate may ask for more
/// of wasmtime than this one does.
fn never() -> WasmFeatures {
    WasmFeatures::MEMORY64
        | WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::GC
        | WasmFeatures::STACK_SWITCHING
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_ASYNC_STACKFUL
        | WasmFeatures::CM_MORE_ASYNC_BUILTINS
        | WasmFeatures::CM_THREADING
        | WasmFeatures::CM_ERROR_CONTEXT
        | WasmFeatures::CM_GC
        | WasmFeatures::CM64
}

fn pool(
    settings: &EngineSettings,
    size: &impl Fn(&str, u64) -> Result<usize, EngineError>,
) -> Result<PoolingAllocationConfig, EngineError> {
    let (slots, memories, instances) = (settings.slots, settings.max_memories, settings.max_core_instances);
    let resident = size("resident_bytes", settings.resident_bytes)?;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_stacks(slots)
        .total_core_instances(slots.saturating_mul(instances))
        .total_memories(slots.saturating_mul(memories))
        .total_tables(slots.saturating_mul(memories))
        .max_core_instances_per_component(instances)
        .max_memories_per_component(memories)
        .max_tables_per_component(memories)
        .max_memories_per_module(memories)
        .max_tables_per_module(memories)
        .max_memory_size(size("max_memory_bytes", settings.max_memory_bytes)?)
        .table_elements(settings.max_table_elements as usize)
        .max_unused_warm_slots(slots)
        .pagemap_scan(Enabled::Auto);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.linear_memory_keep_resident(resident).table_keep_resident(resident).async_stack_keep_resident(64 << 10);
    }
    Ok(pool)
}

/// Advances the epoch until the engine is gone.
fn tick(engine: &wasmtime::Engine, every: Duration) -> std::io::Result<()> {
    let engine = engine.weak();
    let run = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(every);
        }
    };
    std::thread::Builder::new().name("weir-epoch".to_owned()).spawn(run).map(drop)
}
