//! The answer for an error, as RFC 9457 defines it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use weir_core::hint;

/// What went wrong with a request. Its `type` stays at `about:blank`, because the status says which kind it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The kind of problem.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Problem {
    /// Makes a problem of a text with the fact and perhaps a hint.
    pub(super) fn new(status: StatusCode, title: impl Into<String>, text: &str) -> Self {
        let (detail, hint) = hint::split(text);
        Self { title: title.into(), status: status.as_u16(), detail, hint }
    }

    pub(super) fn not_found(text: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found", text)
    }

    pub(super) fn no_such_path(path: &str) -> Self {
        let fact = format!("there is nothing at {path}");
        Self::not_found(&hint::with(&fact, "/v1/openapi.json describes what there is"))
    }

    pub(super) fn bad_request(text: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad request", text)
    }

    pub(super) fn unavailable(text: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
    }

    /// The client is on another machine.
    pub(super) fn elsewhere() -> Self {
        let fact = "only clients on the host's own machine may ask for this, because it shows events and messages";
        Self::new(StatusCode::FORBIDDEN, "forbidden", fact)
    }

    /// The request came from this machine, perhaps on behalf of a web page.
    pub(super) fn foreign_host(host: &HeaderValue) -> Self {
        let fact = format!("the Host header is {host:?}, which a web page may have as its name");
        let text = hint::with(&fact, "ask for localhost or an IP address");
        Self::new(StatusCode::FORBIDDEN, "forbidden", &text)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "this path answers GET and HEAD only")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(self)).into_response()
    }
}
