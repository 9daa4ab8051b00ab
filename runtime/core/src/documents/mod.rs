//! The requests that a handler may send to MongoDB. Their texts become reads and writes, which are checked against the
//! handler's grants and the allow-lists.
//!
//! It knows neither WebAssembly nor MongoDB's driver, and decides nothing about deliveries.

pub mod ejson;
mod expressions;
pub mod grants;
pub mod operators;
mod pending;
mod refusal;
pub mod request;
pub mod view;

pub use expressions::Expressions;
pub use grants::Grants;
pub use pending::Pending;
pub use refusal::{Code, Refusal};
pub use view::Mode;
