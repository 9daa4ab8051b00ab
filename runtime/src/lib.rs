//! Weir: a WebAssembly-sandboxed handler runtime for change data capture.
//!
//! [`weir_core`] decides, [`weir_sandbox`] runs handlers, and this package connects the two with Kafka, MongoDB and
//! people:
//!
//! - [`config`]: every setting, its default and its check.
//! - [`server`]: the only composition root; ordered start and stop.
//! - [`kafka`]: the loop of a member of a group; the only module that sees rdkafka.
//! - [`driver`]: the only module that sees MongoDB's driver.
//! - [`registry`]: the handlers of this process; it makes a delivery a call.
//! - [`operations`]: what people and programs ask of an installation; [`api`] and [`cli`] pass it on.
//! - [`logging`]: the log.
//! - [`shutdown`], [`clock`]: the request to stop, this machine's time.

pub mod allocator;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod driver;
pub mod kafka;
pub mod logging;
pub mod operations;
pub mod registry;
pub mod server;
pub mod shutdown;
