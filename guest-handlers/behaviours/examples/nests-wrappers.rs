//! Passes Extended JSON whose wrapper (`wrapper`) nests `levels` deep, in one of the places that accept it (`place`).
//! The call is refused.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    wrapper: Option<String>,
    place: Option<String>,
    levels: Option<usize>,
}

/// Returns the text of nested wrappers. With `$code`, the scope nests.
fn nested(wrapper: &str, levels: usize) -> String {
    let (open, close) = match wrapper {
        "$code" => ("{\"$code\":\"\",\"$scope\":".to_owned(), "}"),
        "array" => ("[".to_owned(), "]"),
        name => (format!("{{\"{name}\":"), "}"),
    };
    [open.repeat(levels), "1".to_owned(), close.repeat(levels)].concat()
}

/// Bypasses the SDK, which would refuse some of it itself.
#[cfg(target_arch = "wasm32")]
fn pass(place: &str, nested: &str) {
    use weir_sdk::bindings::weir::handler::documents;

    const NAME: &str = "wrappers";
    let inner = format!("{{\"a\":{nested}}}");
    let option = |name: &str| format!("{{\"{name}\":{nested}}}");
    let refused = match place {
        "document" => documents::insert_one(NAME, nested, None).is_err(),
        "member" => documents::insert_one(NAME, &inner, None).is_err(),
        "documents" => documents::insert_many(NAME, &[inner], None).is_err(),
        "filter" => documents::find_one(NAME, &inner, None).is_err(),
        "find" => documents::find(NAME, &inner, None).is_err(),
        "count" => documents::count(NAME, &inner, None).is_err(),
        "delete" => documents::delete_one(NAME, &inner, None).is_err(),
        "delete-many" => documents::delete_many(NAME, &inner, None).is_err(),
        "replaced" => documents::replace_one(NAME, &inner, "{}", None).is_err(),
        "replacement" => documents::replace_one(NAME, "{\"_id\":1}", &inner, None).is_err(),
        "update" => documents::update_one(NAME, "{\"_id\":1}", &format!("{{\"$set\":{inner}}}"), None).is_err(),
        "updated" => documents::update_one(NAME, &inner, "{\"$set\":{\"a\":1}}", None).is_err(),
        "update-many" => documents::update_many(NAME, &inner, "{\"$set\":{\"a\":1}}", None).is_err(),
        "pipeline" => documents::update_one(NAME, "{\"_id\":1}", &format!("[{{\"$set\":{inner}}}]"), None).is_err(),
        "options" => documents::find_one(NAME, "{}", Some(nested)).is_err(),
        "insert-options" => documents::insert_one(NAME, "{}", Some(nested)).is_err(),
        "write-hint" => documents::delete_one(NAME, "{}", Some(&option("hint"))).is_err(),
        "arrayFilters" => {
            let options = format!("{{\"arrayFilters\":[{inner}]}}");
            documents::update_one(NAME, "{\"_id\":1}", "{\"$set\":{\"b.$[a]\":1}}", Some(&options)).is_err()
        }
        name => documents::find_one(NAME, "{}", Some(&option(name))).is_err(),
    };
    info!("it was passed"; refused = refused);
}

#[cfg(not(target_arch = "wasm32"))]
fn pass(_place: &str, _nested: &str) {}

struct NestsWrappers;

impl Handler for NestsWrappers {
    type Payload = Payload;
    const EVENTS: &[&str] = &["NestsWrappers"];
    const GRANTS: &[Grant] = &[read_write("wrappers")];
    const DESCRIPTION: &str = "Passes Extended JSON that nests without end.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let Payload { wrapper, place, levels } = event.payload;
        let nested = nested(wrapper.as_deref().unwrap_or("$scope"), levels.unwrap_or(200_000));
        pass(place.as_deref().unwrap_or("member"), &nested);
        Ok(())
    }
}
weir_sdk::export!(NestsWrappers);
