//! Write handlers for Weir in Rust.
//!
//! A handler is a type that implements [`Handler`], and one line that makes it a component:
//!
//! ```
//! use weir_sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Joined {
//!     user_id: String,
//! }
//!
//! struct ParticipantJoined;
//!
//! impl Handler for ParticipantJoined {
//!     type Payload = Joined;
//!     const EVENTS: &[&str] = &["ParticipantJoined"];
//!     const GRANTS: &[Grant] = &[write("activities")];
//!
//!     fn handle(&self, event: Event<Joined>) -> Result {
//!         collection("activities").must_match().update_one(
//!             doc! { "_id": event.aggregate_id },
//!             doc! { "$addToSet": { "allowed_users": event.payload.user_id }, "$set": { "updated_at": now() } },
//!         )?;
//!         Ok(())
//!     }
//! }
//! weir_sdk::export!(ParticipantJoined);
//! ```
//!
//! Build it with `cargo build --target wasm32-wasip2`. On every other target the crate compiles too, and
//! `testing` runs a handler against a host that records what it did.
//!
//! The crate owns the conversion between Rust's types and the texts of the contract. It must not know how the host
//! carries anything out. Its invariant: a call that failed decides the delivery, whether or not the handler checked it.

// The literals push one value after another, because a value may be spread. Outside this crate no lint sees that.
#![cfg_attr(test, allow(clippy::vec_init_then_push))]

mod collection;
mod datetime;
mod decimal;
mod delivery;
mod document;
mod extended;
mod failure;
mod field;
mod handler;
mod host;
mod lines;
mod object_id;
mod private_keys;
mod ser;
mod value;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod guest;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use collection::{Collection, Effect, Hint, Update, Write, collection, effect_of};
pub use datetime::{DateTime, DateTimeError};
pub use decimal::{Decimal, DecimalError};
pub use delivery::{attempt, new_id, now, random};
pub use document::{Document, Key};
pub use failure::{Action, CallError, Failure, Reject, Result, Retry, Skip};
pub use field::{Field, Given};
pub use handler::{Event, Grant, Handler, read, read_write, write};
pub use lines::{Level, log};
pub use object_id::{ObjectId, ObjectIdError};
pub use ser::{to_document, to_value};
pub use value::{ToValue, Value, literal};

/// Everything that a handler needs, for a glob import.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Number, Value as Json};

    pub use crate::{
        CallError, DateTime, Decimal, Document, Event, Failure, Field, Grant, Handler, ObjectId, Reject, Result, Retry,
        Skip, Value, array, attempt, collection, debug, doc, effect_of, error, info, literal, new_id, now, random,
        read, read_write, to_document, trace, warn, write,
    };
}
