//! Keeps the participants of activities.

use weir_sdk::prelude::*;

#[derive(Deserialize)]
struct Joined {
    user_id: String,
}

struct ParticipantJoined;

impl Handler for ParticipantJoined {
    type Payload = Joined;
    const EVENTS: &[&str] = &["ParticipantJoined"];
    const GRANTS: &[Grant] = &[write("activities")];
    const DESCRIPTION: &str = "Adds a participant to an activity, once.";

    fn handle(&self, event: Event<Joined>) -> Result {
        let (id, user) = (event.aggregate_id, event.payload.user_id);
        let activities = collection("activities");
        activities.update_one(
            doc! { "_id": id, "participants.list.user_id": { "$ne": user } },
            doc! {
                "$push": { "participants.list": { "user_id": user, "joined_at": event.created_at, "status": "confirmed" } },
                "$inc": { "participants.current_count": 1 },
            },
        )?;
        activities.must_match().update_one(
            doc! { "_id": id },
            doc! {
                "$addToSet": { "allowed_users": user },
                "$set": { "metadata.updated_at": now(), "metadata.last_event_id": event.id },
            },
        )?;
        Ok(())
    }
}
weir_sdk::export!(ParticipantJoined);

#[cfg(test)]
mod tests {
    use weir_sdk::testing::{self, CREATED_AT, NOW, deliver, update_one};

    use super::*;

    #[test]
    fn two_writes_of_which_the_second_must_match() {
        let event = testing::event("ParticipantJoined", r#"{"user_id": "u"}"#);
        let delivery = deliver(&ParticipantJoined, &event);
        assert_eq!(delivery.result, Ok(()));
        let entry = doc! { "user_id": "u", "joined_at": CREATED_AT, "status": "confirmed" };
        let join = update_one(
            "activities",
            doc! { "_id": event.aggregate_id, "participants.list.user_id": { "$ne": "u" } },
            doc! { "$push": { "participants.list": entry }, "$inc": { "participants.current_count": 1 } },
        );
        let note = update_one(
            "activities",
            doc! { "_id": event.aggregate_id },
            doc! {
                "$addToSet": { "allowed_users": "u" },
                "$set": { "metadata.updated_at": NOW, "metadata.last_event_id": event.id },
            },
        );
        assert_eq!(delivery.writes, [join, note.must_match()]);
    }

    #[test]
    fn a_join_without_a_user_is_rejected() {
        let delivery = deliver(&ParticipantJoined, &testing::event("ParticipantJoined", "{}"));
        let failure = delivery.result.expect_err("it is rejected");
        assert!(failure.message.contains("missing field `user_id`"), "{failure}");
    }
}
