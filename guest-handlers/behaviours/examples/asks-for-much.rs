//! Makes a request that takes MongoDB long, or much memory, to answer: by a filter that is passed as it is (`filter`),
//! in find or, with `updates`, in an update. The default is an expression that doubles a list 36 times.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    filter: Option<Json>,
    updates: bool,
}

const DOUBLES: &str = r#"{"$expr":{"$reduce":{"input":{"$range":[0,36]},"initialValue":[1],
    "in":{"$concatArrays":["$$value","$$value"]}}}}"#;

#[cfg(target_arch = "wasm32")]
fn ask(filter: &str, updates: bool) {
    use weir_sdk::bindings::weir::handler::documents;

    let refused = if updates {
        documents::update_many("asked", filter, "{\"$set\":{\"seen\":true}}", None).is_err()
    } else {
        documents::find("asked", filter, None).is_err()
    };
    info!("MongoDB was asked"; refused = refused);
}

#[cfg(not(target_arch = "wasm32"))]
fn ask(_filter: &str, _updates: bool) {}

struct AsksForMuch;

impl Handler for AsksForMuch {
    type Payload = Payload;
    const EVENTS: &[&str] = &["AsksForMuch"];
    const GRANTS: &[Grant] = &[read_write("asked")];
    const DESCRIPTION: &str = "Asks MongoDB for what takes it long to answer.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let filter = event.payload.filter.map_or_else(|| DOUBLES.to_owned(), |filter| filter.to_string());
        ask(&filter, event.payload.updates);
        Ok(())
    }
}
weir_sdk::export!(AsksForMuch);
