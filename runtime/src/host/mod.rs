//! What a handler may import: documents, log, delivery; and the checks on what it asks for.

pub mod pending;
pub mod refusal;

pub use pending::Pending;
pub use refusal::{Code, Refusal};
