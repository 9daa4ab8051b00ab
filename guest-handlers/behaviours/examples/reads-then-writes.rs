//! Reads `people` by `_id` and inserts what it found into `copies`.

use weir_sdk::prelude::*;

struct ReadsThenWrites;

impl Handler for ReadsThenWrites {
    type Payload = Json;
    const EVENTS: &[&str] = &["ReadsThenWrites"];
    const GRANTS: &[Grant] = &[read("people"), write("copies")];
    const DESCRIPTION: &str = "Reads `people` by `_id` and inserts what it found into `copies`.";

    fn handle(&self, event: Event<Json>) -> Result {
        let found = collection("people").find_one(doc! { "_id": event.aggregate_id })?;
        collection("copies").insert_one(doc! { "_id": event.id, "found": found })?;
        Ok(())
    }
}
weir_sdk::export!(ReadsThenWrites);
