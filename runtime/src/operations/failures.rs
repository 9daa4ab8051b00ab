//! Deliveries that did not succeed, and records that no handler received.

use std::num::NonZero;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::time;
use weir_core::event::RawRecord;
use weir_core::hint;
use weir_core::store::{self, Action, ParkedFilter, ParkedPlace, ParkedSummary, RecordId, Request, State, Store};

/// The states of a failure.
pub const STATES: [State; 4] = [State::Parked, State::Waiting, State::Dead, State::Discarded];
/// How many a page has unless asked otherwise.
const PAGE: u16 = 50;
/// The most bytes of a record in a host's answer.
const MAX_CONTENT_BYTES: usize = 256 << 10;
/// The most bytes of a handler's log in a host's answer.
const MAX_LOG_BYTES: usize = 64 << 10;
/// The most that a page may have.
pub const MAX_PAGE: u16 = 200;

/// Which failures to list. Each filter that is given must be equal.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// `parked`, `waiting`, `dead` or `discarded`.
    pub state: Option<String>,
    /// The reason, such as `must-match`.
    pub reason: Option<String>,
    /// The handler's name.
    pub handler: Option<String>,
    /// The event's type.
    pub event_type: Option<String>,
    /// The event's id.
    pub event_id: Option<String>,
    /// The event's aggregate id.
    pub aggregate_id: Option<String>,
    /// How many to return: 1 to 200, and 50 by default.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<NonZero<u16>>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Some of the failures, the last one first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page {
    /// The failures.
    pub failures: Vec<Failure>,
    /// Give this as `after` for the next page. None on the last page.
    pub next: Option<String>,
}

/// A failure in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Failure {
    /// Names it in other requests.
    pub id: String,
    /// `parked` if another attempt may succeed, `waiting` if it waits for an earlier event of its aggregate, `dead` if
    /// no attempt can succeed, and `discarded` if somebody has decided that it takes no effect.
    pub state: &'static str,
    /// The reason for the last failure, as metrics spell it.
    pub reason: String,
    /// The reason in words. The list has the first 300 characters.
    pub message: String,
    /// What to do about it, if Weir knows.
    pub hint: Option<String>,
    /// The handler's name. None if no handler received the record.
    pub handler: Option<String>,
    /// The event's id, as far as it is known.
    pub event_id: Option<String>,
    /// The event's type, as far as it is known.
    pub event_type: Option<String>,
    /// The event's aggregate type, as far as it is known.
    pub aggregate_type: Option<String>,
    /// The event's aggregate id, as far as it is known.
    pub aggregate_id: Option<String>,
    /// The record.
    pub record: RecordPlace,
    /// The number of the last attempt.
    pub attempt: i32,
    /// When it was parked.
    pub parked_at: String,
}

/// What somebody has asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Asked {
    /// `retry` or `discard`.
    pub action: &'static str,
    /// When.
    pub at: String,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

impl From<Request> for Asked {
    fn from(request: Request) -> Self {
        let action = match request.action {
            Action::Retry => "retry",
            Action::Discard => "discard",
        };
        Self { action, at: time(request.at_ms), by: request.by, why: request.why }
    }
}

/// The place of a record in Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordPlace {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The offset.
    pub offset: String,
    /// Kafka's timestamp.
    pub timestamp: Option<String>,
}

/// A failure with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailureDetails {
    /// What the list has, with the whole message.
    #[serde(flatten)]
    pub failure: Failure,
    /// The digest of the handler's component.
    pub version: Option<String>,
    /// The limit that stopped the handler, if one did.
    pub limit: Option<String>,
    /// The type that failures are grouped by, if the handler gave one.
    pub error_type: Option<String>,
    /// The handler's stack, if there is one.
    pub trace: Option<String>,
    /// When the event was created.
    pub event_created_at: Option<String>,
    /// Whether later events of its aggregate wait for it.
    pub holds: bool,
    /// What somebody has asked for and no host has done yet.
    pub requested: Option<Asked>,
    /// Who has discarded it, and why.
    pub discarded: Option<Asked>,
    /// The last attempts, in order.
    pub attempts: Vec<Attempt>,
    /// What the handler logged in the last attempt.
    pub log: Vec<LogLine>,
    /// The record's content. None if it is not kept, or if it is left out of this answer.
    pub content: Option<Content>,
    /// Why a host's answer lacks the content or some of the log.
    pub left_out: Option<&'static str>,
}

