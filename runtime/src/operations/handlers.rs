//! The handlers that hosts of this installation have loaded.

use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use weir_core::hint;
use weir_core::store::{self, Decided, HandlerDocument, ParkedCount, Stop, Store, Trip};

/// The state of a handler that nothing stops.
const ACTIVE: &str = "active";

/// A handler, as it was loaded last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Handler {
    /// The internal id. The handlers of an event run in the order of their ids.
    pub id: i32,
    /// The team that owns it.
    pub team: String,
    /// Its name, unique within its team.
    pub name: String,
    /// The line that it belongs to: the lowest id of the handlers that may write a common collection with it, directly
    /// or through others. None if only older versions of Weir have loaded it.
    pub line: Option<i32>,
    /// `active`, `paused` if somebody has paused it, or `tripped` if the sandbox had to stop it too often. The events
    /// of a paused or tripped handler wait, and so do those of the other handlers in its line.
    pub state: &'static str,
    /// Increases when the handler's documents are rebuilt.
    pub generation: i32,
    /// The SHA-256 digest of its component, in hexadecimal.
    pub version: String,
    /// The event types that it handles.
    pub events: Vec<String>,
    /// Its description of itself.
    pub description: String,
}

/// A handler with what stops it and what is parked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HandlerDetails {
    /// What the list has.
    #[serde(flatten)]
    pub handler: Handler,
    /// Who has paused it.
    pub paused: Option<Decision>,
    /// Why it has tripped.
    pub tripped: Option<Tripped>,
    /// Who last resumed or reset it.
    pub ended: Option<Decision>,
    /// How many of its deliveries are in each state, of the host's group.
    pub failures: Vec<Count>,
}

/// Who has decided something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Decision {
    /// When.
    pub at: String,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Why a version of a handler has tripped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tripped {
    /// When.
    pub at: String,
    /// The reason for its last failure, as metrics spell it.
    pub reason: String,
    /// The reason in words.
    pub message: String,
}

/// How many deliveries are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Count {
    /// The state, as in the list of failures.
    pub state: &'static str,
    /// How many.
    pub count: String,
    /// When the oldest was parked.
    pub oldest: String,
}

/// What is to be done with a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Have its events wait.
    Pause,
    /// End its pause.
    Resume,
    /// End its trip.
    Reset,
}

/// Why nothing can be done with a handler.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// There is no handler with this name.
    #[error("no handler {0:?} was ever loaded")]
    Unknown(String),
    /// It is in a state in which this cannot be done.
    #[error("{0}")]
    State(String),
    /// MongoDB does not answer as it should.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Returns every handler that was ever loaded, in the order of their ids.
///
/// # Errors
/// If MongoDB has more than one reply of 16 MiB. Also fails if MongoDB refuses a command or does not answer.
pub async fn list(store: &Store) -> Result<Vec<Handler>, store::Error> {
    Ok(store.handlers().await?.into_iter().map(|known| shown(known).0).collect())
}

/// Returns a handler with what stops it and what is parked for it. None if none with this name was ever loaded.
///
/// # Errors
/// Fails if MongoDB refuses a command or does not answer.
pub async fn show(store: &Store, name: &str) -> Result<Option<HandlerDetails>, store::Error> {
    let Some(known) = store.handler(name).await? else { return Ok(None) };
    let (handler, stop) = shown(known);
    let failures = store.parked_of(name).await?.into_iter().map(Count::from).collect();
    let ended = stop.ended.map(Decision::from);
    let tripped = stop.tripped.map(|Trip { at_ms, reason, message, .. }| Tripped { at: time(at_ms), reason, message });
    Ok(Some(HandlerDetails { handler, paused: stop.paused.map(Decision::from), tripped, ended, failures }))
}

/// Pauses a handler or lets it go on. Every host does so within two seconds. Returns the handlers of its line that are
/// stopped then.
///
/// # Errors
/// [`NotDone`].
pub async fn act(store: &Store, name: &str, verb: Verb, decided: &Decided) -> Result<Vec<Handler>, NotDone> {
    let Some(known) = store.handler(name).await? else { return Err(NotDone::Unknown(name.to_owned())) };
    let done = match verb {
        Verb::Pause => store.pause(name, decided).await?,
        Verb::Resume => store.resume(name, decided).await?,
        Verb::Reset => store.reset(name, decided).await?,
    };
    if done {
        let in_line = |handler: &Handler| handler.name == name || (known.line.is_some() && handler.line == known.line);
        let mut stopped = list(store).await?;
        stopped.retain(|handler| in_line(handler) && handler.state != ACTIVE);
        return Ok(stopped);
    }
    let paused = known.stopped.and_then(|stop| stop.paused);
    Err(NotDone::State(match (verb, paused) {
        (Verb::Pause, Some(paused)) => {
            format!("{name} is paused already, by {} at {}: {}", paused.by, time(paused.at_ms), paused.why)
        }
        (Verb::Pause, None) => hint::with(&format!("somebody else is pausing {name}"), "look at it again"),
        (Verb::Resume, _) => format!("{name} is not paused"),
        (Verb::Reset, Some(_)) => {
            hint::with(&format!("{name} has not tripped, but it is paused"), "run `weir handlers resume`")
        }
        (Verb::Reset, None) => format!("{name} has not tripped"),
    }))
}

/// Returns a handler as it is listed, and what stops the version that was loaded last.
fn shown(known: HandlerDocument) -> (Handler, Stop) {
    let mut stop = known.stopped.unwrap_or_default();
    stop.tripped = stop.tripped.filter(|trip| trip.version == known.digest);
    let state = match &stop {
        Stop { paused: Some(_), .. } => "paused",
        Stop { tripped: Some(_), .. } => "tripped",
        _ => ACTIVE,
    };
    let handler = Handler {
        id: known.id,
        team: known.team,
        name: known.name,
        line: known.line,
        state,
        generation: known.generation,
        version: known.digest,
        events: known.events,
        description: known.description,
    };
    (handler, stop)
}

impl From<Decided> for Decision {
    fn from(decided: Decided) -> Self {
        Self { at: time(decided.at_ms), by: decided.by, why: decided.why }
    }
}

impl From<ParkedCount> for Count {
    fn from(count: ParkedCount) -> Self {
        Self { state: count.state.as_str(), count: count.count.to_string(), oldest: time(count.oldest_ms) }
    }
}
