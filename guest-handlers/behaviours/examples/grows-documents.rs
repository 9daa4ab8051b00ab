//! Multiplies a field of `bytes` beyond what MongoDB takes: copies it eight times within a document or, with `many`,
//! sets it in every document of `large` at once. With `alone` it does so in a transaction of its own.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    bytes: Option<usize>,
    many: bool,
    alone: bool,
}

struct GrowsDocuments;

impl Handler for GrowsDocuments {
    type Payload = Payload;
    const EVENTS: &[&str] = &["GrowsDocuments"];
    const GRANTS: &[Grant] = &[write("grown"), write("large")];
    const DESCRIPTION: &str = "Makes more of a field than MongoDB takes.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let grown = collection("grown");
        if event.payload.alone {
            effect_of(grown.insert_one(doc! { "_id": format!("{}-first", event.id) })?)?;
        }
        let text = "g".repeat(event.payload.bytes.unwrap_or(2_000_000));
        if event.payload.many {
            collection("large").update_many(doc! {}, doc! { "$set": { "grown": text } })?;
            return Ok(());
        }
        let this = doc! { "_id": event.id };
        grown.insert_one(doc! { "_id": &event.id, "a": text })?;
        let copies: Document =
            ["b", "c", "d", "e", "f", "g", "h", "i"].map(|name| (name.to_owned(), "$a")).into_iter().collect();
        grown.update_one(this, vec![doc! { "$set": copies }])?;
        Ok(())
    }
}
weir_sdk::export!(GrowsDocuments);
