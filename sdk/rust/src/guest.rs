//! From the contract's calls to a [`Handler`] and back. Both `export!` and `testing` use this path.

use std::cell::Cell;

use serde_json::{Map, Value as Json, json};

use crate::failure::take_refused;
use crate::{DateTime, Event, Failure, Handler, Reject, Result, Skip, private_keys};

/// An event, as in the contract.
#[derive(Debug, Clone)]
pub struct RawEvent {
    /// See [`Event::id`].
    pub id: String,
    /// Decimal digits.
    pub sequence: Option<String>,
    /// See [`Event::event_type`].
    pub event_type: String,
    /// See [`Event::aggregate_type`].
    pub aggregate_type: String,
    /// See [`Event::aggregate_id`].
    pub aggregate_id: String,
    /// JSON text.
    pub payload: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// See [`Event::headers`].
    pub headers: Vec<(String, String)>,
    /// JSON text of an object.
    pub columns: String,
}

thread_local! {
    /// The time of creation of the event being handled. New ids contain it, so that every run makes the same.
    static CREATED_AT: Cell<DateTime> = const { Cell::new(DateTime::from_millis(0)) };
}

pub(crate) fn created_at() -> DateTime {
    CREATED_AT.get()
}

/// Returns the handler's description of itself, as JSON.
pub fn describe<H: Handler>(_handler: &H) -> String {
    let mut grants = Map::new();
    for grant in H::GRANTS {
        let rights = grants.entry(grant.collection).or_insert_with(|| json!([]));
        for (given, right) in [(grant.read, "read"), (grant.write, "write")] {
            if let (true, Json::Array(rights)) = (given, &mut *rights)
                && !rights.contains(&json!(right))
            {
                rights.push(json!(right));
            }
        }
    }
    json!({ "description": H::DESCRIPTION, "events": H::EVENTS, "grants": grants }).to_string()
}

/// Runs one delivery.
///
/// # Errors
///
/// The handler's failure, or that of a call that was refused.
pub fn handle<H: Handler>(handler: &H, event: RawEvent) -> Result {
    crate::lines::prepare();
    let event = read_event(event)?;
    CREATED_AT.set(event.created_at);
    if !handler.validate(&event) {
        return Err(Skip::new("the handler does not accept the event").into());
    }
    let result = handler.handle(event);
    match take_refused() {
        Some(refused) => Err(refused.into()),
        None => result,
    }
}

fn read_event<P: serde::de::DeserializeOwned>(raw: RawEvent) -> Result<Event<P>> {
    Ok(Event {
        payload: private_keys::read(&raw.payload).map_err(|error| unreadable("PayloadError", "payload", &error))?,
        columns: private_keys::read(&raw.columns).map_err(|error| unreadable("ColumnsError", "columns", &error))?,
        sequence: raw
            .sequence
            .map(|digits| digits.parse::<i64>())
            .transpose()
            .map_err(|_| Reject::new("the event's sequence is not a whole number of 64 bits"))?,
        id: raw.id,
        event_type: raw.event_type,
        aggregate_type: raw.aggregate_type,
        aggregate_id: raw.aggregate_id,
        created_at: DateTime::from_millis(raw.created_at),
        headers: raw.headers,
    })
}

fn unreadable(error_type: &str, what: &str, error: &serde_json::Error) -> Failure {
    Failure { error_type: error_type.to_owned(), ..Reject::new(format!("the event's {what}: {error}")).into() }
}

/// Makes a handler a component: `weir_sdk::export!(ParticipantJoined);`, once in a crate.
#[macro_export]
macro_rules! export {
    ($handler:expr) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, unreachable_pub, missing_docs, clippy::all, clippy::pedantic)]
        const _: () = {
            struct Component;

            impl $crate::bindings::Guest for Component {
                fn describe() -> ::std::string::String {
                    $crate::guest::describe(&$handler)
                }

                fn handle(event: $crate::bindings::Event) -> ::std::result::Result<(), $crate::bindings::Failure> {
                    $crate::guest::handle(&$handler, event.into()).map_err(::std::convert::Into::into)
                }
            }

    $crate::bindings::__export_handler!(Component with_types_in $crate::bindings);
        };

        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            #[allow(dead_code)]
            fn handler() -> impl $crate::Handler {
                $handler
            }
        };
    };
}
