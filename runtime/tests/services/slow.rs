//! Handlers that are too slow for the others.

use bson::doc;
use serde_json::json;

use crate::world::{Row, World, row, until};

/// Less than a handler's deadline, and more than the others wait.
const NAP_MS: u64 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_handler_is_waited_for_once_and_handles_each_event_once_and_in_order() {
    let world = World::new(1).await;
    world.handlers(&["tallies", "retries"]);
    let slow = |number: i64| row("Tallies", "a", json!({ "number": number, "nap_ms": NAP_MS }));
    let quick = |number: i64| row("Retries", format!("b{number}"), json!({ "until": 1 }));
    let rows: Vec<Row> = (0..8).flat_map(|number| [slow(number), quick(number)]).collect();
    world.send(rows.iter().map(|row| (0, row.created()))).await;
    let host = world.host(&[]).await;
    world.until_accounted_for(16).await;
    let quick_done = world.data("retried").count_documents(doc! {}).await.expect("mongodb");
    assert_eq!(quick_done, 8, "nobody waits for the slow ones");
    until("the slow ones are handled", async || {
        let seen = world.find(&world.data("tallies"), doc! { "_id": "a" }).await;
        let seen = seen.first().and_then(|tally| tally.get_array("seen").ok()).map_or(0, Vec::len);
        seen == 8
    })
    .await;
    let tally = world.find(&world.data("tallies"), doc! { "_id": "a" }).await.remove(0);
    let seen: Vec<Option<i64>> = tally.get_array("seen").expect("a list").iter().map(bson::Bson::as_i64).collect();
    assert_eq!(seen, (0..8).map(Some).collect::<Vec<_>>());
    until("what waited leaves nothing", async || {
        let parked = world.own("parked").count_documents(doc! {}).await.expect("mongodb");
        parked + world.own("records").count_documents(doc! {}).await.expect("mongodb") == 0
    })
    .await;
    // The first was abandoned, and no other was begun by those whom it would have held up.
    let counts = host.stats().await["handlers"]["tallies"].clone();
    assert_eq!((counts["waiting"].clone(), counts["committed"].clone()), (json!(8), json!(8)), "{counts}");
    let log = world.log();
    assert!(log.contains("line_sent_away") && log.contains("\"cause\":\"slow\""), "{log}");
}
