//! `/v1/progress`, `/v1/handlers` and `/v1/failures`: what `operations` knows, as JSON.

use std::error::Error;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};

use super::problem::Problem;
use crate::operations::failures::{self, FailureDetails, Page};
use crate::operations::handlers::{self, Handler, HandlerDetails};
use crate::operations::progress::{self, PartitionProgress};
use weir_core::hint;
use weir_core::store::{self, Store};

type Answer<T> = Result<Json<T>, Problem>;

/// How far the group has come.
///
/// All partitions are in one answer. If MongoDB has more than 16 MiB of them, the answer is 503.
#[utoipa::path(
    get,
    path = "/v1/progress",
    responses(
        (status = 200, body = Vec<PartitionProgress>),
        (status = 403, body = Problem, content_type = "application/problem+json",
            description = "The request does not come from the host's own machine"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn progress(State(state): State<super::State>) -> Answer<Vec<PartitionProgress>> {
    Ok(Json(progress::list(store(&state)?).await?))
}

/// The handlers that hosts have loaded.
///
/// All handlers are in one answer. If MongoDB has more than 16 MiB of them, the answer is 503.
#[utoipa::path(
    get,
    path = "/v1/handlers",
    responses(
        (status = 200, body = Vec<Handler>),
        (status = 403, body = Problem, content_type = "application/problem+json",
            description = "The request does not come from the host's own machine"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn handlers(State(state): State<super::State>) -> Answer<Vec<Handler>> {
    Ok(Json(handlers::list(store(&state)?).await?))
}

/// A handler with what stops it and what is parked for it.
#[utoipa::path(
    get,
    path = "/v1/handlers/{name}",
    params(("name" = String, Path, description = "The handler's name, from the list")),
    responses(
        (status = 200, body = HandlerDetails),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json",
            description = "The request does not come from the host's own machine"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn handler(
    State(state): State<super::State>,
    name: Result<Path<String>, PathRejection>,
) -> Answer<HandlerDetails> {
    let Path(name) = name.map_err(|error| Problem::bad_request(&innermost(&error)))?;
    let found = handlers::show(store(&state)?, &name).await?;
    found.map(Json).ok_or_else(|| no_such_handler(&name))
}

/// The deliveries that did not succeed, and the records that no handler received.
#[utoipa::path(
    get,
    path = "/v1/failures",
    params(failures::Query),
    responses(
        (status = 200, body = Page),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json",
            description = "The request does not come from the host's own machine"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn failures(
    State(state): State<super::State>,
    query: Result<Query<failures::Query>, QueryRejection>,
) -> Answer<Page> {
    let Query(query) = query.map_err(|error| Problem::bad_request(&innermost(&error)))?;
    failures::list(store(&state)?, &query).await.map(Json).map_err(|error| match error {
        failures::Error::Store(error) => error.into(),
        wrong @ failures::Error::Parameter { .. } => Problem::bad_request(&wrong.to_string()),
    })
}

/// A failure with everything that is known of it, except a log or a record that is long.
#[utoipa::path(
    get,
    path = "/v1/failures/{id}",
    params(("id" = String, Path, description = "The failure's id, from the list")),
    responses(
        (status = 200, body = FailureDetails),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json",
            description = "The request does not come from the host's own machine"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn failure(
    State(state): State<super::State>,
    id: Result<Path<String>, PathRejection>,
) -> Answer<FailureDetails> {
    let Path(id) = id.map_err(|error| Problem::bad_request(&innermost(&error)))?;
    let turn = state.reads_of_records.acquire().await;
    let _turn = turn.map_err(|_| Problem::unavailable("the host ends"))?;
    let found = failures::show(store(&state)?, &id).await?;
    found.map(FailureDetails::shortened).map(Json).ok_or_else(|| no_such_failure(&id))
}

/// Returns the reason at the bottom of an error, which names the parameter, without the framework's words around it.
fn innermost(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

pub(super) fn no_such_handler(name: &str) -> Problem {
    Problem::not_found(&hint::with(&format!("no handler {name:?} was ever loaded"), "/v1/handlers lists them"))
}

pub(super) fn no_such_failure(id: &str) -> Problem {
    Problem::not_found(&hint::with(&format!("the group has no failure {id:?}"), "/v1/failures lists them"))
}

/// Returns the store once the host is connected to MongoDB.
fn store(state: &super::State) -> Result<&Store, Problem> {
    let not_yet = || {
        Problem::unavailable(&hint::with("the host is not connected to mongodb yet", "/readyz says what it waits for"))
    };
    state.store.get().ok_or_else(not_yet)
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self::unavailable(&error.to_string())
    }
}
