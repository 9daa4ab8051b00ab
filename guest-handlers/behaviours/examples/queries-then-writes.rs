//! Counts the documents of a `group`, and inserts the next into the same collection. Cuts the batch.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    group: String,
}

struct QueriesThenWrites;

impl Handler for QueriesThenWrites {
    type Payload = Payload;
    const EVENTS: &[&str] = &["QueriesThenWrites"];
    const GRANTS: &[Grant] = &[read_write("members")];
    const DESCRIPTION: &str = "Counts the documents of a `group`, and inserts the next into the same collection.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let members = collection("members");
        let before = members.count(doc! { "group": event.payload.group })?;
        members.insert_one(doc! { "_id": event.id, "group": event.payload.group, "number": before + 1 })?;
        Ok(())
    }
}
weir_sdk::export!(QueriesThenWrites);
