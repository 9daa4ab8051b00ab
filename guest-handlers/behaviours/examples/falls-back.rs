//! Inserts a document that others insert too. If that is refused, it goes on and updates the document instead. With
//! `alone` it asks for an effect first, so that it runs in a transaction of its own. The call is refused, and so is the
//! delivery.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    alone: bool,
    /// Reads with a hint of an index that does not exist, instead of inserting.
    reads: bool,
}

struct FallsBack;

impl Handler for FallsBack {
    type Payload = Payload;
    const EVENTS: &[&str] = &["FallsBack"];
    const GRANTS: &[Grant] = &[read_write("fallbacks")];
    const DESCRIPTION: &str = "Inserts a document, and updates it instead if that is refused.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let fallbacks = collection("fallbacks");
        if event.payload.alone {
            effect_of(fallbacks.insert_one(doc! { "_id": &event.id })?)?;
        }
        let refused = if event.payload.reads {
            fallbacks.hint(doc! { "nowhere": 1 }).find_one(doc! { "group": "g" }).is_err()
        } else {
            // Two inserts in one delivery, so that one is refused whichever deliveries come before.
            let twice = (0..2).map(|_| fallbacks.insert_one(doc! { "_id": "the same for all" }).and_then(effect_of));
            twice.map(|insert| insert.is_err()).fold(false, |one, other| one | other)
        };
        if refused {
            // Whatever the result of these, the first refusal decides.
            for _ in 0..100 {
                let _ = fallbacks.update_one(doc! { "_id": "the same for all" }, doc! { "$inc": { "n": 1 } });
                let _ = fallbacks.find_one(doc! { "_id": "the same for all" });
            }
        }
        Ok(())
    }
}
weir_sdk::export!(FallsBack);
