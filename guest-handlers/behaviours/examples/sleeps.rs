//! Sleeps `naps` times for `nap_ms`. Stopped by the deadline.

use std::time::Duration;

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    naps: Option<u64>,
    nap_ms: Option<u64>,
}

struct Sleeps;

impl Handler for Sleeps {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Sleeps"];
    const GRANTS: &[Grant] = &[];
    const DESCRIPTION: &str = "Sleeps `naps` times for `nap_ms`.";

    fn handle(&self, event: Event<Payload>) -> Result {
        for _ in 0..event.payload.naps.unwrap_or(u64::MAX) {
            std::thread::sleep(Duration::from_millis(event.payload.nap_ms.unwrap_or(50)));
        }
        Ok(())
    }
}
weir_sdk::export!(Sleeps);
