//! Does not want the event: returns a skip, or refuses it in `validate` if the payload says `"invalid": true`.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    invalid: bool,
}

struct Skips;

impl Handler for Skips {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Skips"];
    const GRANTS: &[Grant] = &[write("skipped")];
    const DESCRIPTION: &str = "Does not want the event.";

    fn validate(&self, event: &Event<Payload>) -> bool {
        !event.payload.invalid
    }

    fn handle(&self, event: Event<Payload>) -> Result {
        collection("skipped").insert_one(doc! { "_id": event.id })?;
        Err(Skip::new("nothing of mine").into())
    }
}
weir_sdk::export!(Skips);
