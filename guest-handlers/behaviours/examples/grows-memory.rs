//! Takes memory, `bytes` in all, and writes to it. Stopped by memory.

use std::hint::black_box;

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    bytes: Option<u64>,
}

const MIB: usize = 1 << 20;

struct GrowsMemory;

impl Handler for GrowsMemory {
    type Payload = Payload;
    const EVENTS: &[&str] = &["GrowsMemory"];
    const GRANTS: &[Grant] = &[];
    const DESCRIPTION: &str = "Takes memory, `bytes` in all, and writes to it.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let mut held = Vec::new();
        for _ in 0..event.payload.bytes.unwrap_or(u64::MAX) / MIB as u64 {
            held.push(vec![1_u8; MIB]);
            black_box(&held);
        }
        Ok(())
    }
}
weir_sdk::export!(GrowsMemory);
