//! Handlers that somebody pauses, and handlers that trip.

use bson::doc;
use serde_json::{Value, json};

use crate::world::{Host, Row, World, row, until};

fn tally(aggregate: &str, number: usize, how: &str) -> Row {
    row("Tallies", aggregate, json!({ "number": number, "how": how }))
}

fn quick(number: usize) -> Row {
    row("Retries", format!("b{number}"), json!({ "until": 1 }))
}

async fn send(world: &World, rows: impl IntoIterator<Item = Row>) {
    world.send(rows.into_iter().map(|row| (0, row.created()))).await;
}

/// Waits until the quick handler has handled so many events.
async fn until_quick(world: &World, count: u64) {
    until("the other handler goes on", async || {
        world.data("retried").count_documents(doc! {}).await.expect("mongodb") == count
    })
    .await;
}

/// Returns what `weir handlers show` says.
fn shown(world: &World, handler: &str) -> Value {
    let (status, said) = world.asks(&["handlers", "show", handler, "-o", "json"]);
    assert_eq!(status, Some(0), "{said}");
    serde_json::from_str(&said).expect("JSON")
}

fn done(world: &World, arguments: &[&str]) -> String {
    let (status, said) = world.asks(arguments);
    assert_eq!(status, Some(0), "{said}");
    said
}

fn refused(world: &World, arguments: &[&str]) -> String {
    let (status, said) = world.asks(arguments);
    assert_eq!(status, Some(1), "{said}");
    said
}

