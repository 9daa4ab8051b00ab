//! Kafka, through its client: the only module that sees rdkafka.
//!
//! `reading` performs on the client what the core's [`Member`](weir_core::consumer::member::Member) decides: it reads
//! records, decodes them and hands them to the one committer. It reads a partition only from where a claim says.

mod assigning;
mod callbacks;
mod client;
mod committing;
mod connection;
pub mod embedded;
mod error;
mod lists;
mod questions;
mod reading;
mod record;
pub mod recording;

pub use client::Kafka;
pub use embedded::Embedded;
pub use error::Error;
pub use reading::{Reading, look_every};
pub use recording::Recording;
