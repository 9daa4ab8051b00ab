//! The clients of Kafka and MongoDB, for packages that may take longer to compile than `xtask`.

mod kafka;
mod world;

pub use kafka::{Kafka, Record};
pub use world::{World, find};
