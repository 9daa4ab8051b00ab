//! MongoDB goes away while a host runs.

use std::time::{Duration, Instant};

use bson::doc;
use serde_json::json;

use crate::proxy::Proxy;
use crate::world::{World, given, row, until};

/// How much longer than `SHUTDOWN_TIMEOUT_SECONDS` a stop may take: to give up, for Kafka, and for a slow machine.
const BEYOND: Duration = Duration::from_secs(20);

async fn stops_in_time(partitions: i32, cut: impl FnOnce(&Proxy), with_work: bool) {
    let world = World::new(partitions).await;
    world.handlers(&["echo"]);
    let proxy = Proxy::before(&given("WEIR_TEST_MONGODB"));
    let uri = proxy.uri();
    let host = world.host(&[("MONGODB_URI", uri.as_str()), ("SHUTDOWN_TIMEOUT_SECONDS", "2")]).await;
    let rows = || (0..20).map(|number| (number % partitions, row("Echo", "a", json!({})).created()));
    world.send(rows()).await;
    world.until_passed(20).await;
    cut(&proxy);
    if with_work {
        world.send(rows()).await;
        until("the records have reached the host", async || host.stats().await["records"]["event"] == 40).await;
    }
    let begun = Instant::now();
    host.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(2) + BEYOND, "it took {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(world.data("echo").count_documents(doc! {}).await.expect("mongodb"), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_where_mongodb_is_closed_and_work_waits() {
    stops_in_time(4, Proxy::close, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_where_mongodb_is_closed_and_nothing_waits() {
    stops_in_time(12, Proxy::close, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_where_mongodb_stands_still_and_work_waits() {
    stops_in_time(4, Proxy::hold, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_where_mongodb_stands_still_and_nothing_waits() {
    stops_in_time(12, Proxy::hold, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_costs_no_event_and_no_attempt() {
    let world = World::new(3).await;
    world.handlers(&["user-statistics", "user-created", "counter"]);
    let proxy = Proxy::before(&given("WEIR_TEST_MONGODB"));
    let uri = proxy.uri();
    let settings = [
        ("MONGODB_URI", uri.as_str()),
        ("PROCESSING_BATCH_SIZE", "20"),
        ("MONGODB_SERVER_SELECTION_TIMEOUT_MS", "2000"),
    ];
    let host = world.host(&settings).await;
    let mut expected = 0;
    for round in 0..4 {
        let rows = (0..300).map(|number| {
            let event_type = if number % 2 == 0 { "UserCreated" } else { "Counter" };
            let payload = if number % 2 == 0 { json!({}) } else { json!({ "counter": "c" }) };
            (number % 3, row(event_type, format!("{round}-{number}"), payload).created())
        });
        world.send(rows).await;
        expected += 300;
        world.until_passed(expected - 250).await;
        proxy.close();
        tokio::time::sleep(Duration::from_secs(1)).await;
        proxy.open();
    }
    world.until_passed(expected).await;
    until("the host is ready again", async || host.get("/readyz").await.is_some_and(|(status, _)| status == 200)).await;
    let counted = world.data("statistics").find_one(doc! { "_id": "global_stats" }).await.expect("mongodb");
    assert_eq!(counted.expect("it is counted").get_i32("total_users").ok(), Some(600));
    assert_eq!(world.data("users").count_documents(doc! {}).await.expect("mongodb"), 600);
    let stood = world.data("counters").find_one(doc! { "_id": "c" }).await.expect("mongodb").expect("the counter");
    assert_eq!(stood.get("n").and_then(|n| n.as_i64().or(n.as_i32().map(i64::from))), Some(600));
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_nothing_can_be_committed_is_paused_and_read_later() {
    let world = World::new(3).await;
    world.handlers(&["echo"]);
    let proxy = Proxy::before(&given("WEIR_TEST_MONGODB"));
    let uri = proxy.uri();
    let settings = [("MONGODB_URI", uri.as_str()), ("MONGODB_SERVER_SELECTION_TIMEOUT_MS", "2000")];
    let _host = world.host(&settings).await;
    proxy.close();
    // 30 MB, which is more than a host holds in memory.
    let payload = json!({ "text": "x".repeat(10_000) });
    world.send((0..3_000).map(|number| (number % 3, row("Echo", "a", payload.clone()).created()))).await;
    until("reading is paused", async || world.log().contains("reading_paused")).await;
    proxy.open();
    world.until_passed(3_000).await;
    assert!(world.log().contains("reading_resumed"));
    assert_eq!(world.data("echo").count_documents(doc! {}).await.expect("mongodb"), 3_000);
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
}
