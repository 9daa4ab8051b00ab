//! Inserts `documents` documents of `bytes` each into `too_much` by one write. Past what MongoDB takes in one command,
//! too large.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    documents: Option<usize>,
    bytes: Option<usize>,
}

struct WritesTooMuch;

impl Handler for WritesTooMuch {
    type Payload = Payload;
    // With `effect-of`, which runs alone in a transaction.
    const EVENTS: &[&str] = &["WritesTooMuch", "EffectOf"];
    const GRANTS: &[Grant] = &[write("too_much")];
    const DESCRIPTION: &str = "Inserts `documents` documents of `bytes` each into `too_much` by one write.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let text = "x".repeat(event.payload.bytes.unwrap_or(10));
        let document = |number| doc! { "_id": format!("{}-{number}", event.id), "text": text.as_str() };
        collection("too_much").insert_many((0..event.payload.documents.unwrap_or(1)).map(document))?;
        Ok(())
    }
}
weir_sdk::export!(WritesTooMuch);
