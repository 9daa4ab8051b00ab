//! Makes a call that is denied, ignores the error, writes, and succeeds. Dead nevertheless.

use weir_sdk::prelude::*;

struct RefusedIgnored;

impl Handler for RefusedIgnored {
    type Payload = Json;
    const EVENTS: &[&str] = &["RefusedIgnored"];
    const GRANTS: &[Grant] = &[write("ignored")];
    const DESCRIPTION: &str = "Makes a call that is denied, passes over it, writes, and succeeds.";

    fn handle(&self, event: Event<Json>) -> Result {
        let refused = collection("ungranted").insert_one(doc! { "_id": event.id }).is_err();
        collection("ignored").insert_one(doc! { "_id": event.id, "refused": refused })?;
        Ok(())
    }
}
weir_sdk::export!(RefusedIgnored);
