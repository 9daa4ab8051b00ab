//! What the process reports over HTTP: `/livez`, `/readyz`, `/metrics`, `/v1/stats` and the resources of `operations`.
//! `/v1/openapi.json` describes it. It changes nothing.
//!
//! Invariant: every error is answered with problem JSON (RFC 9457), except by `/readyz`, whose body is its own.

mod health;
mod metrics;
mod openapi;
mod problem;
mod resources;
mod serving;
mod stats;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::http::Uri;
use axum::routing::get;
use axum::{Router, extract};
use tokio::net::TcpListener;

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
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be used.
    #[error("ADMIN_LISTEN is {address}, which cannot be listened on: {source}; give another address or port")]
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
    let router = |details| router(state.clone(), details);
    serving::serve(listener, (router(true), router(false)), bounds, until).await;
}

/// Returns the routes. `details` is for clients on this machine.
fn router(state: State, details: bool) -> Router {
    let resources = if details {
        Router::new()
            .route("/v1/progress", get(resources::progress))
            .route("/v1/handlers", get(resources::handlers))
            .route("/v1/failures", get(resources::failures))
            .route("/v1/failures/{id}", get(resources::failure))
    } else {
        let forbidden = || get(async || Problem::elsewhere());
        Router::new()
            .route("/v1/progress", forbidden())
            .route("/v1/handlers", forbidden())
            .route("/v1/failures", forbidden())
            .route("/v1/failures/{id}", forbidden())
    };
    resources
        .route("/livez", get(health::live))
        .route("/readyz", get(async move |state: extract::State<State>| health::ready(state, details)))
        .route("/metrics", get(metrics::show))
        .route("/v1/stats", get(stats::show))
        .route("/v1/openapi.json", get(openapi::show))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async |uri: Uri| Problem::not_found(uri.path()))
        .with_state(state)
}
