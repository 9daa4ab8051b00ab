//! Who owns a partition, and what an owner can no longer do once another host has claimed the partition.

use std::collections::HashMap;

use bson::doc;
use serde_json::json;

use crate::world::{World, row, until};

async fn owned(world: &World) -> HashMap<String, usize> {
    let mut owned = HashMap::new();
    for partition in world.find(&world.own("progress"), doc! {}).await {
        if let Ok(owner) = partition.get_str("owner") {
            *owned.entry(owner.to_owned()).or_insert(0) += 1;
        }
    }
    owned
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_was_passed_over_commits_nothing() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let rows: Vec<_> = (0..20).map(|_| row("Echo", "a", json!({}))).collect();
    let host = world.host(&[]).await;
    world.send(rows[..10].iter().map(|row| (0, row.created()))).await;
    world.until_passed(10).await;
    // Another host would do this after it claimed the partition and accounted for the next five records.
    let passed = doc! { "$inc": { "epoch": 1_i64, "commits": 1_i64 }, "$set": { "next": 15_i64 } };
    let changed = world.own("progress").update_one(doc! {}, passed).await.expect("mongodb");
    assert_eq!(changed.modified_count, 1);
    world.send(rows[10..].iter().map(|row| (0, row.created()))).await;
    world.until_passed(20).await;
    for (number, row) in rows.iter().enumerate() {
        let found = world.data("echo").find_one(doc! { "_id": &row.id }).await.expect("mongodb");
        assert_eq!(found.is_some(), !(10..15).contains(&number), "event {number}");
    }
    let progress = world.own("progress").find_one(doc! {}).await.expect("mongodb").expect("progress");
    assert_eq!(progress.get_i64("epoch").ok(), Some(3));
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
    drop(host);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_paused_does_not_undo_what_its_successor_did() {
    let world = World::new(2).await;
    world.handlers(&["user-statistics", "user-created"]);
    let settings = [("PROCESSING_BATCH_SIZE", "10")];
    let paused = world.host(&settings).await;
    world
        .send((0..1_500).map(|number| (number % 2, row("UserCreated", number.to_string(), json!({})).created())))
        .await;
    world.until_passed(200).await;
    paused.pause();
    let successor = world.host(&settings).await;
    world.until_passed(1_500).await;
    paused.go_on();
    until("both own a partition", async || owned(&world).await.len() == 2).await;
    world
        .send((0..100).map(|number| (number % 2, row("UserCreated", format!("{number}b"), json!({})).created())))
        .await;
    world.until_passed(1_600).await;
    let counted = world.data("statistics").find_one(doc! { "_id": "global_stats" }).await.expect("mongodb");
    assert_eq!(counted.expect("it is counted").get_i32("total_users").ok(), Some(1_600));
    assert_eq!(world.data("users").count_documents(doc! {}).await.expect("mongodb"), 1_600);
    let next: i64 = world.find(&world.own("progress"), doc! {}).await.iter().flat_map(|it| it.get_i64("next")).sum();
    assert_eq!(next, 1_600);
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
    drop(successor);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_own_half_each_and_one_that_stops_hands_its_half_over() {
    let world = World::new(12).await;
    world.handlers(&["user-statistics"]);
    let rows = |round: i32| {
        (0..600).map(move |number| (number % 12, row("UserCreated", format!("{round}-{number}"), json!({})).created()))
    };
    let first = world.host(&[]).await;
    world.send(rows(0)).await;
    let second = world.host(&[]).await;
    until("six partitions for each", async || owned(&world).await.into_values().collect::<Vec<_>>() == [6, 6]).await;
    world.send(rows(1)).await;
    assert_eq!(first.stop().await.code(), Some(0));
    world.send(rows(2)).await;
    until("all partitions are the second's", async || owned(&world).await.into_values().collect::<Vec<_>>() == [12])
        .await;
    world.until_passed(1_800).await;
    let counted = world.data("statistics").find_one(doc! { "_id": "global_stats" }).await.expect("mongodb");
    assert_eq!(counted.expect("it is counted").get_i32("total_users").ok(), Some(1_800));
    assert_eq!(second.stats().await["events"]["duplicate"], 0);
}
