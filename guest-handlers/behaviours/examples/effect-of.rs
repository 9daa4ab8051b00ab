//! Counts in `effects` under the aggregate, asks for the effect, and stores it under the event. Cuts the batch.

use weir_sdk::prelude::*;

struct EffectOf;

impl Handler for EffectOf {
    type Payload = Json;
    const EVENTS: &[&str] = &["EffectOf"];
    const GRANTS: &[Grant] = &[write("effects")];
    const DESCRIPTION: &str =
        "Counts in `effects` under the aggregate, asks for the effect, and stores it under the event.";

    fn handle(&self, event: Event<Json>) -> Result {
        let effects = collection("effects");
        let write = effects.upsert().update_one(doc! { "_id": event.aggregate_id }, doc! { "$inc": { "n": 1 } })?;
        let effect = effect_of(write)?;
        effects.insert_one(doc! {
            "_id": event.id,
            "inserted": effect.inserted,
            "matched": effect.matched,
            "modified": effect.modified,
            "deleted": effect.deleted,
            "upserted_id": effect.upserted_id,
        })?;
        Ok(())
    }
}
weir_sdk::export!(EffectOf);
