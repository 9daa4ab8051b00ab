//! What measurements share: the records of the reference mix, guests to call, a clock.
//!
//! `cargo xtask bench` runs the binary `weir-bench`, `cargo bench -p bench --features inner` the inner costs. Nothing of Weir's store is
//! used to measure MongoDB: the ceiling speaks to the driver itself.

pub mod guests;
pub mod mix;
pub mod writes;
