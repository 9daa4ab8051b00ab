//! A delivery that fails is parked with its reason, and nothing else is parked.

use bson::doc;
use mongodb::IndexModel;
use mongodb::options::IndexOptions;
use serde_json::json;

use crate::world::{World, row};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_matches_nothing_parks_its_delivery_alone() {
    let world = World::new(1).await;
    world.handlers(&["user-created", "user-updated"]);
    let created = row("UserCreated", "known", json!({ "first_name": "Ann", "last_name": "Lee" }));
    let unknown = row("UserUpdated", "unknown", json!({ "email": "a@b.c" }));
    let known = row("UserUpdated", "known", json!({ "first_name": "Eve" }));
    world.send([&created, &unknown, &known].map(|row| (0, row.created()))).await;
    let host = world.host(&[]).await;
    world.until_passed(3).await;
    let user = world.data("users").find_one(doc! { "_id": "known" }).await.expect("mongodb").expect("the user");
    assert_eq!(user.get_str("name").ok(), Some("Eve Lee"));
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    let parked = &parked[0];
    assert_eq!(parked.get_str("state").ok(), Some("parked"));
    assert_eq!(parked.get_str("reason").ok(), Some("must-match"));
    assert_eq!(parked.get_str("event_id").ok(), Some(unknown.id.as_str()));
    assert_eq!(parked.get_document("handler").expect("who").get_str("name").ok(), Some("user-updated"));
    assert_eq!(parked.get_array("attempts").map(Vec::len).ok(), Some(1));
    assert_eq!(parked.get_bool("holds").ok(), Some(false));
    assert_eq!(world.own("records").count_documents(doc! {}).await.expect("mongodb"), 1);
    assert_eq!(host.stats().await["handlers"]["user-updated"]["parked"], 1);
}

/// Makes a world with a handler for which MongoDB refuses every value that is already there.
async fn with_unique_values() -> World {
    let world = World::new(1).await;
    world.handlers(&["unique-value"]);
    let unique =
        IndexModel::builder().keys(doc! { "value": 1 }).options(IndexOptions::builder().unique(true).build()).build();
    world.data("unique_values").create_index(unique).await.expect("an index");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_only_the_delivery_that_mongodb_refuses_is_parked() {
    let world = with_unique_values().await;
    let rows: Vec<_> = (0..500)
        .map(|number| {
            row("UniqueValue", format!("{number}"), json!({ "value": if number == 321 { 7 } else { number } }))
        })
        .collect();
    world.send(rows.iter().map(|row| (0, row.created()))).await;
    let _host = world.host(&[]).await;
    world.until_passed(500).await;
    assert_eq!(world.data("unique_values").count_documents(doc! {}).await.expect("mongodb"), 499);
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].get_str("event_id").ok(), Some(rows[321].id.as_str()));
    assert_eq!(parked[0].get_str("reason").ok(), Some("refused"));
    assert!(parked[0].get_str("message").is_ok_and(|message| message.contains("E11000 duplicate key")));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_many_fail_what_is_known_to_succeed_is_committed_first() {
    let world = with_unique_values().await;
    let fails = |number: i32| number % 10 == 9;
    let rows: Vec<_> = (0..600)
        .map(|number| {
            row("UniqueValue", format!("{number}"), json!({ "value": if fails(number) { 0 } else { number } }))
        })
        .collect();
    world.send(rows.iter().map(|row| (0, row.created()))).await;
    let _host = world.host(&[]).await;
    world.until_passed(600).await;
    assert_eq!(world.data("unique_values").count_documents(doc! {}).await.expect("mongodb"), 540);
    let mut parked: Vec<_> = world.find(&world.own("parked"), doc! {}).await;
    let offset = |each: &bson::Document| each.get_document("record").and_then(|record| record.get_i64("offset"));
    parked.sort_by_key(|each| offset(each).expect("where it stood"));
    let parked: Vec<_> = parked.iter().filter_map(|each| each.get_str("event_id").ok()).collect();
    let failed = || rows.iter().zip(0..).filter(|(_, number)| fails(*number)).map(|(row, _)| row.id.as_str());
    assert_eq!(parked, failed().collect::<Vec<_>>());
    // Each culprit costs two more transactions for its whole batch, so a batch never contains more than two culprits.
    let progress = world.find(&world.own("progress"), doc! {}).await;
    assert!(progress[0].get_i64("commits").expect("a count") >= 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_handlers_failure_leaves_the_others_of_its_event_alone() {
    let world = World::new(1).await;
    world.handlers(&["user-created", "user-statistics"]);
    let event = row("UserCreated", "a", json!({}));
    let again = row("UserCreated", "a", json!({}));
    world.send([(0, event.created()), (0, again.created())]).await;
    let _host = world.host(&[]).await;
    world.until_passed(2).await;
    // The second creation of a user is a duplicate key for one handler, and one more user for the other.
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].get_document("handler").expect("who").get_str("name").ok(), Some("user-created"));
    let counted = world.data("statistics").find_one(doc! { "_id": "global_stats" }).await.expect("mongodb");
    assert_eq!(counted.expect("it is counted").get_i32("total_users").ok(), Some(2));
}
