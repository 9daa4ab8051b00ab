//! Where a partition starts, and when it must not.

use bson::doc;
use serde_json::json;

use crate::world::{World, row, until};

async fn echoed(world: &World) -> u64 {
    world.data("echo").count_documents(doc! {}).await.expect("mongodb")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_predecessors_offset_goes_first_and_progress_before_every_offset() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    world.send((0..10).map(|_| (0, row("Echo", "a", json!({})).created()))).await;
    world.commit(0, 4).await;
    let host = world.host(&[]).await;
    world.until_passed(10).await;
    assert_eq!(echoed(&world).await, 6);
    host.stop().await;
    // An offset that is set in Kafka afterwards changes nothing.
    world.commit(0, 0).await;
    world.send([(0, row("Echo", "a", json!({})).created())]).await;
    let host = world.host(&[]).await;
    world.until_passed(11).await;
    assert_eq!(echoed(&world).await, 7);
    assert_eq!(host.stats().await["events"]["duplicate"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_may_start_at_the_end() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    world.send((0..5).map(|_| (0, row("Echo", "a", json!({})).created()))).await;
    let _host = world.host(&[("KAFKA_AUTO_OFFSET_RESET", "latest")]).await;
    world.send([(0, row("Echo", "a", json!({})).created())]).await;
    world.until_passed(6).await;
    assert_eq!(echoed(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_before_progress_stops_the_partition() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    world.send((0..5).map(|_| (0, row("Echo", "a", json!({})).created()))).await;
    let host = world.host(&[]).await;
    world.until_passed(5).await;
    host.stop().await;
    world.delete_topic().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    world.create_topic(1).await;
    world.send([(0, row("Echo", "a", json!({})).created())]).await;
    let host = world.start(&[]);
    until("the partition is stopped", async || {
        host.get("/readyz").await.is_some_and(|(status, body)| status == 503 && body.contains("the log ends at 1"))
    })
    .await;
    assert_eq!(echoed(&world).await, 5);
    // The running host goes on from the offset that a person sets.
    world.set_progress(0, 0);
    until("the new topic's record is accounted for", async || echoed(&world).await == 6).await;
    host.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_beyond_its_ceiling_stops_the_start() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let (status, said) = world.fails(&[], &[("HANDLER_DEFAULT_CEILING", "none")]);
    assert_eq!(status, Some(1), "{said}");
    let beyond =
        "echo.wasm asks for more than it may have: events: Echo; grants: write echo\nhint: allow it in [handlers.echo]";
    assert!(said.contains(beyond), "{said}");
    assert!(world.own.list_collection_names().await.expect("mongodb").is_empty(), "nothing was entered");
}
