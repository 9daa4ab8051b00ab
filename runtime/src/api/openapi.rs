//! `/v1/openapi.json`: the description of this interface, generated from the code that serves it.

use axum::Json;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Weir",
        description = "What a host of Weir tells. Numbers of 64 bits are texts. Errors are problems (RFC 9457). \
                       The paths under /v1 answer clients on the host's own machine only, /v1/stats excepted.",
    ),
    paths(
        super::health::live,
        super::health::ready,
        super::stats::show,
        super::resources::progress,
        super::resources::handlers,
        super::resources::handler,
        super::resources::failures,
        super::resources::failure,
    ),
    components(schemas(super::problem::Problem))
)]
struct Description;

/// Returns the description.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

pub(super) async fn show() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