impl FailureDetails {
    /// Returns it without a content of more than 256 KiB, and with 64 KiB of the log, which is what a host answers.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        let bytes: usize = self.content.iter().map(Content::bytes).sum();
        let mut left = Some(MAX_LOG_BYTES);
        let fits = self.log.iter().take_while(|line| {
            let bytes = line.text.len() + line.fields.as_ref().map_or(0, String::len);
            left = left.and_then(|left| left.checked_sub(bytes));
            left.is_some()
        });
        let fits = fits.count();
        if bytes > MAX_CONTENT_BYTES || fits < self.log.len() {
            self.log.truncate(fits);
            self.content = self.content.filter(|_| bytes <= MAX_CONTENT_BYTES);
            self.left_out = Some("weir failures show has the whole log and record");
        }
        self
    }
}

/// One attempt at a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Attempt {
    /// When it was made.
    pub at: String,
    /// The reason for its failure.
    pub reason: String,
    /// The reason in words.
    pub message: String,
}

/// A line that the handler logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogLine {
    /// Its level.
    pub level: String,
    /// Its text.
    pub text: String,
    /// A JSON object with additional fields, as text.
    pub fields: Option<String>,
}

/// A record's own bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Content {
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers, in their order.
    pub headers: Vec<Header>,
    /// How many bytes the record has, if they were too many to be kept.
    pub left_out_bytes: Option<String>,
}

impl Content {
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().flat_map(|header| [Some(&header.name), header.value.as_ref()]);
        [self.key.as_ref(), self.value.as_ref()].into_iter().chain(headers).flatten().map(Bytes::len).sum()
    }
}

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Header {
    /// The name.
    pub name: Bytes,
    /// The value.
    pub value: Option<Bytes>,
}

/// Bytes: as text if they are UTF-8, and in base64 otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bytes {
    /// They are UTF-8.
    Text(String),
    /// They are not.
    Base64(String),
}

impl Bytes {
    fn len(&self) -> usize {
        let (Self::Text(text) | Self::Base64(text)) = self;
        text.len()
    }
}

/// Why a request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter is wrong.
    #[error("{name} is {value:?}, and must be {must}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// The values that are allowed.
        must: &'static str,
    },
    /// MongoDB does not answer as it should.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What somebody wants done with a failure, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What to do.
    pub action: Action,
    /// Who asks.
    pub by: String,
    /// The reason.
    pub why: String,
    /// The time, in milliseconds since 1970.
    pub at_ms: i64,
}

/// Why nothing can be done with a failure.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// There is no failure with this id.
    #[error("the group has no failure {0:?}")]
    Unknown(String),
    /// It is in a state in which this cannot be done.
    #[error("{0}")]
    State(String),
    /// MongoDB does not answer as it should.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Asks the host that owns the failure's partition to do something with it, which it does within seconds. If it is
/// asked again before that, the later request counts.
///
/// # Errors
/// [`NotDone`].
pub async fn ask(store: &Store, id: &str, ask: Ask) -> Result<(), NotDone> {
    let Some(parked) = store.parked_by_key(id).await? else { return Err(NotDone::Unknown(id.to_owned())) };
    let allowed: &[State] = match ask.action {
        Action::Retry if parked.handler.is_none() => {
            let fact = "no handler received this record, so there is no delivery to try again";
            return Err(NotDone::State(fact.to_owned()));
        }
        Action::Retry => &[State::Parked, State::Dead],
        Action::Discard => &[State::Parked, State::Waiting, State::Dead],
    };
    if !allowed.contains(&parked.state) {
        return Err(NotDone::State(match (ask.action, parked.state) {
            (Action::Retry, State::Waiting) => hint::with(
                "it waits for an earlier event of its aggregate, so it is tried as soon as that is done",
                &format!(
                    "retry or discard the first failure of aggregate {:?}",
                    parked.aggregate_id.unwrap_or_default()
                ),
            ),
            (_, state) => format!("it is {} already", state.as_str()),
        }));
    }
    let request = Request { action: ask.action, at_ms: ask.at_ms, by: ask.by, why: ask.why };
    if store.request(id, allowed, &request).await? {
        return Ok(());
    }
    Err(NotDone::State(hint::with("a host has dealt with it meanwhile", "look at it again")))
}

/// Returns a page of the group's failures.
///
/// # Errors
/// [`Error::Parameter`]. Also fails if MongoDB refuses a command or does not answer.
pub async fn list(store: &Store, query: &Query) -> Result<Page, Error> {
    let limit = query.limit.map_or(PAGE, NonZero::get);
    if limit > MAX_PAGE {
        return Err(Error::Parameter { name: "limit", value: limit.to_string(), must: "1 to 200" });
    }
    let after = query.after.as_deref().map(place).transpose()?;
    // One more than asked for shows whether there is a next page.
    let mut found = store.parked(&filter(query)?, after.as_ref(), i64::from(limit) + 1).await?;
    let is_last = found.len() <= usize::from(limit);
    found.truncate(usize::from(limit));
    let next = found.last().filter(|_| !is_last).map(|last| format!("{}-{}", last.parked_at_ms, last.key));
    Ok(Page { failures: found.into_iter().map(shown).collect(), next })
}

