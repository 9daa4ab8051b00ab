//! Inserts `writes` documents into `many`. Past the limit, stopped by the number of writes.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    writes: Option<u32>,
}

struct ManyWrites;

impl Handler for ManyWrites {
    type Payload = Payload;
    const EVENTS: &[&str] = &["ManyWrites"];
    const GRANTS: &[Grant] = &[write("many")];
    const DESCRIPTION: &str = "Inserts `writes` documents into `many`.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let many = collection("many");
        for number in 0..event.payload.writes.unwrap_or(10) {
            many.insert_one(doc! { "_id": format!("{}-{number}", event.id), "event": event.id, "number": number })?;
        }
        Ok(())
    }
}
weir_sdk::export!(ManyWrites);
