//! Weir: a WebAssembly-sandboxed handler runtime for change data capture.
//!
//! One event passes through few modules, and they are listed in the order in which it meets them:
//!
//! - [`config`]: every setting, its default and its check.
//! - [`server`]: the only composition root; ordered start and stop.
//! - [`event`]: a Kafka record becomes an outbox event; pure.
//! - [`consumer`]: assignment, the partition loop; the only module that sees rdkafka.
//! - [`delivery`]: a batch: run, decide (pure), commit, park.
//! - [`call`]: what goes into a call of a handler and how it ended; where core and sandbox meet.
//! - [`registry`]: the handlers of this process; it makes a [`delivery`] a call.
//! - [`sandbox`]: the engine, limits, one call of one handler.
//! - [`host`]: what a handler may import.
//! - [`documents`]: what a handler may ask of MongoDB, as reads and writes in BSON; pure.
//! - [`store`]: MongoDB; the only module that sees the driver.
//! - [`operations`]: what people and programs ask of an installation; [`api`] and [`cli`] pass it on.
//! - [`telemetry`]: logs and metrics.
//! - [`shutdown`], [`clock`]: the request to stop, the host's time.
//! - [`cut`]: a text's beginning; [`failpoint`], [`seeded`]: what proofs switch on.

pub mod allocator;
pub mod api;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod consumer;
pub mod cut;
pub mod delivery;
pub mod documents;
pub mod event;
pub mod failpoint;
pub mod host;
pub mod operations;
pub mod registry;
pub mod sandbox;
pub mod seeded;
pub mod server;
pub mod shutdown;
pub mod store;
pub mod telemetry;
