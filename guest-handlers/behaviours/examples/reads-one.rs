//! Reads one document of `found` by the payload's `id`, or else the aggregate's, or reads `all` of them. Stores in
//! `reads` how many fields the document has.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    id: Option<String>,
    all: bool,
}

struct ReadsOne;

impl Handler for ReadsOne {
    type Payload = Payload;
    const EVENTS: &[&str] = &["ReadsOne"];
    const GRANTS: &[Grant] = &[read("found"), write("reads")];
    const DESCRIPTION: &str = "Reads one document by its id, or all, and stores how many fields it has.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let found = collection("found");
        let found = if event.payload.all {
            found.find(doc! {})?.into_iter().next()
        } else {
            found.find_one(doc! { "_id": event.payload.id.unwrap_or(event.aggregate_id) })?
        };
        let fields = i64::try_from(found.map_or(0, |found| found.iter().count())).unwrap_or(i64::MAX);
        collection("reads").insert_one(doc! { "_id": event.id, "fields": fields })?;
        Ok(())
    }
}
weir_sdk::export!(ReadsOne);