async fn until_metric(host: &Host, line: &str) {
    until(line, async || {
        let metrics = host.get("/metrics").await;
        metrics.is_some_and(|(_, body)| body.lines().any(|shown| shown == line))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_paused_handler_wait_across_a_restart_and_are_handled_in_their_order() {
    let world = World::new(1).await;
    world.handlers(&["tallies", "retries"]);
    let host = world.host(&[]).await;
    send(&world, [tally("a", 0, ""), quick(0)]).await;
    world.until_passed(2).await;

    done(&world, &["handlers", "pause", "tallies", "--why", "its database is restored"]);
    until_metric(&host, "weir_handler_stopped{handler=\"tallies\",cause=\"paused\"} 1").await;
    send(&world, (1..4).flat_map(|number| [tally("a", number, ""), quick(number)])).await;
    world.until_accounted_for(8).await;
    until_quick(&world, 4).await;
    host.stop().await;

    let host = world.host(&[]).await;
    send(&world, (4..6).flat_map(|number| [tally("a", number, ""), quick(number)])).await;
    world.until_accounted_for(12).await;
    until_quick(&world, 6).await;
    let tallied = async || world.find(&world.data("tallies"), doc! { "_id": "a" }).await.remove(0);
    assert_eq!(tallied().await.get("n").and_then(bson::Bson::as_i32), Some(1), "no event was handled");
    let details = shown(&world, "tallies");
    assert_eq!((&details["state"], &details["paused"]["why"]), (&json!("paused"), &json!("its database is restored")));
    assert_eq!(details["failures"][0]["count"], "5", "{details}");
    let (status, _) = host.get("/readyz").await.expect("it answers");
    assert_eq!(status, 200, "a paused handler is no fault of the host");
    let said = refused(&world, &["handlers", "pause", "tallies", "--why", "again"]);
    assert!(said.contains("paused already") && said.contains("its database is restored"), "{said}");
    assert!(refused(&world, &["handlers", "reset", "tallies", "--why", "x"]).contains("weir handlers resume"));
    assert!(refused(&world, &["handlers", "resume", "retries", "--why", "x"]).contains("is not paused"));
    assert!(refused(&world, &["handlers", "resume", "nobody", "--why", "x"]).contains("was ever loaded"));

    done(&world, &["handlers", "resume", "tallies", "--why", "it is there again"]);
    world.until_passed(12).await;
    let tally = tallied().await;
    let seen: Vec<i64> = tally.get_array("seen").expect("a list").iter().filter_map(bson::Bson::as_i64).collect();
    assert_eq!(seen, (0..6).collect::<Vec<i64>>());
    let details = shown(&world, "tallies");
    assert_eq!((&details["state"], &details["ended"]["why"]), (&json!("active"), &json!("it is there again")));
    until_metric(&host, "weir_handler_stopped{handler=\"tallies\",cause=\"paused\"} 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_traps_again_and_again_trips_and_its_other_events_wait_for_a_better_version() {
    const BAD: usize = 300;
    let world = World::new(1).await;
    world.handlers(&["tallies-badly", "retries"]);
    world.rename("tallies-badly.wasm", "tallies.wasm");
    let host = world.host(&[("PROCESSING_BATCH_SIZE", "50")]).await;
    send(&world, (0..BAD).flat_map(|number| [tally(&format!("a{number}"), number, "trap"), quick(number)])).await;
    world.until_accounted_for(600).await;
    until_quick(&world, 300).await;
    until_metric(&host, "weir_handler_stopped{handler=\"tallies\",cause=\"tripped\"} 1").await;
    let count =
        async |state: &str| world.own("parked").count_documents(doc! { "state": state }).await.expect("mongodb");
    let (dead, waiting) = (count("dead").await, count("waiting").await);
    assert_eq!(dead + waiting, 300);
    // It trips with the commit of the 20th, and the next batch may have begun by then.
    assert!((20..=40).contains(&dead), "{dead} are dead");
    until("mongodb knows of it", async || shown(&world, "tallies")["state"] == "tripped").await;
    let details = shown(&world, "tallies");
    assert_eq!(details["tripped"]["reason"], "trap", "{details}");
    host.stop().await;

    world.handlers(&["tallies"]);
    let host = world.host(&[]).await;
    assert_eq!(shown(&world, "tallies")["state"], "active", "it is another version");
    until("what waited is handled", async || count("waiting").await == 0).await;
    assert_eq!(world.data("tallies").count_documents(doc! {}).await.expect("mongodb"), waiting);
    assert_eq!(count("dead").await, dead);
    let refusal = refused(&world, &["handlers", "reset", "retries", "--why", "x"]);
    assert!(refusal.contains("has not tripped"), "{refusal}");
    drop(host);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_has_tripped_goes_on_once_a_try_succeeds() {
    let world = World::new(1).await;
    world.handlers(&["tallies-badly", "retries"]);
    world.rename("tallies-badly.wasm", "tallies.wasm");
    let host = world.host(&[]).await;
    send(&world, (0..20).map(|number| tally(&format!("a{number}"), number, "trap"))).await;
    until_metric(&host, "weir_handler_stopped{handler=\"tallies\",cause=\"tripped\"} 1").await;
    send(&world, (0..10).map(|number| tally("b", number, ""))).await;
    world.until_accounted_for(30).await;
    assert_eq!(world.data("tallies").count_documents(doc! {}).await.expect("mongodb"), 0, "they wait");
    // It is tried 30 s after it has tripped.
    until_metric(&host, "weir_handler_stopped{handler=\"tallies\",cause=\"tripped\"} 0").await;
    world.until_passed(30).await;
    let tally = world.find(&world.data("tallies"), doc! { "_id": "b" }).await.remove(0);
    let seen: Vec<i64> = tally.get_array("seen").expect("a list").iter().filter_map(bson::Bson::as_i64).collect();
    assert_eq!(seen, (0..10).collect::<Vec<i64>>());
    assert!(world.log().contains("handler_goes_on"));
    until("mongodb knows of it", async || shown(&world, "tallies")["state"] == "active").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_has_tripped_stays_so_in_another_host_until_somebody_resets_it() {
    let world = World::new(1).await;
    world.handlers(&["tallies-badly", "retries"]);
    world.rename("tallies-badly.wasm", "tallies.wasm");
    let host = world.host(&[]).await;
    send(&world, (0..20).map(|number| tally(&format!("a{number}"), number, "trap"))).await;
    until("it has tripped", async || shown(&world, "tallies")["state"] == "tripped").await;
    host.kill();

    let host = world.host(&[]).await;
    send(&world, [tally("b", 0, ""), quick(0)]).await;
    until_quick(&world, 1).await;
    assert_eq!(world.data("tallies").count_documents(doc! {}).await.expect("mongodb"), 0);
    done(&world, &["handlers", "reset", "tallies", "--why", "only old events were bad"]);
    until("what waited is handled", async || {
        world.data("tallies").count_documents(doc! {}).await.expect("mongodb") == 1
    })
    .await;
    let details = shown(&world, "tallies");
    assert_eq!((&details["state"], &details["ended"]["why"]), (&json!("active"), &json!("only old events were bad")));
    until_metric(&host, "weir_handler_stopped{handler=\"tallies\",cause=\"tripped\"} 0").await;
}
