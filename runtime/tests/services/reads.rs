//! Reads, effects, and events that run alone.

use std::time::Duration;

use bson::doc;
use mongodb::options::{Collation, CollationStrength};
use serde_json::json;

use crate::world::{World, row};

#[tokio::test(flavor = "multi_thread")]
async fn to_read_change_and_write_back_loses_no_update() {
    let world = World::new(3).await;
    world.handlers(&["counter"]);
    let events = (0..300).map(|number| (number % 3, row("Counter", format!("c{}", number % 5), json!({})).created()));
    world.send(events).await;
    let first = world.host(&[("PROCESSING_BATCH_SIZE", "50")]).await;
    // Another program counts in the same documents meanwhile.
    for _ in 0..50 {
        let other = doc! { "$inc": { "n": 1 } };
        world.data("counters").update_one(doc! { "_id": "c0" }, other).upsert(true).await.expect("mongodb");
    }
    world.until_passed(300).await;
    for number in 0..5 {
        let found = world.data("counters").find_one(doc! { "_id": format!("c{number}") }).await.expect("mongodb");
        let n = found.and_then(|found| found.get("n").and_then(|n| n.as_i64().or(n.as_i32().map(i64::from))));
        assert_eq!(n, Some(if number == 0 { 110 } else { 60 }), "c{number}");
    }
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_change_all_the_time_is_read_and_written_alone() {
    let world = World::new(1).await;
    world.handlers(&["counter"]);
    let counters = world.data("counters");
    counters.insert_one(doc! { "_id": "busy", "n": 0_i64 }).await.expect("mongodb");
    let events: Vec<_> = (0..20).map(|_| row("Counter", "busy", json!({}))).collect();
    let host = world.host(&[]).await;
    // It waits for no turn, and changes the document between most reads of a batch and its commit.
    let other = counters.clone();
    let other = tokio::spawn(async move {
        loop {
            let change = doc! { "$inc": { "n": 1_i64, "others": 1_i64 } };
            other.update_one(doc! { "_id": "busy" }, change).await.expect("mongodb");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    world.send(events.iter().map(|row| (0, row.created()))).await;
    world.until_passed(20).await;
    other.abort();
    let _ = other.await;
    let busy = counters.find_one(doc! { "_id": "busy" }).await.expect("mongodb").expect("it is there");
    let number = |name| busy.get_i64(name).expect("a number");
    assert_eq!(number("n"), number("others") + 20, "{busy:?}");
    assert!(world.find(&world.own("parked"), doc! {}).await.is_empty());
    let (_, metrics) = host.get("/metrics").await.expect("the host answers");
    let alone = metrics.lines().find(|line| line.starts_with("weir_escalations_total") && line.contains("counter"));
    assert!(alone.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_and_own_writes_are_real_in_a_transaction_of_the_events_own() {
    let world = World::new(1).await;
    world.handlers(&["effect-of", "reads-own-write", "queries-then-writes"]);
    let effects: Vec<_> = (0..3).map(|_| row("EffectOf", "a", json!({}))).collect();
    let own = row("ReadsOwnWrite", "w", json!({}));
    let members: Vec<_> = (0..20).map(|_| row("QueriesThenWrites", "m", json!({ "group": "g" }))).collect();
    world.send(effects.iter().chain([&own]).chain(&members).map(|row| (0, row.created()))).await;
    let host = world.host(&[]).await;
    world.until_passed(24).await;

    let effect = async |place: usize, name: &str| {
        let found = world.data("effects").find_one(doc! { "_id": &effects[place].id }).await.expect("mongodb");
        let found = found.expect("an effect");
        found.get(name).and_then(|n| n.as_i64().or(n.as_i32().map(i64::from)))
    };
    assert_eq!(effect(0, "matched").await, Some(0));
    assert_eq!(effect(1, "matched").await, Some(1));
    assert_eq!(effect(2, "modified").await, Some(1));
    let seen = world.data("own").find_one(doc! { "_id": &own.id }).await.expect("mongodb").expect("its document");
    assert_eq!(seen.get_document("seen").expect("what it saw").get_str("written_by").ok(), Some("w"));
    let mut numbers: Vec<i64> = world
        .find(&world.data("members"), doc! {})
        .await
        .iter()
        .filter_map(|member| member.get("number").and_then(|n| n.as_i64().or(n.as_i32().map(i64::from))))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<i64>>());
    let (_, metrics) = host.get("/metrics").await.expect("the host answers");
    let escalated = |name: &str| metrics.lines().any(|line| line.contains("escalations") && line.contains(name));
    assert!(escalated("effect-of") && escalated("reads-own-write") && escalated("queries-then-writes"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_a_collation_holds_for_equal_are_one_document() {
    let world = World::new(1).await;
    world.handlers(&["counter"]);
    let loose = Collation::builder().locale("en").strength(CollationStrength::Secondary).build();
    world.data.create_collection("counters").collation(loose).await.expect("mongodb");
    let counts = (0..40).map(|number| row("Counter", if number % 2 == 0 { "a1" } else { "A1" }, json!({})));
    world.send(counts.map(|row| (0, row.created()))).await;
    let _host = world.host(&[]).await;
    world.until_passed(40).await;
    let found = world.find(&world.data("counters"), doc! {}).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get("n").and_then(|n| n.as_i64().or(n.as_i32().map(i64::from))), Some(40));
}

#[tokio::test(flavor = "multi_thread")]
async fn so_they_are_if_the_collection_is_replaced_while_a_host_runs() {
    let world = World::new(1).await;
    world.handlers(&["counter"]);
    let _host = world.host(&[("WEIR_IDLE_MS", "100")]).await;
    let counters = world.data("counters");
    counters.drop().await.expect("mongodb");
    let loose = Collation::builder().locale("en").strength(CollationStrength::Secondary).build();
    world.data.create_collection("counters").collation(loose).await.expect("mongodb");
    // The host has looked at its collections several times by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let counts = (0..40).map(|number| row("Counter", if number % 2 == 0 { "a1" } else { "A1" }, json!({})));
    world.send(counts.map(|row| (0, row.created()))).await;
    world.until_passed(40).await;
    let found = world.find(&counters, doc! {}).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get("n").and_then(|n| n.as_i64().or(n.as_i32().map(i64::from))), Some(40));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_event_alone_only_the_delivery_that_is_too_large_is_dead() {
    let world = World::new(1).await;
    world.handlers(&["effect-of", "writes-too-much"]);
    let limits = "boundary_bytes = 268435456\nmemory_bytes = 536870912\nfuel = 100000000000\ndeadline_ms = 60000";
    world.toml(&format!("[limits]\n{limits}\n"));
    let small = row("EffectOf", "a", json!({ "documents": 2, "bytes": 10 }));
    let large = row("EffectOf", "a", json!({ "documents": 4, "bytes": 13_000_000 }));
    world.send([&small, &large, &small].map(|row| (0, row.created()))).await;
    let _host = world.host(&[]).await;
    world.until_passed(3).await;
    let counted = world.data("effects").find_one(doc! { "_id": "a" }).await.expect("mongodb").expect("a count");
    assert_eq!(counted.get_i32("n").ok(), Some(2));
    assert_eq!(world.data("too_much").count_documents(doc! {}).await.expect("mongodb"), 2);
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0].get_str("event_id").ok(), Some(large.id.as_str()));
    assert_eq!(parked[0].get_str("reason").ok(), Some("too-large"), "{parked:?}");
    assert_eq!(parked[0].get_document("handler").expect("who").get_str("name").ok(), Some("writes-too-much"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_mongodb_never_does_in_a_transaction_ends_with_its_delivery() {
    let world = World::new(1).await;
    world.handlers(&["reads-one", "echo"]);
    world.data.create_collection("found").capped(true).size(4_096).await.expect("mongodb");
    let events = [("Echo", "a"), ("ReadsOne", "b"), ("Echo", "c")];
    world.send(events.map(|(event_type, aggregate)| (0, row(event_type, aggregate, json!({})).created()))).await;
    let host = world.host(&[]).await;
    world.until_passed(3).await;
    assert_eq!(world.find(&world.data("echo"), doc! {}).await.len(), 2);
    let parked = world.find(&world.own("parked"), doc! {}).await;
    let [parked] = &parked[..] else { panic!("one delivery is parked: {parked:?}") };
    assert_eq!(parked.get_str("reason").ok(), Some("unanswered"), "{parked:?}");
    assert!(parked.get_str("message").is_ok_and(|message| message.contains("capped")), "{parked:?}");
    drop(host);
}
