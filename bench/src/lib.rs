//! What the measurements share: the records of the reference mix, guests to call, and a clock.
//!
//! `cargo xtask bench` runs the binary `weir-bench`, and `cargo bench -p bench --features inner` measures the inner
//! costs. Nothing of Weir's store is used to measure MongoDB: the ceiling uses the driver directly.

pub mod guests;
pub mod mix;
pub mod writes;
