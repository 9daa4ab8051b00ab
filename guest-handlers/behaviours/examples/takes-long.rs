//! Keeps MongoDB busy: counts `large` as often as it can, or updates all of it in one statement (`"how": "write"`). It
//! asks for an effect first, except with `"how": "read"`. Parked, `slow`, if `large` is.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    how: String,
}

struct TakesLong;

impl Handler for TakesLong {
    type Payload = Payload;
    const EVENTS: &[&str] = &["TakesLong"];
    const GRANTS: &[Grant] = &[read_write("large"), write("long")];
    const DESCRIPTION: &str = "Keeps MongoDB busy, by reads or by one write.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let large = collection("large");
        if event.payload.how != "read" {
            let first = collection("long").insert_one(doc! { "_id": event.id })?;
            effect_of(first)?;
        }
        if event.payload.how == "write" {
            large.update_many(doc! {}, doc! { "$inc": { "n": 1 } })?;
            return Ok(());
        }
        loop {
            large.count(doc! { "n": -1 })?;
        }
    }
}
weir_sdk::export!(TakesLong);
