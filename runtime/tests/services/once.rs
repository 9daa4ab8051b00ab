//! Every event takes effect once, whatever is killed or sent again.

use bson::doc;
use serde_json::json;

use crate::world::{World, row, until};

const USER: &str = "UserCreated";

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_at_new_offsets_takes_effect_once() {
    let world = World::new(2).await;
    world.handlers(&["user-statistics"]);
    let (first, second) = (row(USER, "a", json!({})), row(USER, "b", json!({})));
    // Twice in one batch, because no host runs yet.
    world.send([(0, first.created()), (0, first.created()), (1, second.created())]).await;
    let host = world.host(&[]).await;
    world.until_passed(3).await;
    // And again, long after it was committed.
    world.send([(0, first.created()), (1, second.created())]).await;
    world.until_passed(5).await;
    let counted = world.data("statistics").find_one(doc! { "_id": "global_stats" }).await.expect("mongodb");
    assert_eq!(counted.expect("it is counted").get_i32("total_users").ok(), Some(2));
    assert_eq!(host.stats().await["events"]["duplicate"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_event_with_the_same_id_is_no_repetition() {
    let world = World::new(1).await;
    world.handlers(&["user-statistics", "echo"]);
    let event = row(USER, "a", json!({}));
    let mut other = row("Echo", "b", json!({}));
    other.id.clone_from(&event.id);
    world.send([(0, event.created())]).await;
    let _host = world.host(&[]).await;
    world.until_passed(1).await;
    world.send([(0, other.created())]).await;
    world.until_passed(2).await;
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].get_str("reason").ok(), Some("id-conflict"));
    assert!(world.find(&world.data("echo"), doc! {}).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_loses_nothing_and_doubles_nothing() {
    let world = World::new(4).await;
    world.handlers(&["user-statistics", "user-created"]);
    let settings = [("PROCESSING_BATCH_SIZE", "20")];
    for round in 0..4_i64 {
        world
            .send((0..500).map(|number| (number % 4, row(USER, format!("{round}-{number}"), json!({})).created())))
            .await;
        let host = world.host(&settings).await;
        // Kill the host while it lags and has a batch open.
        let done = 500 * round + 100;
        world.until_passed(done).await;
        host.kill();
    }
    let host = world.host(&settings).await;
    world.until_passed(2_000).await;
    let counted = world.data("statistics").find_one(doc! { "_id": "global_stats" }).await.expect("mongodb");
    assert_eq!(counted.expect("it is counted").get_i32("total_users").ok(), Some(2_000));
    assert_eq!(world.data("users").count_documents(doc! {}).await.expect("mongodb"), 2_000);
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
    drop(host);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_share_the_partitions_and_one_takes_over() {
    let world = World::new(12).await;
    world.handlers(&["user-statistics"]);
    let rows = |round: i32| {
        (0..600).map(move |number| (number % 12, row(USER, format!("{round}-{number}"), json!({})).created()))
    };
    let first = world.host(&[]).await;
    world.send(rows(0)).await;
    let second = world.host(&[]).await;
    let owners = async || {
        let found = world.find(&world.own("progress"), doc! {}).await;
        let mut owners: Vec<_> = found.iter().filter_map(|it| it.get_str("owner").ok().map(str::to_owned)).collect();
        owners.sort();
        owners.dedup();
        owners.len()
    };
    until("each host owns partitions", async || owners().await == 2).await;
    world.send(rows(1)).await;
    first.kill();
    world.send(rows(2)).await;
    world.until_passed(1_800).await;
    let counted = world.data("statistics").find_one(doc! { "_id": "global_stats" }).await.expect("mongodb");
    assert_eq!(counted.expect("it is counted").get_i32("total_users").ok(), Some(1_800));
    drop(second);
}
