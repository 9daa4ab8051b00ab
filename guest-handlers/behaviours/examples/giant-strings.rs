//! Passes a text of `bytes` to the host: in a document, in the log, or in its own failure. Stopped by the boundary.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    bytes: Option<usize>,
    /// `document`, `log` or `failure`.
    place: Option<String>,
}

/// Bypasses the SDK, which would copy the text more often than the memory limit allows.
#[cfg(target_arch = "wasm32")]
fn insert(giant: &str) {
    let mut document = String::with_capacity(giant.len() + 16);
    document.push_str("{\"giant\":\"");
    document.push_str(giant);
    document.push_str("\"}");
    let refused = weir_sdk::bindings::weir::handler::documents::insert_one("giants", &document, None).is_err();
    info!("the document was passed"; refused = refused);
}

#[cfg(not(target_arch = "wasm32"))]
fn insert(_giant: &str) {}

struct GiantStrings;

impl Handler for GiantStrings {
    type Payload = Payload;
    const EVENTS: &[&str] = &["GiantStrings"];
    const GRANTS: &[Grant] = &[write("giants")];
    const DESCRIPTION: &str = "Passes a giant text to the host.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let bytes = event.payload.bytes.unwrap_or(20 << 20);
        let giant = "g".repeat(bytes);
        match event.payload.place.as_deref().unwrap_or("document") {
            "document" => insert(&giant),
            "log" => weir_sdk::log(weir_sdk::Level::Info, &giant, &Document::new()),
            "failure" => return Err(Reject::new(giant).into()),
            other => return Err(Reject::new(format!("no place `{other}`")).into()),
        }
        Ok(())
    }
}
weir_sdk::export!(GiantStrings);
