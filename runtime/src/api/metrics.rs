//! `/metrics`: all metrics as `OpenMetrics` text.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn show(State(state): State<super::State>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], state.metrics.render())
}
