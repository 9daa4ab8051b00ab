//! Computes without end. Stopped by fuel.

use std::hint::black_box;

use weir_sdk::prelude::*;

struct Spins;

impl Handler for Spins {
    type Payload = Json;
    const EVENTS: &[&str] = &["Spins"];
    const GRANTS: &[Grant] = &[];
    const DESCRIPTION: &str = "Computes without end.";

    fn handle(&self, _event: Event<Json>) -> Result {
        let mut number = 0_u64;
        loop {
            number = black_box(number).wrapping_mul(3).wrapping_add(1);
        }
    }
}
weir_sdk::export!(Spins);
