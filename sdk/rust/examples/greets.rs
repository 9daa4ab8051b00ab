//! A handler that reads before it writes: it greets each user once, by the name in `users`.
//!
//! Build it with `cargo build -p weir-sdk --example greets --target wasm32-wasip2`.

use weir_sdk::prelude::*;

#[derive(Deserialize)]
struct SignedIn {
    locale: Option<String>,
}

struct Greets;

impl Handler for Greets {
    type Payload = SignedIn;
    const EVENTS: &[&str] = &["UserSignedIn"];
    const GRANTS: &[Grant] = &[read("users"), write("greetings")];
    const DESCRIPTION: &str = "Greets each user once.";

    fn handle(&self, event: Event<SignedIn>) -> Result {
        let this = doc! { "_id": event.aggregate_id };
        let user = collection("users").projection(doc! { "name": 1 }).find_one(&this)?;
        let user = user.ok_or_else(|| Retry::new("the user is not here yet"))?;
        let name = user.get("name").and_then(Value::as_str).ok_or_else(|| Reject::new("a user without a name"))?;

        let greeting = match event.payload.locale.as_deref() {
            Some("de") => "Guten Tag",
            _ => "Hello",
        };
        collection("greetings").upsert().update_one(
            this,
            doc! { "$setOnInsert": { "text": format!("{greeting}, {name}!"), "at": event.created_at } },
        )?;
        info!("greeted"; locale = event.payload.locale);
        Ok(())
    }
}
weir_sdk::export!(Greets);
