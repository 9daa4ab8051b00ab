//! Inserts a document, reads it back, and stores what it saw. Cuts the batch.

use weir_sdk::prelude::*;

struct ReadsOwnWrite;

impl Handler for ReadsOwnWrite {
    type Payload = Json;
    const EVENTS: &[&str] = &["ReadsOwnWrite"];
    const GRANTS: &[Grant] = &[read_write("own")];
    const DESCRIPTION: &str = "Inserts a document, reads it back, and stores what it saw.";

    fn handle(&self, event: Event<Json>) -> Result {
        let own = collection("own");
        own.insert_one(doc! { "_id": event.id, "written_by": event.aggregate_id })?;
        let seen = own.find_one(doc! { "_id": event.id })?;
        own.update_one(doc! { "_id": event.id }, doc! { "$set": { "seen": seen } })?;
        Ok(())
    }
}
weir_sdk::export!(ReadsOwnWrite);