/// Returns a failure with everything that is known of it. None if there is none with this id.
///
/// # Errors
/// Fails if MongoDB refuses a command or does not answer.
pub async fn show(store: &Store, id: &str) -> Result<Option<FailureDetails>, store::Error> {
    let Some(parked) = store.parked_by_key(id).await? else { return Ok(None) };
    let content = store.kept_record(&parked.record).await?.map(Content::from);
    let attempts = parked.attempts.into_iter().map(|attempt| Attempt {
        at: time(attempt.at_ms),
        reason: attempt.reason,
        message: attempt.message,
    });
    let log = parked.log.into_iter();
    Ok(Some(FailureDetails {
        version: parked.handler.as_ref().map(|handler| handler.version.clone()),
        failure: Failure {
            id: parked.key,
            state: parked.state.as_str(),
            reason: parked.reason,
            message: parked.message,
            hint: parked.hint,
            handler: parked.handler.map(|handler| handler.name),
            event_id: parked.event_id,
            event_type: parked.event_type,
            aggregate_type: parked.aggregate_type,
            aggregate_id: parked.aggregate_id,
            record: parked.record.into(),
            attempt: parked.attempt,
            parked_at: time(parked.parked_at_ms),
        },
        limit: parked.limit,
        error_type: parked.error_type,
        trace: parked.trace,
        event_created_at: parked.event_created_at_ms.map(time),
        holds: parked.holds,
        requested: parked.request.map(Asked::from),
        discarded: parked.discarded.map(Asked::from),
        attempts: attempts.collect(),
        log: log.map(|line| LogLine { level: line.level, text: line.text, fields: line.fields }).collect(),
        content,
        left_out: None,
    }))
}

fn filter(query: &Query) -> Result<ParkedFilter, Error> {
    let state = match query.state.as_deref() {
        None => None,
        Some(name) => Some(STATES.into_iter().find(|state| state.as_str() == name).ok_or_else(|| {
            let must = "parked, waiting, dead or discarded";
            Error::Parameter { name: "state", value: name.to_owned(), must }
        })?),
    };
    Ok(ParkedFilter {
        state,
        reason: query.reason.clone(),
        handler: query.handler.clone(),
        event_type: query.event_type.clone(),
        event_id: query.event_id.clone(),
        aggregate_id: query.aggregate_id.clone(),
    })
}

/// Reads a place in a list.
///
/// # Errors
/// [`Error::Parameter`].
pub fn place(text: &str) -> Result<ParkedPlace, Error> {
    let read = || {
        let (ms, key) = text.rsplit_once('-')?;
        Some(ParkedPlace { parked_at_ms: ms.parse().ok()?, key: key.to_owned() })
    };
    read().ok_or_else(|| Error::Parameter {
        name: "after",
        value: text.to_owned(),
        must: "the next of the page before",
    })
}

fn shown(summary: ParkedSummary) -> Failure {
    Failure {
        id: summary.key,
        state: summary.state.as_str(),
        reason: summary.reason,
        message: summary.message,
        hint: summary.hint,
        handler: summary.handler.map(|handler| handler.name),
        event_id: summary.event_id,
        event_type: summary.event_type,
        aggregate_type: summary.aggregate_type,
        aggregate_id: summary.aggregate_id,
        record: summary.record.into(),
        attempt: summary.attempt,
        parked_at: time(summary.parked_at_ms),
    }
}

impl From<RecordId> for RecordPlace {
    fn from(id: RecordId) -> Self {
        Self {
            topic: id.topic,
            partition: id.partition,
            offset: id.offset.to_string(),
            timestamp: id.timestamp_ms.map(time),
        }
    }
}

impl From<RawRecord> for Content {
    fn from(record: RawRecord) -> Self {
        let header =
            |(name, value): (Vec<u8>, Option<Vec<u8>>)| Header { name: name.into(), value: value.map(Bytes::from) };
        Self {
            key: record.key.map(Bytes::from),
            value: record.value.map(Bytes::from),
            headers: record.headers.into_iter().map(header).collect(),
            left_out_bytes: record.left_out_bytes.map(|bytes| bytes.to_string()),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Base64(BASE64_STANDARD.encode(error.as_bytes())), Self::Text)
    }
}
