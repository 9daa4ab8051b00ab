//! Keeps the documents of activities up to date.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Updated {
    title: Field<String>,
    description: Field<String>,
    status: Field<String>,
    location_name: Field<String>,
    location_address: Field<String>,
}

struct ActivityUpdated;

impl Handler for ActivityUpdated {
    type Payload = Updated;
    const EVENTS: &[&str] = &["ActivityUpdated"];
    const GRANTS: &[Grant] = &[write("activities")];
    const DESCRIPTION: &str = "Brings an activity's document up to date.";

    fn handle(&self, event: Event<Updated>) -> Result {
        let activity = event.payload;
        let mut set = Document::new();
        set.insert_given("title", &activity.title);
        set.insert_given("description", &activity.description);
        set.insert_given("status", &activity.status);
        set.insert_given("location.name", &activity.location_name);
        set.insert_given("location.address", &activity.location_address);
        set.insert("metadata.updated_at", now());
        set.insert("metadata.last_event_id", event.id);
        collection("activities").must_match().update_one(doc! { "_id": event.aggregate_id }, doc! { "$set": set })?;
        Ok(())
    }
}
weir_sdk::export!(ActivityUpdated);

#[cfg(test)]
mod tests {
    use weir_sdk::testing::{self, NOW, deliver, update_one};

    use super::*;

    #[test]
    fn only_what_the_payload_has() {
        let event = testing::event("ActivityUpdated", r#"{"title": "t", "status": null, "location_address": "a"}"#);
        let delivery = deliver(&ActivityUpdated, &event);
        assert_eq!(delivery.result, Ok(()));
        let set = doc! {
            "title": "t", "status": null, "location.address": "a",
            "metadata.updated_at": NOW, "metadata.last_event_id": event.id,
        };
        let expected = update_one("activities", doc! { "_id": event.aggregate_id }, doc! { "$set": set });
        assert_eq!(delivery.writes, [expected.must_match()]);
    }
}
