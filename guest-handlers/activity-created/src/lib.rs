//! Keeps a document for each activity, from the moment of its creation.

use weir_sdk::prelude::*;

#[derive(Deserialize)]
struct Created {
    title: Option<String>,
    description: Option<String>,
    creator_user_id: Option<String>,
    activity_type: Option<String>,
    location_name: Option<String>,
    location_address: Option<String>,
    coordinates: Option<Json>,
    start_date: Option<String>,
    end_date: Option<String>,
    timezone: Option<String>,
    max_participants: Option<Number>,
}

struct ActivityCreated;

impl Handler for ActivityCreated {
    type Payload = Created;
    const EVENTS: &[&str] = &["ActivityCreated"];
    const GRANTS: &[Grant] = &[write("activities")];
    const DESCRIPTION: &str = "Makes the document of a new activity.";

    fn handle(&self, event: Event<Created>) -> Result {
        let activity = event.payload;
        collection("activities").insert_one(doc! {
            "_id": event.aggregate_id,
            "title": activity.title,
            "description": activity.description,
            "creator_id": activity.creator_user_id,
            "type": activity.activity_type,
            "location": {
                "name": activity.location_name,
                "address": activity.location_address,
                "coordinates": activity.coordinates,
            },
            "schedule": {
                "start_date": activity.start_date,
                "end_date": activity.end_date,
                "timezone": activity.timezone,
            },
            "participants": { "current_count": 0, "max_count": activity.max_participants, "list": [] },
            "status": "active",
            "metadata": { "created_at": event.created_at, "updated_at": now(), "source_event_id": event.id },
            "allowed_users": activity.creator_user_id.as_slice(),
        })?;
        Ok(())
    }
}
weir_sdk::export!(ActivityCreated);

#[cfg(test)]
mod tests {
    use weir_sdk::testing::{self, CREATED_AT, NOW, deliver, insert_one};

    use super::*;

    #[test]
    fn the_whole_document() {
        let event = testing::event(
            "ActivityCreated",
            r#"{"title": "t", "description": "d", "creator_user_id": "u", "activity_type": "hike",
                "location_name": "n", "location_address": "a",
                "coordinates": {"type": "Point", "coordinates": [8.5, 47]},
                "start_date": "2026-05-01", "end_date": "2026-05-02", "timezone": "Europe/Zurich",
                "max_participants": 20}"#,
        );
        let delivery = deliver(&ActivityCreated, &event);
        assert_eq!(delivery.result, Ok(()));
        let expected = doc! {
            "_id": event.aggregate_id, "title": "t", "description": "d", "creator_id": "u", "type": "hike",
            "location": {
                "name": "n", "address": "a", "coordinates": { "type": "Point", "coordinates": [8.5, 47] },
            },
            "schedule": { "start_date": "2026-05-01", "end_date": "2026-05-02", "timezone": "Europe/Zurich" },
            "participants": { "current_count": 0, "max_count": 20, "list": [] }, "status": "active",
            "metadata": { "created_at": CREATED_AT, "updated_at": NOW, "source_event_id": event.id },
            "allowed_users": ["u"],
        };
        assert_eq!(delivery.writes, [insert_one("activities", expected)]);
    }

    #[test]
    fn without_a_creator_nobody_is_allowed() {
        let delivery = deliver(&ActivityCreated, &testing::event("ActivityCreated", "{}"));
        let document = delivery.writes[0].body.as_document().expect("a document");
        assert_eq!(document.get("allowed_users"), Some(&Value::Array(Vec::new())));
        for path in ["creator_id", "location.coordinates", "participants.max_count", "schedule.timezone"] {
            assert_eq!(document.at(path), Some(&Value::Null), "{path}");
        }
    }

    #[test]
    fn coordinates_that_hide_an_operator_are_refused() {
        let payload = r#"{"coordinates": {"at": {"$date": 0}}}"#;
        let delivery = deliver(&ActivityCreated, &testing::event("ActivityCreated", payload));
        assert_eq!(delivery.result.expect_err("it is rejected").error_type, "CallError");
        assert_eq!(delivery.writes, []);
    }
}
