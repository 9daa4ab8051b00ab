//! `/livez`: whether the process makes progress. `/readyz`: whether it can take events.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::problem::Problem;
use weir_core::telemetry::health::Readiness;

/// Answers 200 while every loop makes progress. An outage of Kafka or MongoDB does not count: a restart does not end
/// it.
#[utoipa::path(
    get,
    path = "/livez",
    responses(
        (status = 200, description = "Every loop makes progress"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn live(State(state): State<super::State>) -> Response {
    match state.health.live() {
        Ok(()) => Json(json!({"live": true})).into_response(),
        Err(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no progress", &why).into_response(),
    }
}

/// Answers 200 if nothing is waited for and no partition has stopped. The reasons are in the words of Kafka and
/// MongoDB, which name hosts, users and collections, so only clients on this machine receive them.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(super) fn ready(State(state): State<super::State>, details: bool) -> (StatusCode, Json<Readiness>) {
    let readiness = state.health.readiness();
    let readiness = if details { readiness } else { readiness.without_reasons() };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}
