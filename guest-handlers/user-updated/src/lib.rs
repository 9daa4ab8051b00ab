//! Keeps the documents of users up to date.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Updated {
    email: Field<String>,
    username: Field<String>,
    first_name: Field<String>,
    last_name: Field<String>,
    bio: Field<String>,
    avatar_url: Field<String>,
}

struct UserUpdated;

impl Handler for UserUpdated {
    type Payload = Updated;
    const EVENTS: &[&str] = &["UserUpdated"];
    const GRANTS: &[Grant] = &[write("users")];
    const DESCRIPTION: &str = "Brings a user's document up to date.";

    fn handle(&self, event: Event<Updated>) -> Result {
        let user = event.payload;
        let mut set = Document::new();
        set.insert_given("email", &user.email);
        set.insert_given("username", &user.username);
        set.insert_given("first_name", &user.first_name);
        set.insert_given("last_name", &user.last_name);
        set.insert_given("profile.bio", &user.bio);
        set.insert_given("profile.avatar_url", &user.avatar_url);
        set.insert("metadata.updated_at", now());
        set.insert("metadata.last_event_id", event.id);

        let users = collection("users").must_match();
        let this = doc! { "_id": event.aggregate_id };
        match (user.first_name.is_absent(), user.last_name.is_absent()) {
            (true, true) => users.update_one(this, doc! { "$set": set })?,
            (false, false) => {
                let name = [&user.first_name, &user.last_name].map(|part| part.value().map_or("", String::as_str));
                set.insert("name", name.join(" ").trim());
                users.update_one(this, doc! { "$set": set })?
            }
            // The part of the name that is not given keeps its value, which only the stored document knows.
            _ => {
                users.update_one(this, [doc! { "$set": literals(&set) }, doc! { "$set": { "name": stored_name() } }])?
            }
        };
        Ok(())
    }
}
weir_sdk::export!(UserUpdated);

fn literals(set: &Document) -> Document {
    set.iter().map(|(key, value)| (key.to_owned(), literal(value))).collect()
}

/// Returns an expression for the full name, from the two parts that the document holds.
fn stored_name() -> Document {
    let part = |path: &str| doc! { "$ifNull": [path, ""] };
    doc! { "$trim": { "input": { "$concat": [part("$first_name"), " ", part("$last_name")] } } }
}

#[cfg(test)]
mod tests {
    use weir_sdk::testing::{self, Delivery, NOW, deliver, update_one};

    use super::*;

    fn delivery(payload: &str) -> (Delivery, Document, String) {
        let event = testing::event("UserUpdated", payload);
        (deliver(&UserUpdated, &event), doc! { "_id": event.aggregate_id }, event.id)
    }

    #[test]
    fn only_what_the_payload_has() {
        let (delivery, this, id) = delivery(r#"{"email": "e", "bio": null, "avatar_url": "a"}"#);
        assert_eq!(delivery.result, Ok(()));
        let set = doc! {
            "email": "e", "profile.bio": null, "profile.avatar_url": "a",
            "metadata.updated_at": NOW, "metadata.last_event_id": id,
        };
        assert_eq!(delivery.writes, [update_one("users", this, doc! { "$set": set }).must_match()]);
    }

    #[test]
    fn both_names_need_no_pipeline() {
        let (delivery, this, id) = delivery(r#"{"username": "u", "first_name": "Ada", "last_name": null}"#);
        let set = doc! {
            "username": "u", "first_name": "Ada", "last_name": null,
            "metadata.updated_at": NOW, "metadata.last_event_id": id, "name": "Ada",
        };
        assert_eq!(delivery.writes, [update_one("users", this, doc! { "$set": set }).must_match()]);
    }

    #[test]
    fn one_name_leaves_the_other() {
        let (delivery, this, id) = delivery(r#"{"first_name": "$last_name"}"#);
        let set = doc! {
            "first_name": { "$literal": "$last_name" },
            "metadata.updated_at": { "$literal": NOW }, "metadata.last_event_id": { "$literal": id },
        };
        let name = doc! { "$trim": { "input": { "$concat": [
            { "$ifNull": ["$first_name", ""] }, " ", { "$ifNull": ["$last_name", ""] },
        ] } } };
        let stages = [doc! { "$set": set }, doc! { "$set": { "name": name } }];
        assert_eq!(delivery.writes, [update_one("users", this, stages).must_match()]);
    }
}
