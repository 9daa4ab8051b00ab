//! `/livez`: does it make progress; `/readyz`: can it take events.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::problem::Problem;
use crate::telemetry::health::Readiness;

/// 200 while every loop makes progress. An outage of Kafka or MongoDB is none of its business: a restart heals none.
pub(super) async fn live(State(state): State<super::State>) -> Response {
    match state.health.live() {
        Ok(()) => Json(json!({"live": true})).into_response(),
        Err(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no progress", why).into_response(),
    }
}

/// 200 where nothing is waited for and no partition stands still. The reasons are in the words of Kafka and MongoDB, which
/// name hosts, users and collections, so only this machine is given them.
pub(super) fn ready(State(state): State<super::State>, details: bool) -> (StatusCode, Json<Readiness>) {
    let readiness = state.health.readiness();
    let readiness = if details { readiness } else { readiness.without_reasons() };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}
