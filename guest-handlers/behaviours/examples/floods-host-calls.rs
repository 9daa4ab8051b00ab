//! Asks for the time `calls` times. Stopped by the number of host calls.

use std::hint::black_box;

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    calls: Option<u64>,
}

struct FloodsHostCalls;

impl Handler for FloodsHostCalls {
    type Payload = Payload;
    const EVENTS: &[&str] = &["FloodsHostCalls"];
    const GRANTS: &[Grant] = &[];
    const DESCRIPTION: &str = "Asks the time `calls` times.";

    fn handle(&self, event: Event<Payload>) -> Result {
        for _ in 0..event.payload.calls.unwrap_or(u64::MAX) {
            black_box(now());
        }
        Ok(())
    }
}
weir_sdk::export!(FloodsHostCalls);
