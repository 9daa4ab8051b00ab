//! Inserts `value` into `unique_values`, to which a test may give a unique index. MongoDB then refuses it.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    value: Json,
}

struct UniqueValue;

impl Handler for UniqueValue {
    type Payload = Payload;
    const EVENTS: &[&str] = &["UniqueValue"];
    const GRANTS: &[Grant] = &[write("unique_values")];
    const DESCRIPTION: &str = "Inserts `value` into `unique_values`, which a test may give a unique index.";

    fn handle(&self, event: Event<Payload>) -> Result {
        collection("unique_values").insert_one(doc! { "_id": event.id, "value": event.payload.value })?;
        Ok(())
    }
}
weir_sdk::export!(UniqueValue);
