//! `/v1/stats`: what the process has done, for people and scripts.

use axum::Json;
use axum::extract::State;

use weir_core::telemetry::stats::{self, Stats};

/// What the process has done so far.
#[utoipa::path(get, path = "/v1/stats", responses((status = 200, body = Stats)))]
pub(super) async fn show(State(state): State<super::State>) -> Json<Stats> {
    Json(stats::snapshot(&state.metrics, &state.health))
}
