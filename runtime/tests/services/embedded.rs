//! A host on an embedded Kafka, for trying handlers.

use bson::{Document, doc};
use mongodb::{Client, Collection};
use serde_json::json;

use crate::world::{Row, World, given, row, until};

/// Returns a collection of a database that an embedded run has to itself.
async fn own(world: &World, database: &str, collection: &str) -> Collection<Document> {
    let client = Client::with_uri_str(given("WEIR_TEST_MONGODB")).await.expect("a connection string");
    let database = if database == "data" { world.data.name() } else { world.own.name() };
    client.database(&format!("{database}_embedded")).collection(collection)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_file_become_documents_and_nobody_elses_are_touched() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let rows: Vec<_> = (0..20).map(|n| row("Echo", format!("a{n}"), json!({ "n": n }))).collect();
    let line = |row: &Row| json!({ "key": row.aggregate_id, "value": row.op("c") }).to_string();
    let lines = rows.iter().map(line).collect::<Vec<_>>().join("\n");
    let echo = own(&world, "data", "echo").await;
    let stray = own(&world, "data", "stray").await;
    let count = async || echo.count_documents(doc! {}).await.expect("mongodb");
    for _ in 0..2 {
        // Each trial removes what an earlier one has left, so that it starts like the first.
        stray.insert_one(doc! { "_id": 1 }).await.expect("mongodb");
        let host = world.embedded(&lines);
        host.until_ready().await;
        until("every record is accounted for", async || host.stats().await["events"]["committed"] == 20).await;
        assert_eq!(count().await, 20);
        assert_eq!(stray.count_documents(doc! {}).await.expect("mongodb"), 0);
        assert_eq!(host.health(), Some(0));
        assert!(host.stop().await.success());
        assert_eq!(count().await, 20);
    }
    for database in [&world.data, &world.own] {
        let names = database.list_collection_names().await.expect("mongodb");
        assert!(names.is_empty(), "{} has {names:?}", database.name());
    }
    assert_eq!(world.committed(0).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_recording_stops_the_start() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let (status, said) = world.fails(&["--embedded", "not-there.jsonl"], &[]);
    assert_eq!(status, Some(1));
    assert!(said.contains("cannot read not-there.jsonl"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_ready_or_not_there_is_not_healthy() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let host = world.start(&[("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")]);
    until("the host answers", async || host.get("/readyz").await.is_some_and(|(status, _)| status == 503)).await;
    assert_eq!(host.health(), Some(1));
    let nobody = world.start(&[("PROCESSING_BATCH_SIZE", "none")]);
    assert_eq!(nobody.health(), Some(1));
}
