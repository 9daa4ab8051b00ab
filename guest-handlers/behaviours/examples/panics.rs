//! Panics with `message`. A trap, with its text in the log.

use std::hint::black_box;

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    message: Option<String>,
}

/// A frame that the trap's stack should name.
#[inline(never)]
fn outer(message: &str) {
    inner(black_box(message));
}

#[inline(never)]
fn inner(message: &str) {
    panic!("{message}");
}

struct Panics;

impl Handler for Panics {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Panics"];
    const GRANTS: &[Grant] = &[];
    const DESCRIPTION: &str = "Panics with `message`.";

    fn handle(&self, event: Event<Payload>) -> Result {
        outer(event.payload.message.as_deref().unwrap_or("the guest gave up"));
        Ok(())
    }
}
weir_sdk::export!(Panics);
