//! Makes one read that takes MongoDB long: it compares every element of an array with 20 conditions and meets none. MongoDB
//! cannot be interrupted within a document. With `alone`, it reads in a transaction of its own. The delivery is parked for
//! `slow` if `found` has a document `wide` with a long array.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    alone: bool,
}

const CONDITIONS: i64 = 20;
/// A prime above every number in the array.
const MODULUS: i64 = 1_000_003;

struct SearchesLong;

impl Handler for SearchesLong {
    type Payload = Payload;
    const EVENTS: &[&str] = &["SearchesLong"];
    const GRANTS: &[Grant] = &[read("found"), write("searched")];
    const DESCRIPTION: &str = "Makes one read that takes MongoDB long.";

    fn handle(&self, event: Event<Payload>) -> Result {
        if event.payload.alone {
            effect_of(collection("searched").insert_one(doc! { "_id": event.id })?)?;
        }
        let condition = |number| doc! { "numbers": { "$mod": [MODULUS + number, MODULUS - 1] } };
        let conditions: Vec<Document> = (0..CONDITIONS).map(condition).collect();
        collection("found").find(doc! { "_id": "wide", "$or": conditions })?;
        Ok(())
    }
}
weir_sdk::export!(SearchesLong);
