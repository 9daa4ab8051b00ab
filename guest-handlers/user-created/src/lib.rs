//! Keeps a document for each user, from the moment of its creation.

use weir_sdk::prelude::*;

#[derive(Deserialize)]
struct Created {
    email: Option<String>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    bio: Option<String>,
    avatar_url: Option<String>,
}

struct UserCreated;

impl Handler for UserCreated {
    type Payload = Created;
    const EVENTS: &[&str] = &["UserCreated"];
    const GRANTS: &[Grant] = &[write("users")];
    const DESCRIPTION: &str = "Makes the document of a new user.";

    fn handle(&self, event: Event<Created>) -> Result {
        let user = event.payload;
        let name = [&user.first_name, &user.last_name].map(|part| part.as_deref().unwrap_or_default()).join(" ");
        collection("users").insert_one(doc! {
            "_id": event.aggregate_id,
            "email": user.email,
            "username": user.username,
            "name": name.trim(),
            "first_name": user.first_name,
            "last_name": user.last_name,
            "profile": { "bio": user.bio, "avatar_url": user.avatar_url },
            "metadata": { "created_at": event.created_at, "updated_at": now(), "source_event_id": event.id },
            "allowed_users": [event.aggregate_id],
        })?;
        Ok(())
    }
}
weir_sdk::export!(UserCreated);

#[cfg(test)]
mod tests {
    use weir_sdk::testing::{self, CREATED_AT, NOW, deliver, insert_one};

    use super::*;

    #[test]
    fn the_whole_document() {
        let event = testing::event(
            "UserCreated",
            r#"{"email": "test@example.com", "username": "testuser", "first_name": "Test", "last_name": "User",
                "bio": "b", "avatar_url": "a"}"#,
        );
        let delivery = deliver(&UserCreated, &event);
        assert_eq!(delivery.result, Ok(()));
        let expected = doc! {
            "_id": event.aggregate_id, "email": "test@example.com", "username": "testuser", "name": "Test User",
            "first_name": "Test", "last_name": "User", "profile": { "bio": "b", "avatar_url": "a" },
            "metadata": { "created_at": CREATED_AT, "updated_at": NOW, "source_event_id": event.id },
            "allowed_users": [event.aggregate_id],
        };
        assert_eq!(delivery.writes, [insert_one("users", expected)]);
    }

    #[test]
    fn absent_keys_become_null_and_the_name_is_trimmed() {
        let delivery = deliver(&UserCreated, &testing::event("UserCreated", r#"{"last_name": "User"}"#));
        let document = delivery.writes[0].body.as_document().expect("a document");
        assert_eq!(document.get("name"), Some(&Value::String("User".to_owned())));
        for path in ["email", "username", "first_name", "profile.bio", "profile.avatar_url"] {
            assert_eq!(document.at(path), Some(&Value::Null), "{path}");
        }
    }

    #[test]
    fn a_payload_of_another_shape_is_rejected() {
        let delivery = deliver(&UserCreated, &testing::event("UserCreated", r#"{"email": 1}"#));
        let failure = delivery.result.expect_err("it is rejected");
        assert_eq!(failure.error_type, "PayloadError");
        assert!(failure.message.contains("expected a string"), "{failure}");
    }
}
