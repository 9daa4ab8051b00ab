//! Stores its input in `verbatim`, each part as the text that it came as. It takes event types of any spelling.

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, clippy::missing_safety_doc, reason = "what wit-bindgen makes of the contract")]
mod component {
    use weir_sdk::bindings::weir::handler::documents;
    use weir_sdk::bindings::weir::handler::types::Action;
    use weir_sdk::bindings::{Event, Failure, Guest};
    use weir_sdk::prelude::*;

    /// As long as an event type may be that a handler asks for.
    const LONGEST: usize = 200;

    struct Verbatim;

    impl Guest for Verbatim {
        fn describe() -> String {
            doc! {
                "description": "Stores what it is given in `verbatim`, each part as the text that it came as.",
                "events": ["Verbatim", "with space", "Ünï-✓", "x".repeat(LONGEST)],
                "grants": { "verbatim": ["write"] },
            }
            .to_string()
        }

        // Bypasses the SDK, which would read the payload.
        fn handle(event: Event) -> Result<(), Failure> {
            let headers: Vec<_> = event.headers.iter().map(|(name, value)| [name, value]).collect();
            let document = doc! {
                "_id": event.id,
                "event_type": event.event_type,
                "aggregate_type": event.aggregate_type,
                "aggregate_id": event.aggregate_id,
                "sequence": event.sequence,
                "created_at": DateTime::from_millis(event.created_at),
                "headers": headers,
                "columns": event.columns,
                "payload": event.payload,
            };
            match documents::insert_one("verbatim", &document.to_string(), None) {
                Ok(_) => Ok(()),
                Err(error) => Err(Failure {
                    action: Action::Reject,
                    error_type: error.code,
                    message: error.message,
                    trace: None,
                    after_ms: None,
                }),
            }
        }
    }

    weir_sdk::bindings::__export_handler!(Verbatim with_types_in weir_sdk::bindings);
}
