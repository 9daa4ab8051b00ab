//! The engine, limits, bindings, one call of one handler.

pub use crate::config::Limits;
