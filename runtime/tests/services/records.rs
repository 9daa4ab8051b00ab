//! What becomes of records.

use bson::doc;
use serde_json::json;

use crate::world::{World, row};

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_kept_with_its_bytes_and_holds_nobody_up() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let after = row("Echo", "a", json!({}));
    let broken = "{\"op\": \"c\", \"after\": {\"event_id\": ";
    world.send([(0, Some(broken.to_owned())), (0, after.created())]).await;
    let host = world.host(&[]).await;
    world.until_passed(2).await;
    assert!(world.data("echo").find_one(doc! { "_id": &after.id }).await.expect("mongodb").is_some());
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].get_str("reason").ok(), Some("undecodable"));
    assert_eq!(parked[0].get_str("state").ok(), Some("dead"));
    assert_eq!(parked[0].get_bool("holds").ok(), Some(false));
    let id = parked[0].get_document("record").expect("an id");
    let record = world.own("records").find_one(doc! { "_id": id }).await.expect("mongodb");
    let record = record.expect("the record is kept");
    assert_eq!(record.get_binary_generic("value").expect("bytes"), &broken.as_bytes().to_vec());
    assert_eq!(host.stats().await["records"]["undecodable"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_creation_changes_nothing() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let host = world.host(&[]).await;
    let rows: Vec<_> = (0..5).map(|_| row("Echo", "a", json!({}))).collect();
    world
        .send([
            (0, Some(rows[0].op("u"))),
            (0, Some(rows[1].op("r"))),
            (0, Some(json!({ "before": { "event_id": rows[2].id }, "after": null, "op": "d" }).to_string())),
            (0, None),
            (0, Some(json!({ "op": "t", "before": null, "after": null, "source": {} }).to_string())),
            (0, rows[4].created()),
        ])
        .await;
    world.until_passed(6).await;
    let found = world.find(&world.data("echo"), doc! {}).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get_str("_id").ok(), Some(rows[4].id.as_str()));
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
    let records = host.stats().await["records"].clone();
    for kind in ["update", "snapshot", "delete", "tombstone", "truncate", "event"] {
        assert_eq!(records[kind], 1, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_is_known_by_its_id_or_dead() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let known = row("Echo", "a", json!({}));
    let unknown = row("Echo", "b", json!({}));
    let without_payload = |record: Option<String>| {
        let mut record: serde_json::Value = serde_json::from_str(&record.expect("a record")).expect("an envelope");
        record["after"]["payload"] = "__debezium_unavailable_value".into();
        Some(record.to_string())
    };
    let host = world.host(&[]).await;
    world.send([(0, known.created())]).await;
    world.until_passed(1).await;
    world.send([(0, without_payload(known.created())), (0, without_payload(unknown.created()))]).await;
    world.until_passed(3).await;
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].get_str("event_id").ok(), Some(unknown.id.as_str()));
    assert_eq!(parked[0].get_str("reason").ok(), Some("undecodable"));
    let message = parked[0].get_str("message").expect("a message");
    assert!(message.contains("__debezium_unavailable_value"), "{message}");
    assert_eq!(world.find(&world.data("echo"), doc! {}).await.len(), 1);
    let stats = host.stats().await;
    assert_eq!((&stats["records"]["unsent"], &stats["events"]["duplicate"]), (&json!(2), &json!(1)), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flattened_row_of_another_shape_runs_once_and_the_log_says_what_is_missing() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let columns = "event_id=id,aggregate_id=aggregateid,aggregate_type=aggregatetype,event_type=type";
    let _host = world.host(&[("OUTBOX_COLUMNS", columns)]).await;
    let id = uuid::Uuid::now_v7().to_string();
    let of = |status: &str| {
        let row = json!({
            "id": id, "aggregateid": "a", "aggregatetype": "Echo", "type": "Echo", "payload": "{}", "status": status,
        });
        Some(row.to_string())
    };
    world.send([(0, of("pending")), (0, of("processed")), (0, Some("null".to_owned()))]).await;
    world.until_passed(3).await;
    let found = world.find(&world.data("echo"), doc! {}).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get_str("_id").ok(), Some(id.as_str()));
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
    let said = world.log().matches("operation_missing").count();
    assert_eq!(said, 1, "said once, not {said} times");
}
