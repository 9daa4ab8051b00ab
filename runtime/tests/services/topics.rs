//! More than one topic: a list, and a pattern that later matches more topics.

use bson::doc;
use serde_json::json;

use crate::world::{World, row, until};

async fn echoed(world: &World) -> u64 {
    world.data("echo").count_documents(doc! {}).await.expect("mongodb")
}

fn event() -> Option<String> {
    row("Echo", "a", json!({})).created()
}

async fn until_echoed(world: &World, events: u64) {
    until(&format!("{events} events have their documents"), async || echoed(world).await == events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_topics_is_read_each_with_its_own_progress() {
    let world = World::new(2).await;
    world.handlers(&["echo"]);
    let other = format!("{}-other", world.topic);
    world.create(&other, 1, &[]).await;
    world.send((0..6).map(|number| (number % 2, event()))).await;
    world.send_to(&other, (0..3).map(|_| (0, event()))).await;
    let host = world.host(&[("KAFKA_TOPIC", &format!("{},{other}", world.topic))]).await;
    until_echoed(&world, 9).await;
    let progress = world.find(&world.own("progress"), doc! {}).await;
    let mut found: Vec<_> = progress
        .iter()
        .map(|progress| {
            let id = progress.get_document("_id").expect("an id");
            let topic = id.get_str("topic").expect("a topic").to_owned();
            (topic, id.get_i32("partition").expect("a number"), progress.get_i64("next").expect("an offset"))
        })
        .collect();
    found.sort();
    let topic = &world.topic;
    assert_eq!(found, [(topic.clone(), 0, 3), (topic.clone(), 1, 3), (other, 0, 3)]);
    assert!(host.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_comes_to_match_starts_at_its_beginning_and_the_rest_where_the_setting_says() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    world.send((0..4).map(|_| (0, event()))).await;
    let pattern = format!("^{}($|\\.)", world.topic);
    let settings = [("KAFKA_TOPIC", pattern.as_str()), ("KAFKA_AUTO_OFFSET_RESET", "latest")];
    let host = world.host(&settings).await;
    world.send([(0, event())]).await;
    until_echoed(&world, 1).await;
    // Its records are there before any host knows the topic.
    let later = format!("{}.later", world.topic);
    world.create(&later, 1, &[]).await;
    world.send_to(&later, (0..5).map(|_| (0, event()))).await;
    until_echoed(&world, 6).await;
    host.stop().await;
    // A topic that is created while no host runs counts as new too.
    let meanwhile = format!("{}.meanwhile", world.topic);
    world.create(&meanwhile, 1, &[]).await;
    world.send_to(&meanwhile, (0..2).map(|_| (0, event()))).await;
    let host = world.host(&settings).await;
    until_echoed(&world, 8).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_topic_of_a_list_stops_the_start_and_one_of_a_pattern_its_partitions() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let compacted = format!("{}.compacted", world.topic);
    world.create(&compacted, 1, &[("cleanup.policy", "compact")]).await;
    let (status, said) = world.fails(&[], &[("KAFKA_TOPIC", &format!("{},{compacted}", world.topic))]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(&format!("the topic {compacted} is compacted")), "{said}");
    let host = world.start(&[("KAFKA_TOPIC", &format!("^{}", world.topic))]);
    world.send((0..2).map(|_| (0, event()))).await;
    until_echoed(&world, 2).await;
    until("the partition is stopped", async || {
        let ready = host.get("/readyz").await;
        ready.is_some_and(|(status, body)| {
            status == 503 && body.contains(&format!("the topic {compacted} is compacted")) && body.contains("stopped")
        })
    })
    .await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_under_a_host_is_named_by_readyz() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let host = world.host(&[]).await;
    world.send([(0, event())]).await;
    until_echoed(&world, 1).await;
    world.delete_topic().await;
    until("the host waits for its topic", async || {
        let ready = host.get("/readyz").await;
        ready.is_some_and(|(status, body)| {
            status == 503 && body.contains(&format!("the topic {} does not exist", world.topic))
        })
    })
    .await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_that_kafkas_client_does_not_know_stops_the_start() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let (status, said) = world.fails(&[], &[("KAFKA__FETCH_MIN_BYTE", "1")]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("kafka.fetch.min.byte ") && said.contains("librdkafka"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_of_transactions_that_retention_removes_stop_nothing() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let settings = [("WEIR_IDLE_MS", "200")];
    let host = world.host(&settings).await;
    let values = |count| (0..count).filter_map(|_| event()).collect();
    // Offsets 0 to 2 and a marker, then two aborted records and a marker.
    world.transact(values(3), true).await;
    world.transact(values(2), false).await;
    until_echoed(&world, 3).await;
    until("the host has noted the end of the log", async || {
        let progress = world.find(&world.own("progress"), doc! {}).await;
        progress.iter().any(|it| it.get_i64("next").ok() == Some(3) && it.get_i64("read_to").ok() == Some(7))
    })
    .await;
    assert!(host.stop().await.success());
    world.delete_before(7).await;
    let host = world.host(&settings).await;
    world.send([(0, event())]).await;
    until_echoed(&world, 4).await;
    assert!(host.stop().await.success());
}
