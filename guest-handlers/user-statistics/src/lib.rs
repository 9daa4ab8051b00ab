//! Counts the users.

use weir_sdk::prelude::*;

#[derive(Deserialize)]
struct Created {}

struct UserStatistics;

impl Handler for UserStatistics {
    type Payload = Created;
    const EVENTS: &[&str] = &["UserCreated"];
    const GRANTS: &[Grant] = &[write("statistics")];
    const DESCRIPTION: &str = "Counts the users in one document.";

    fn handle(&self, _event: Event<Created>) -> Result {
        collection("statistics").upsert().update_one(
            doc! { "_id": "global_stats" },
            doc! { "$inc": { "total_users": 1 }, "$set": { "last_updated": now() } },
        )?;
        Ok(())
    }
}
weir_sdk::export!(UserStatistics);

#[cfg(test)]
mod tests {
    use weir_sdk::testing::{self, NOW, deliver, update_one};

    use super::*;

    #[test]
    fn one_more() {
        let delivery = deliver(&UserStatistics, &testing::event("UserCreated", r#"{"email": "e"}"#));
        assert_eq!(delivery.result, Ok(()));
        let update = doc! { "$inc": { "total_users": 1 }, "$set": { "last_updated": NOW } };
        assert_eq!(delivery.writes, [update_one("statistics", doc! { "_id": "global_stats" }, update).upsert()]);
    }
}
