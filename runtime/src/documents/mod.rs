//! What a handler may ask of MongoDB: its texts become reads and writes, held to its grants and to lists of what is allowed.
//!
//! It knows neither WebAssembly nor MongoDB's driver, and decides nothing about deliveries.

pub mod ejson;
pub mod grants;
pub mod operators;
mod pending;
mod refusal;
pub mod request;
pub mod view;

pub use grants::Grants;
pub use pending::Pending;
pub use refusal::{Code, Refusal};
pub use view::Mode;
