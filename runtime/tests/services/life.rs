//! A host's life: start, stop, and what it reports about itself.

use std::time::Duration;

use bson::doc;
use serde_json::json;

use crate::world::{World, row, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_drains_and_hands_over() {
    let world = World::new(2).await;
    world.handlers(&["echo"]);
    world.send((0..2_000).map(|number| (number % 2, row("Echo", "a", json!({})).created()))).await;
    let host = world.host(&[("PROCESSING_BATCH_SIZE", "50")]).await;
    world.until_passed(100).await;
    assert_eq!(host.stop().await.code(), Some(0));
    let progress = world.find(&world.own("progress"), doc! {}).await;
    let passed: i64 = progress.iter().filter_map(|partition| partition.get_i64("next").ok()).sum();
    assert_eq!(world.data("echo").count_documents(doc! {}).await.expect("mongodb"), passed.unsigned_abs());
    for partition in &progress {
        assert!(!partition.contains_key("owner"), "its name still stands in {partition}");
        let number = partition.get_document("_id").expect("an id").get_i32("partition").expect("a number");
        assert_eq!(world.committed(number).await, partition.get_i64("next").ok());
    }
    assert_eq!(world.own("owners").count_documents(doc! {}).await.expect("mongodb"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_mongodb_and_says_so_and_still_stops() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let host = world.start(&[("MONGODB_URI", "mongodb://127.0.0.1:9/?replicaSet=rs0")]);
    until("it says what it waits for", async || {
        host.get("/readyz").await.is_some_and(|(status, body)| status == 503 && body.contains("mongodb"))
    })
    .await;
    assert_eq!(host.get("/livez").await.expect("it answers").0, 200);
    assert_eq!(host.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_kafka_and_says_so_and_still_stops() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let host = world.start(&[("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")]);
    until("it says what it waits for", async || {
        host.get("/readyz").await.is_some_and(|(status, body)| status == 503 && body.contains("kafka"))
    })
    .await;
    assert_eq!(host.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_refused_stops_the_start() {
    let world = World::new(1).await;
    let (status, said) = world.fails(&[], &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("holds no .wasm"), "{said}");
    world.handlers(&["echo", "sockets"]);
    let (status, said) = world.fails(&[], &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("sockets.wasm") && said.contains("wasi:sockets"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_stops_the_start_with_its_name() {
    let world = World::new(1).await;
    for (name, value) in [
        ("KAFKA_ENABLE_AUTO_COMMIT", "true"),
        ("PROCESSING_BATCH_SIZE", "none"),
        ("KAFKA_AUTO_OFFSET_RESET", "middle"),
        ("WEIR_DATABASE", world.data.name()),
    ] {
        let (status, said) = world.fails(&[], &[(name, value)]);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(name), "{said}");
    }
    let (status, said) = world.fails(&["--kafka-topik", "x"], &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("--kafka-topic"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_handlers_commit_what_they_have_done() {
    let world = World::new(1).await;
    world.handlers(&["sleeps"]);
    world.send((0..40).map(|_| (0, row("Sleeps", "a", json!({ "naps": 1, "nap_ms": 300 })).created()))).await;
    let host = world.host(&[]).await;
    world.until_passed(1).await;
    let progress = world.own("progress").find_one(doc! {}).await.expect("mongodb").expect("progress");
    assert!(progress.get_i64("next").expect("an offset") < 40, "nothing was committed before all had run: {progress}");
    assert_eq!(host.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_the_group_took_for_dead_still_stops() {
    let world = World::new(1).await;
    world.handlers(&["sleeps"]);
    world.send((0..400).map(|_| (0, row("Sleeps", "a", json!({ "naps": 1, "nap_ms": 50 })).created()))).await;
    let host = world.host(&[]).await;
    world.until_passed(1).await;
    host.pause();
    // Kafka's client gives its partitions up after 6 s, so it does that and hears the signal at the same time.
    tokio::time::sleep(Duration::from_secs(8)).await;
    host.terminate();
    host.go_on();
    assert_eq!(host.ended().await.code(), Some(0));
}
