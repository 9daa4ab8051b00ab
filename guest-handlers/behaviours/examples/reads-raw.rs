//! Reads without the SDK, which would hold each text several times: `times` times, by `verb`, with the filter and the
//! options as they are. With `alone` it asks for a write's effect first, so that it reads in a transaction of its own.
//! It stops at the first read that is refused, and succeeds.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    /// `find`, `count` or, by default, `find-one`.
    verb: String,
    /// The collection to read: `found`, unless this names `large`.
    collection: Option<String>,
    filter: Option<Json>,
    options: Option<Json>,
    times: Option<u64>,
    alone: bool,
}

#[cfg(target_arch = "wasm32")]
fn is_refused(payload: &Payload) -> bool {
    use weir_sdk::bindings::weir::handler::documents;

    let text = |json: &Option<Json>| json.as_ref().map(ToString::to_string);
    let filter = text(&payload.filter).unwrap_or_else(|| "{}".to_owned());
    let options = text(&payload.options);
    let name = payload.collection.as_deref().unwrap_or("found");
    match payload.verb.as_str() {
        "find" => documents::find(name, &filter, options.as_deref()).is_err(),
        "count" => documents::count(name, &filter, options.as_deref()).is_err(),
        _ => documents::find_one(name, &filter, options.as_deref()).is_err(),
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn is_refused(_payload: &Payload) -> bool {
    true
}

struct ReadsRaw;

impl Handler for ReadsRaw {
    type Payload = Payload;
    const EVENTS: &[&str] = &["ReadsRaw"];
    const GRANTS: &[Grant] = &[read("found"), read("large"), write("raw")];
    const DESCRIPTION: &str = "Reads past the SDK, with the filter and the options as they stand.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let payload = event.payload;
        if payload.alone {
            effect_of(collection("raw").insert_one(doc! { "_id": event.id })?)?;
        }
        for _ in 0..payload.times.unwrap_or(1) {
            if is_refused(&payload) {
                break;
            }
        }
        Ok(())
    }
}
weir_sdk::export!(ReadsRaw);
