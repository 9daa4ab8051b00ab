//! Writes or reads a collection that it was not granted. Denied.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    collection: Option<String>,
    reads: bool,
}

struct UngrantedCollection;

impl Handler for UngrantedCollection {
    type Payload = Payload;
    const EVENTS: &[&str] = &["UngrantedCollection"];
    const GRANTS: &[Grant] = &[write("granted")];
    const DESCRIPTION: &str = "Writes or reads a collection that it was not granted.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let name = event.payload.collection.as_deref().unwrap_or("ungranted");
        if event.payload.reads {
            collection(name).find_one(doc! { "_id": event.id })?;
        } else {
            collection(name).insert_one(doc! { "_id": event.id })?;
        }
        Ok(())
    }
}
weir_sdk::export!(UngrantedCollection);
