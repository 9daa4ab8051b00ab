//! Calls itself `depth` times. Stopped by the stack.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    depth: Option<u64>,
}

/// Recurses in a way that a compiler cannot turn into a loop.
#[inline(never)]
fn deep(left: u64) -> u64 {
    if left == 0 { 1 } else { deep(left - 1).rotate_left(5) ^ left }
}

struct Recurses;

impl Handler for Recurses {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Recurses"];
    const GRANTS: &[Grant] = &[];
    const DESCRIPTION: &str = "Calls itself `depth` times.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let end = deep(event.payload.depth.unwrap_or(u64::MAX));
        info!("came back"; end = end);
        Ok(())
    }
}
weir_sdk::export!(Recurses);
