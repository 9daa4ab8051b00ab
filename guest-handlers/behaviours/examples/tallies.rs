//! Counts in the aggregate's document of `tallies` and appends the payload's `number` to what it has `seen`. So an
//! event that is lost, applied twice or out of order shows.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    number: i64,
}

struct Tallies;

impl Handler for Tallies {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Tallies"];
    const GRANTS: &[Grant] = &[write("tallies")];
    const DESCRIPTION: &str = "Counts in the aggregate's document and appends the payload's `number` to it.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let seen = event.payload.number;
        let update = doc! { "$inc": { "n": 1 }, "$push": { "seen": seen } };
        collection("tallies").upsert().update_one(doc! { "_id": event.aggregate_id }, update)?;
        Ok(())
    }
}
weir_sdk::export!(Tallies);
