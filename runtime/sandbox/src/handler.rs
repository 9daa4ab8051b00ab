//! A handler that can be called.

use std::sync::Arc;

use super::call::{Caller, Ended, handle};
use super::{Description, Limits};
use crate::host::{self, Scene, Seed};
use weir_core::call::{Call, Run};
use weir_core::documents::Grants;
use weir_core::documents::view::View;

/// A loaded handler. Cheap to clone.
#[derive(Clone)]
pub struct Handler {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) digest: String,
    pub(super) description: Description,
    pub(super) grants: Arc<Grants>,
    pub(super) limits: Limits,
    pub(super) caller: Caller,
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handler")
            .field("name", &self.inner.name)
            .field("digest", &self.inner.digest)
            .finish_non_exhaustive()
    }
}

impl Handler {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Returns the name that it was loaded under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the SHA-256 of the component's bytes, in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// Returns its description of itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// Returns the event types that it wants.
    #[must_use]
    pub fn events(&self) -> &[String] {
        &self.inner.description.events
    }

    /// Returns the collections that it may use.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.inner.grants
    }

    /// Returns the limits of a delivery.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Delivers an event to it, in a fresh instance. Its log lines are passed on to the host's log, unless the run does
    /// not count.
    pub async fn deliver(&self, call: Call) -> Run {
        let Call { event, handler, attempt, now_ms, mode } = call;
        let seed = Seed::of_delivery(&event.id, &handler);
        let grants = Arc::clone(&self.inner.grants);
        let scene = Scene { event: Some(Arc::clone(&event)), handler, attempt, now_ms, grants, mode: Some(mode), seed };
        let ended = handle(&self.inner.caller, &self.inner.limits, scene, &event).await;
        let Ended { result, state, log, log_lines_dropped, fuel, running } = ended;
        let verdict = result.unwrap_or_else(|verdict| verdict);
        if !verdict.runs_again() {
            host::emit(&self.inner.name, &event.id, attempt, &log, log_lines_dropped);
        }
        let in_documents = state.in_documents;
        let (writes, reads) = state.view.map(View::into_parts).unwrap_or_default();
        Run { verdict, writes, reads, log, log_lines_dropped, fuel, running, in_documents }
    }
}
