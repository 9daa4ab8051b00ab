//! Handlers: which are loaded, their identities, and which event types they have.

mod ceiling;
mod folder;

pub use folder::{Error, read};

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;
use weir_core::call::{Call, HandlerKey, Installation, Run};
use weir_core::delivery::hop::Later;
use weir_core::delivery::{Handlers, Identity, RetryPolicy, Routes, lines};
use weir_core::documents::Mode;
use weir_core::event::Event;
use weir_core::store::{self, Deployment, Store};
use weir_core::telemetry::metrics::{HandlerMetrics, Metrics};
use weir_sandbox::Handler;

/// Tells how the failed deliveries of the handler with a name are tried again.
pub type Policies<'a> = &'a (dyn Fn(&str) -> RetryPolicy + Sync);

/// A handler that is loaded and entered in Weir's database.
#[derive(Debug)]
pub struct Deployed {
    handler: Handler,
    key: HandlerKey,
    metrics: HandlerMetrics,
}

impl Deployed {
    /// Returns its code.
    #[must_use]
    pub fn handler(&self) -> &Handler {
        &self.handler
    }

    /// Returns its identity, as the sandbox takes it.
    #[must_use]
    pub fn key(&self) -> HandlerKey {
        self.key.clone()
    }

    /// Returns its metrics.
    #[must_use]
    pub fn metrics(&self) -> &HandlerMetrics {
        &self.metrics
    }
}

/// The handlers of this process.
#[derive(Debug, Default)]
pub struct Registry {
    routes: Routes,
    deployed: HashMap<i32, Deployed>,
}

impl Registry {
    /// Enters the loaded handlers in Weir's database, which gives them their ids, and creates the collections that they
    /// may write. `policy` tells how the failed deliveries of the handler with a name are tried again.
    ///
    /// # Errors
    /// Any error of MongoDB.
    pub async fn enter(
        (handlers, policy): (Vec<Handler>, Policies<'_>),
        store: &Store,
        metrics: &Metrics,
        outbox_source: &str,
    ) -> Result<Self, store::Error> {
        let installation = Installation::new(store.secret(random_bytes()).await?, outbox_source);
        let in_progress = !store.group_progress().await?.epochs.is_empty();
        let mut entered = Vec::with_capacity(handlers.len());
        for handler in handlers {
            let known = store
                .deploy(&Deployment {
                    name: handler.name(),
                    digest: handler.digest(),
                    events: handler.events(),
                    description: handler.description().description.as_deref().unwrap_or_default(),
                })
                .await?;
            if in_progress && !known.added.is_empty() {
                added(handler.name(), &known.added);
            }
            entered.push((known, handler));
        }
        let written: Vec<(i32, Vec<Arc<str>>)> =
            entered.iter().map(|(known, handler)| (known.id, writable(handler))).collect();
        let collections: BTreeSet<&str> =
            written.iter().flat_map(|(_, names)| names.iter().map(AsRef::as_ref)).collect();
        store.create_collections(collections).await?;
        let lines = lines(&written);
        let of_each: Vec<(i32, i32)> = written.iter().zip(&lines).map(|((id, _), line)| (*id, *line)).collect();
        store.note_lines(&of_each).await?;
        let mut registry = Self::default();
        for ((known, handler), line) in entered.into_iter().zip(lines) {
            let identity = Arc::new(Identity {
                id: known.id,
                generation: known.generation,
                name: Arc::from(handler.name()),
                version: Arc::from(handler.digest()),
                line,
                policy: policy(handler.name()),
            });
            registry.add(&identity, handler, &installation, metrics);
        }
        Ok(registry)
    }

    fn add(&mut self, identity: &Arc<Identity>, handler: Handler, installation: &Installation, metrics: &Metrics) {
        for event_type in handler.events() {
            self.routes.register(event_type, identity);
        }
        tracing::info!(
            handler = &*identity.name,
            handler_id = identity.id,
            generation = identity.generation,
            version = &*identity.version,
            event_types = ceiling::named(handler.events()),
            grants = ceiling::named(&granted(&handler)),
            "handler_registered"
        );
        let key = HandlerKey {
            id: Arc::from(identity.id.to_string()),
            generation: u32::try_from(identity.generation).unwrap_or_default(),
            installation: installation.clone(),
        };
        let metrics = metrics.handler(&identity.name);
        self.deployed.insert(identity.id, Deployed { handler, key, metrics });
    }

    /// Returns which handlers an event type has.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Returns the handler with this id.
    #[must_use]
    pub fn deployed(&self, id: i32) -> Option<&Deployed> {
        self.deployed.get(&id)
    }
}

impl Handlers for Registry {
    fn routes(&self) -> &Routes {
        Self::routes(self)
    }

    fn deliver<'a>(
        &'a self,
        to: &'a Identity,
        event: Arc<Event>,
        (attempt, now_ms): (u32, i64),
        mode: Mode,
    ) -> Later<'a, Run> {
        Box::pin(async move {
            let deployed = self.deployed(to.id).expect("what is routed is deployed");
            let call = Call { event, handler: deployed.key(), attempt, now_ms, mode };
            let run = deployed.handler().deliver(call).await;
            deployed.metrics().ran(run.running, run.fuel);
            if run.log_lines_dropped > 0 {
                deployed.metrics().log_lines_dropped(run.log_lines_dropped);
            }
            run
        })
    }
}

/// Warns that hosts which do not have the handler yet skip these events during a rolling deployment.
fn added(handler: &str, event_types: &[String]) {
    tracing::warn!(
        handler,
        event_types = ceiling::named(event_types),
        hint = "hosts of this group that do not have it yet pass these events for it, and they are not given to it later; \
                if it must see every event, stop all hosts before the first new one starts",
        "handler_added"
    );
}

fn random_bytes() -> [u8; 32] {
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(one.as_bytes());
    bytes[16..].copy_from_slice(other.as_bytes());
    bytes
}

/// Returns what the handler may do with each collection, in words for people.
fn granted(handler: &Handler) -> Vec<String> {
    let grants = handler.grants().iter();
    grants.map(|(name, access)| format!("{} {name}", ceiling::verbs(access.read, access.write))).collect()
}

fn writable(handler: &Handler) -> Vec<Arc<str>> {
    handler.grants().iter().filter(|(_, access)| access.write).map(|(name, _)| Arc::clone(name)).collect()
}
