//! Logs `lines` lines of 100 bytes. Lines over the limit are dropped; past the limit of host calls, a trap.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    lines: Option<u64>,
}

struct FloodsLog;

impl Handler for FloodsLog {
    type Payload = Payload;
    const EVENTS: &[&str] = &["FloodsLog"];
    const GRANTS: &[Grant] = &[];
    const DESCRIPTION: &str = "Logs `lines` lines of 100 bytes.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let line = "x".repeat(100);
        for number in 0..event.payload.lines.unwrap_or(5_000) {
            info!("{line}"; number = number);
        }
        Ok(())
    }
}
weir_sdk::export!(FloodsLog);
