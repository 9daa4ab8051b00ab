//! Stores the event with its payload in `echo`.

use weir_sdk::prelude::*;

struct Echo;

impl Handler for Echo {
    type Payload = Json;
    const EVENTS: &[&str] = &["Echo"];
    const GRANTS: &[Grant] = &[write("echo")];
    const DESCRIPTION: &str = "Stores the event with its payload in `echo`.";

    fn handle(&self, event: Event<Json>) -> Result {
        collection("echo").insert_one(doc! {
            "_id": event.id,
            "event_type": event.event_type,
            "aggregate_type": event.aggregate_type,
            "aggregate_id": event.aggregate_id,
            "sequence": event.sequence,
            "created_at": event.created_at,
            "headers": event.headers.into_iter().collect::<Document>(),
            "columns": event.columns,
            "payload": event.payload,
        })?;
        Ok(())
    }
}
weir_sdk::export!(Echo);
