//! The rig: the real services on this machine, and how Weir is started against them.
//!
//! `xtask`, the proofs and the service tests are all built on this package, so that there is one way to start
//! PostgreSQL, Kafka, Connect and MongoDB, and one way to start a host. It must not know what is proved or tested with
//! them.
//!
//! - [`instance`]: the services of one pipeline, with a folder, ports and logs of their own.
//! - [`pipeline`]: a topic, a group and databases on an instance. Two pipelines never meet, so tests and proofs share one
//!   instance and have a pipeline each.
//! - `clients` (behind the feature of that name, so that `xtask` compiles in seconds): Kafka and MongoDB, and a
//!   `World`, which is a pipeline with clients on both of its ends.
//! - [`weir`]: a `weir run` against an instance, and what it reports about itself over HTTP.
//! - [`proxy`]: delays, hangs or cuts connections to any of them.
//! - [`rows`], [`comparison`], [`python`]: rows for the outbox, and the model that judges what became of them. The
//!   model is written in Python, so that it shares no code with Weir.
//! - [`measure`]: what `cargo xtask bench` and the proofs `throughput` and `latency` measure with.
//! - [`prerequisites`], [`cache`]: what a machine must have, and what is downloaded once.
//! - [`cargo`], [`guests`], [`process`], [`progress`], [`interrupt`], [`paths`]: builds, commands, the terminal, signals,
//!   folders.

// Its users are programs for people, which print to stdout.
#![allow(clippy::print_stdout)]
#![allow(clippy::missing_errors_doc, clippy::must_use_candidate, reason = "a package for the workspace's own tools")]

pub mod cache;
pub mod cargo;
#[cfg(feature = "clients")]
pub mod clients;
pub mod clock;
pub mod comparison;
pub mod guests;
pub mod instance;
pub mod interrupt;
pub mod measure;
pub mod paths;
pub mod pipeline;
pub mod prerequisites;
pub mod process;
pub mod progress;
pub mod proxy;
pub mod python;
pub mod rows;
pub mod weir;
