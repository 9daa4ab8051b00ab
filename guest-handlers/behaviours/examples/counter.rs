//! Reads a document of `counters` by `_id`, adds 1 to its `n`, and puts it back. The `_id` is the payload's `counter`,
//! or else the aggregate's.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    counter: Option<String>,
}

struct Counter;

impl Handler for Counter {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Counter"];
    const GRANTS: &[Grant] = &[read_write("counters")];
    const DESCRIPTION: &str = "Adds 1 to a document by reading it and putting it back.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let counters = collection("counters");
        let this = doc! { "_id": event.payload.counter.unwrap_or(event.aggregate_id) };
        let mut counter = counters.find_one(&this)?.unwrap_or_else(|| this.clone());
        let before = counter.get("n").and_then(Value::as_i64).unwrap_or(0);
        counter.insert("n", before + 1);
        counters.upsert().replace_one(this, counter)?;
        Ok(())
    }
}
weir_sdk::export!(Counter);
