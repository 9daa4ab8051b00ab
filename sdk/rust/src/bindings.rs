//! The code that `wit-bindgen` generates from the contract, and conversions between its types and this crate's.
#![allow(unsafe_code, unreachable_pub, missing_docs, clippy::all, clippy::pedantic)]

wit_bindgen::generate!({
    path: "wit",
    world: "event-handler",
    pub_export_macro: true,
    export_macro_name: "__export_handler",
    default_bindings_module: "weir_sdk::bindings",
});

pub use exports::weir::handler::handler::{Event, Failure, Guest};
use weir::handler::types::Action;

impl From<Event> for crate::guest::RawEvent {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            sequence: event.sequence,
            event_type: event.event_type,
            aggregate_type: event.aggregate_type,
            aggregate_id: event.aggregate_id,
            payload: event.payload,
            created_at: event.created_at,
            headers: event.headers,
            columns: event.columns,
        }
    }
}

impl From<crate::Failure> for Failure {
    fn from(failure: crate::Failure) -> Self {
        Self {
            action: match failure.action {
                crate::Action::Retry => Action::Retry,
                crate::Action::Reject => Action::Reject,
                crate::Action::Skip => Action::Skip,
            },
            error_type: failure.error_type,
            message: failure.message,
            trace: None,
            after_ms: failure.after.map(|after| u32::try_from(after.as_millis()).unwrap_or(u32::MAX)),
        }
    }
}
