//! Makes a read that MongoDB refuses, with a hint of an index that does not exist, and then tries to end in another way
//! (`how`): it skips, asks for a retry, panics or spins. With `alone` it asks for an effect first, so that it runs in a
//! transaction of its own. The refusal decides.

use std::hint::black_box;

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    how: String,
    alone: bool,
}

struct MakesExcuses;

impl Handler for MakesExcuses {
    type Payload = Payload;
    const EVENTS: &[&str] = &["MakesExcuses"];
    const GRANTS: &[Grant] = &[read_write("excuses")];
    const DESCRIPTION: &str = "Tries to end in another way after a read that MongoDB refuses.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let excuses = collection("excuses");
        if event.payload.alone {
            effect_of(excuses.insert_one(doc! { "_id": &event.id })?)?;
        }
        if excuses.hint(doc! { "nowhere": 1 }).find_one(doc! { "group": "g" }).is_ok() {
            return Err(Reject::new("the read was not refused").into());
        }
        match event.payload.how.as_str() {
            "skips" => return Err(Skip::new("nothing of mine").into()),
            "retries" => return Err(Retry::new("it may pass").into()),
            "panics" => panic!("it is too much"),
            "spins" => loop {
                black_box(());
            },
            _ => {}
        }
        excuses.insert_one(doc! { "_id": format!("{} after all", event.id) })?;
        Ok(())
    }
}
weir_sdk::export!(MakesExcuses);
