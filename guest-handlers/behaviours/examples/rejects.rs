//! Writes, then rejects the event. The write takes no effect.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    message: Option<String>,
}

struct Rejects;

impl Handler for Rejects {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Rejects"];
    const GRANTS: &[Grant] = &[write("rejected")];
    const DESCRIPTION: &str = "Writes, then rejects the event.";

    fn handle(&self, event: Event<Payload>) -> Result {
        collection("rejected").insert_one(doc! { "_id": event.id })?;
        Err(Reject::new(event.payload.message.unwrap_or_else(|| "the event makes no sense".to_owned())).into())
    }
}
weir_sdk::export!(Rejects);
