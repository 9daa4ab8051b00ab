//! Passes options of `bytes` as the option `option`, such as a hint of many numbers, each of which takes more bytes in
//! MongoDB's form than in the text. Refused.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    option: Option<String>,
    bytes: Option<usize>,
}

#[cfg(target_arch = "wasm32")]
fn pass(option: &str, bytes: usize) {
    let mut options = format!("{{\"{option}\":{{\"a\":");
    options.push_str(if option == "projection" { "{\"$slice\":[1" } else { "[1" });
    options.push_str(&",1".repeat(bytes / 2));
    options.push_str(if option == "projection" { "]}}}" } else { "]}}" });
    let refused = weir_sdk::bindings::weir::handler::documents::find_one("options", "{}", Some(&options)).is_err();
    info!("the options were passed"; refused = refused);
}

#[cfg(not(target_arch = "wasm32"))]
fn pass(_option: &str, _bytes: usize) {}

struct PassesOptions;

impl Handler for PassesOptions {
    type Payload = Payload;
    const EVENTS: &[&str] = &["PassesOptions"];
    const GRANTS: &[Grant] = &[read("options")];
    const DESCRIPTION: &str = "Passes options of `bytes`.";

    fn handle(&self, event: Event<Payload>) -> Result {
        pass(event.payload.option.as_deref().unwrap_or("hint"), event.payload.bytes.unwrap_or(14 << 20));
        Ok(())
    }
}
weir_sdk::export!(PassesOptions);
