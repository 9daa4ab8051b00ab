//! What becomes of an event at which hosts die, and which deaths count.

use bson::doc;
use serde_json::json;

use crate::world::{World, row, until};

/// After this many dead owners a partition's events run singly, and after this many more the delivery is dead.
const DEATHS: usize = 3 + 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_at_which_hosts_panic_loses_that_event_and_no_other_does() {
    let world = World::new(1).await;
    world.handlers(&["user-created", "user-statistics"]);
    let (deadly, innocent) = (row("UserCreated", "a", json!({})), row("UserCreated", "b", json!({})));
    world.send([(0, deadly.created()), (0, innocent.created())]).await;
    let panics = format!("in-handler:{}:user-created", deadly.id);
    for life in 0..DEATHS {
        let status = world.start(&[("WEIR_PANIC", &panics)]).ended().await;
        assert_eq!(status.code(), Some(101), "life {life}");
        let parked = world.find(&world.own("parked"), doc! {}).await;
        assert!(parked.is_empty(), "after life {life}: {parked:?}");
    }
    let host = world.host(&[("WEIR_PANIC", &panics)]).await;
    world.until_passed(2).await;

    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0].get_str("event_id").ok(), Some(deadly.id.as_str()));
    assert_eq!(parked[0].get_str("reason").ok(), Some("host-crash"));
    let handler = parked[0].get_document("handler").expect("its handler");
    assert_eq!(handler.get_str("name").ok(), Some("user-created"));
    let counted = world.data("statistics").find_one(doc! { "_id": "global_stats" }).await.expect("mongodb");
    assert_eq!(counted.expect("it is counted").get_i32("total_users").ok(), Some(2), "the other handler goes on");
    assert_eq!(world.data("users").count_documents(doc! {}).await.expect("mongodb"), 1);
    let progress = world.own("progress").find_one(doc! {}).await.expect("mongodb").expect("progress");
    assert!(!progress.contains_key("lost_owners"), "what is committed is no longer suspect: {progress}");
    assert_eq!(host.stop().await.code(), Some(0));
    let owners = world.find(&world.own("owners"), doc! {}).await;
    assert_eq!(owners.len(), DEATHS, "those that crashed are kept for a while: {owners:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_was_only_paused_is_not_dead() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let paused = world.host(&[]).await;
    paused.pause();
    // Kafka notices its absence after 6 s.
    let successor = world.start(&[]);
    let progress = async || world.own("progress").find_one(doc! {}).await.expect("mongodb").expect("progress");
    until("the partition is taken over", async || progress().await.get_i64("epoch").ok() == Some(2)).await;
    let lost = progress().await;
    assert_eq!(lost.get_array("lost_owners").map(Vec::len).ok(), Some(1), "it is remembered: {lost}");
    paused.go_on();
    let row = row("Echo", "a", json!({}));
    world.send([(0, row.created())]).await;
    world.until_passed(1).await;
    let held = progress().await;
    assert!(!held.contains_key("lost_owners"), "{held}");
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
    drop((paused, successor));
}
