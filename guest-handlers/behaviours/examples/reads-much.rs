//! Stores `documents` documents of `bytes`, nested `levels` deep, and reads them back `times` times, by find-one or,
//! with `all`, by one find over all of them, `sorted` or not.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    documents: Option<usize>,
    bytes: Option<usize>,
    levels: Option<usize>,
    times: Option<usize>,
    all: bool,
    sorted: bool,
    /// Only reads what earlier deliveries have stored.
    reads: bool,
}

#[cfg(target_arch = "wasm32")]
mod raw {
    use weir_sdk::bindings::weir::handler::documents;

    const NAME: &str = "much";

    /// Bypasses the SDK, which would hold each text several times.
    pub(super) fn keep(documents: usize, bytes: usize, levels: usize) {
        let padding = "x".repeat(bytes);
        for number in 0..documents {
            let mut text = format!("{{\"_id\":\"{number}\",\"a\":");
            text.push_str(&"{\"a\":".repeat(levels));
            text.push('"');
            text.push_str(&padding);
            text.push('"');
            text.push_str(&"}".repeat(levels));
            text.push('}');
            let _ =
                documents::replace_one(NAME, &format!("{{\"_id\":\"{number}\"}}"), &text, Some("{\"upsert\":true}"));
        }
    }

    pub(super) fn one(number: usize) -> bool {
        documents::find_one(NAME, &format!("{{\"_id\":\"{number}\"}}"), None).is_ok()
    }

    pub(super) fn all(sorted: bool) -> bool {
        documents::find(NAME, "{}", sorted.then_some("{\"sort\":{\"x\":1}}")).is_ok()
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod raw {
    pub(super) fn keep(_documents: usize, _bytes: usize, _levels: usize) {}

    pub(super) fn one(_number: usize) -> bool {
        true
    }

    pub(super) fn all(_sorted: bool) -> bool {
        true
    }
}

struct ReadsMuch;

impl Handler for ReadsMuch {
    type Payload = Payload;
    const EVENTS: &[&str] = &["ReadsMuch"];
    const GRANTS: &[Grant] = &[read_write("much")];
    const DESCRIPTION: &str = "Keeps large documents and reads them back.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let Payload { documents, bytes, levels, times, all, sorted, reads } = event.payload;
        let documents = documents.unwrap_or(1);
        if !reads {
            raw::keep(documents, bytes.unwrap_or(1 << 20), levels.unwrap_or(0));
            return Ok(());
        }
        for time in 0..times.unwrap_or(1) {
            let read = if all { raw::all(sorted) } else { raw::one(time % documents) };
            if !read {
                return Ok(());
            }
        }
        Ok(())
    }
}
weir_sdk::export!(ReadsMuch);
