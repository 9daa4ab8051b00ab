//! Makes one read that takes MongoDB long: a find in `large` by 2,000 conditions of which no document meets any. With
//! `alone` it reads in a transaction of its own. Parked, `slow`, if `large` is.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    alone: bool,
}

const CONDITIONS: i64 = 2_000;
/// A prime above every number in `large`.
const MODULUS: i64 = 1_000_003;

struct SearchesLong;

impl Handler for SearchesLong {
    type Payload = Payload;
    const EVENTS: &[&str] = &["SearchesLong"];
    const GRANTS: &[Grant] = &[read("large"), write("searched")];
    const DESCRIPTION: &str = "Makes one read that takes MongoDB long.";

    fn handle(&self, event: Event<Payload>) -> Result {
        if event.payload.alone {
            effect_of(collection("searched").insert_one(doc! { "_id": event.id })?)?;
        }
        let condition = |number| doc! { "n": { "$mod": [MODULUS + number, MODULUS - 1] } };
        let conditions: Vec<Document> = (0..CONDITIONS).map(condition).collect();
        collection("large").find(doc! { "$or": conditions })?;
        Ok(())
    }
}
weir_sdk::export!(SearchesLong);
