//! What the process reports over HTTP: `/livez`, `/readyz`, `/metrics`, `/v1/stats` and the resources of `operations`.
//! `/v1/openapi.json` describes it. It changes nothing.
//!
//! Invariant: every error is answered with problem JSON (RFC 9457), except by `/readyz`, whose body is its own.

mod health;
mod metrics;
mod openapi;
mod peer;
mod problem;
mod resources;
mod serving;
mod stats;

#[cfg(test)]
mod bodies_test;
#[cfg(test)]
#[path = "api_test.rs"]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use axum::http::{HeaderMap, Uri};
use axum::middleware::{self, Next};
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Router, extract};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use peer::Peer;
use problem::Problem;
pub use serving::Bounds;
use weir_core::store::Store;
use weir_core::telemetry::{Health, Metrics};

/// The state that requests are answered from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    /// Whether the process lives and is ready.
    pub health: Health,
    /// What the process has done.
    pub metrics: Metrics,
    /// MongoDB, once the host is connected.
    pub store: Arc<OnceLock<Store>>,
    /// Whose turn it is to read a failure with its record, which may have 32 MiB. Only one request does so at a time.
    reads_of_records: Arc<Semaphore>,
}

impl State {
    /// Makes the state of a host that is connected to MongoDB once `store` is set.
    #[must_use]
    pub fn new(health: Health, metrics: Metrics, store: Arc<OnceLock<Store>>) -> Self {
        Self { health, metrics, store, reads_of_records: Arc::new(Semaphore::new(1)) }
    }
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be used.
    #[error("ADMIN_LISTEN is {address}, which cannot be listened on: {source}\nhint: give another address or port")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
}

/// Binds the address of `ADMIN_LISTEN`.
///
/// # Errors
/// The address is in use, or not one of this machine's.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })
}

/// Serves until `until` ends, which should be after the drain, so that probes see the drain.
pub async fn serve(listener: TcpListener, state: State, bounds: Bounds, until: impl Future<Output = ()> + Send) {
    serving::serve(listener, |peer| router(state.clone(), peer), bounds, until).await;
}

/// Returns the routes for a peer.
fn router(state: State, peer: Peer) -> Router {
    let from_here_only = move |request: Request, next: Next| async move {
        match peer.allows(request.headers()) {
            Ok(()) => next.run(request).await,
            Err(problem) => problem.into_response(),
        }
    };
    let ready = async move |state: extract::State<State>, headers: HeaderMap| {
        health::ready(state, peer.allows(&headers).is_ok())
    };
    Router::new()
        .route("/v1/progress", get(resources::progress))
        .route("/v1/handlers", get(resources::handlers))
        .route("/v1/handlers/{name}", get(resources::handler))
        .route("/v1/failures", get(resources::failures))
        .route("/v1/failures/{id}", get(resources::failure))
        .route_layer(middleware::from_fn(from_here_only))
        .route("/livez", get(health::live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::show))
        .route("/v1/stats", get(stats::show))
        .route("/v1/openapi.json", get(openapi::show))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async |uri: Uri| Problem::no_such_path(uri.path()))
        .with_state(state)
}
