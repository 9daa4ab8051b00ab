//! Inserts `documents` documents of `bytes` each into `too_much` by one write, with `alone` in a transaction of its
//! own. Too large if it is more than MongoDB takes in one command.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    documents: Option<usize>,
    bytes: Option<usize>,
    alone: bool,
}

/// Bypasses the SDK, which would hold each text several times.
#[cfg(target_arch = "wasm32")]
fn insert(event_id: &str, documents: usize, bytes: usize) {
    let text = "x".repeat(bytes);
    let document = |number| format!("{{\"_id\":\"{event_id}-{number}\",\"text\":\"{text}\"}}");
    let documents: Vec<String> = (0..documents).map(document).collect();
    let refused = weir_sdk::bindings::weir::handler::documents::insert_many("too_much", &documents, None).is_err();
    info!("the documents were passed"; refused = refused);
}

#[cfg(not(target_arch = "wasm32"))]
fn insert(_event_id: &str, _documents: usize, _bytes: usize) {}

struct WritesTooMuch;

impl Handler for WritesTooMuch {
    type Payload = Payload;
    // Calls `effect-of`, which makes it run alone in a transaction.
    const EVENTS: &[&str] = &["WritesTooMuch", "EffectOf"];
    const GRANTS: &[Grant] = &[write("too_much")];
    const DESCRIPTION: &str = "Inserts `documents` documents of `bytes` each into `too_much` by one write.";

    fn handle(&self, event: Event<Payload>) -> Result {
        if event.payload.alone {
            effect_of(collection("too_much").insert_one(doc! { "_id": format!("{}-first", event.id) })?)?;
        }
        insert(&event.id, event.payload.documents.unwrap_or(1), event.payload.bytes.unwrap_or(10));
        Ok(())
    }
}
weir_sdk::export!(WritesTooMuch);
