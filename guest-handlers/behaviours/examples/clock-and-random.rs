//! Stores every clock and every source of randomness that it can reach, so that runs can be compared.

use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use weir_sdk::prelude::*;

struct ClockAndRandom;

impl Handler for ClockAndRandom {
    type Payload = Json;
    const EVENTS: &[&str] = &["ClockAndRandom"];
    const GRANTS: &[Grant] = &[write("chances")];
    const DESCRIPTION: &str = "Stores clocks and random numbers.";

    fn handle(&self, event: Event<Json>) -> Result {
        // This guest exists to show the language's own clock.
        #[expect(clippy::disallowed_methods)]
        let system = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let hash = RandomState::new().hash_one("the same text");
        collection("chances").insert_one(doc! {
            "_id": event.id,
            "now": now(),
            "attempt": attempt(),
            "system_ms": i64::try_from(system.as_millis())?,
            "elapsed_us": i64::try_from(Instant::now().elapsed().as_micros())?,
            "random": weir_sdk::random(16),
            "random_over_4096": weir_sdk::random(5_000).iter().map(|byte| i64::from(*byte)).sum::<i64>(),
            "new_id": new_id(),
            "hash": format!("{hash:016x}"),
        })?;
        Ok(())
    }
}
weir_sdk::export!(ClockAndRandom);
