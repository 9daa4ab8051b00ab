//! `/metrics`: all metrics as `OpenMetrics` text.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::logging::log;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn show(State(state): State<super::State>) -> impl IntoResponse {
    state.metrics.log_lines_lost(log::lost());
    ([(header::CONTENT_TYPE, OPEN_METRICS)], state.metrics.render())
}
