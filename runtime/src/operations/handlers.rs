//! The handlers that hosts of this installation have loaded.

use serde::Serialize;
use utoipa::ToSchema;

use weir_core::store::{self, Store};

/// A handler, as it was loaded last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Handler {
    /// The internal id. The handlers of an event run in the order of their ids.
    pub id: i32,
    /// The team that owns it.
    pub team: String,
    /// Its name, unique within its team.
    pub name: String,
    /// Increases when the handler's documents are rebuilt.
    pub generation: i32,
    /// The SHA-256 digest of its component, in hexadecimal.
    pub version: String,
    /// The event types that it handles.
    pub events: Vec<String>,
    /// Its description of itself.
    pub description: String,
}

/// Returns every handler that was ever loaded, in the order of their ids.
///
/// # Errors
/// If MongoDB has more than one reply of 16 MiB. Also fails if MongoDB refuses a command or does not answer.
pub async fn list(store: &Store) -> Result<Vec<Handler>, store::Error> {
    let shown = |known: store::HandlerDocument| Handler {
        id: known.id,
        team: known.team,
        name: known.name,
        generation: known.generation,
        version: known.digest,
        events: known.events,
        description: known.description,
    };
    Ok(store.handlers().await?.into_iter().map(shown).collect())
}
