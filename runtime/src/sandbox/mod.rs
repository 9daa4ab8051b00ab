//! The engine, limits, bindings, one call of one handler.

pub mod limits;

pub use limits::Limits;
