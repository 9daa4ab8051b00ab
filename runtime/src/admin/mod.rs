//! What the process says of itself over HTTP: `/livez`, `/readyz`, `/metrics`, `/v1/stats`. It reads what `telemetry`
//! holds and changes nothing.
//!
//! Invariant: every answer that is an error is problem JSON (RFC 9457), but for `/readyz`, whose body is its own.

mod health;
mod metrics;
mod problem;
mod serving;
mod stats;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;

use axum::http::Uri;
use axum::routing::get;
use axum::{Router, extract};
use tokio::net::TcpListener;

use crate::telemetry::{Health, Metrics};
use problem::Problem;
pub use serving::Bounds;

/// What the answers are made from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    /// Whether it lives and is ready.
    pub health: Health,
    /// What it has done.
    pub metrics: Metrics,
}

/// Why it cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("ADMIN_LISTEN is {address}, which cannot be listened on: {source}; give another address or port")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Takes the address of `ADMIN_LISTEN`.
///
/// # Errors
/// The address is in use, or not one of this machine's.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })
}

/// Serves until `until` ends, which should be after the drain, so that those who probe see it.
pub async fn serve(listener: TcpListener, state: State, bounds: Bounds, until: impl Future<Output = ()> + Send) {
    let router = |details| router(state.clone(), details);
    serving::serve(listener, (router(true), router(false)), bounds, until).await;
}

/// What is served; `details` where whoever asks sits on this machine.
fn router(state: State, details: bool) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(async move |state: extract::State<State>| health::ready(state, details)))
        .route("/metrics", get(metrics::show))
        .route("/v1/stats", get(stats::show))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async |uri: Uri| Problem::not_found(uri.path()))
        .with_state(state)
}
