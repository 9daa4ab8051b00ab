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
