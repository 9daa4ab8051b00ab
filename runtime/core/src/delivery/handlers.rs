//! The handlers as a batch calls them.

use std::sync::Arc;

use super::hop::Later;
use super::routes::{Identity, Routes};
use crate::call::Run;
use crate::documents::Mode;
use crate::event::Event;

/// A set of handlers that can be called. It never changes: other handlers or versions are another set, which the next
/// batch takes.
pub trait Handlers: std::fmt::Debug + Send + Sync {
    /// Returns the handlers of each event type.
    fn routes(&self) -> &Routes;

    /// Gives an event to a handler. The pair is the number of the attempt, which is 1 for the first, and what the handler
    /// takes for now, in milliseconds since 1970.
    fn deliver<'a>(&'a self, to: &'a Identity, event: Arc<Event>, attempt: (u32, i64), mode: Mode) -> Later<'a, Run>;
}
