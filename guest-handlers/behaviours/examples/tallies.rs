//! Counts in the aggregate's document of `tallies` and appends the payload's `number` to what it has `seen`. So an
//! event that is lost, applied twice or out of order shows. Sleeps for `nap_ms` before.

use std::time::Duration;

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    number: i64,
    nap_ms: u64,
}

struct Tallies;

impl Handler for Tallies {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Tallies"];
    const GRANTS: &[Grant] = &[write("tallies")];
    const DESCRIPTION: &str = "Counts in the aggregate's document and appends the payload's `number` to it.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let Payload { number: seen, nap_ms } = event.payload;
        if nap_ms > 0 {
            std::thread::sleep(Duration::from_millis(nap_ms));
        }
        let update = doc! { "$inc": { "n": 1 }, "$push": { "seen": seen } };
        collection("tallies").upsert().update_one(doc! { "_id": event.aggregate_id }, update)?;
        Ok(())
    }
}
weir_sdk::export!(Tallies);
