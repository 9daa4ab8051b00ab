//! What a handler may import: documents, log, delivery; and the checks on what it asks for.

pub mod ejson;
pub mod grants;
pub mod operators;
pub mod pending;
pub mod refusal;
pub mod request;

pub use grants::Grants;
pub use pending::Pending;
pub use refusal::{Code, Refusal};
