//! Deliveries that are tried again, and the events that wait for them.

use std::collections::BTreeMap;

use bson::{Document, doc};
use serde_json::json;

use crate::world::{Row, World, row, until};

const RETRIES: [(&str, &str); 3] = [("MAX_RETRIES", "3"), ("RETRY_DELAY_SECONDS", "1"), ("ON_DEAD", "hold")];
const NO_RETRIES: [(&str, &str); 2] = [("MAX_RETRIES", "0"), ("ON_DEAD", "hold")];

/// Returns an event whose delivery fails until that attempt.
fn until_attempt(aggregate: &str, attempt: u32) -> Row {
    row("Retries", aggregate, json!({ "until": attempt }))
}

async fn send(world: &World, rows: &[&Row]) {
    world.send(rows.iter().map(|row| (0, row.created()))).await;
}

/// Returns the state of everything that is parked, by event.
async fn states(world: &World) -> BTreeMap<String, String> {
    let text = |parked: &Document, name: &str| parked.get_str(name).expect("a text").to_owned();
    let parked = world.find(&world.own("parked"), doc! {}).await;
    parked.iter().map(|parked| (text(parked, "event_id"), text(parked, "state"))).collect()
}

/// Returns the number of the attempt that succeeded, by event.
async fn succeeded(world: &World) -> BTreeMap<String, i64> {
    let done = world.find(&world.data("retried"), doc! {}).await;
    let number = |done: &Document| match done.get("attempt") {
        Some(bson::Bson::Int32(number)) => i64::from(*number),
        Some(bson::Bson::Int64(number)) => *number,
        other => panic!("{other:?}"),
    };
    done.iter().map(|done| (done.get_str("_id").expect("an id").to_owned(), number(done))).collect()
}

async fn until_all_succeeded(world: &World, rows: &[&Row]) {
    until("all deliveries have succeeded", async || succeeded(world).await.len() == rows.len()).await;
}

fn of<T: Clone>(values: &[(&Row, T)]) -> BTreeMap<String, T> {
    values.iter().map(|(row, value)| (row.id.clone(), value.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_tried_again_and_later_events_of_its_aggregate_wait() {
    let world = World::new(1).await;
    world.handlers(&["retries"]);
    let (first, second, other) = (until_attempt("a", 3), until_attempt("a", 1), until_attempt("b", 1));
    let all = [&first, &second, &other];
    send(&world, &all).await;
    let host = world.host(&RETRIES).await;
    world.until_passed(3).await;
    assert_eq!(succeeded(&world).await, of(&[(&other, 1)]), "another aggregate goes on");
    let waits = [(&first, "parked".to_owned()), (&second, "waiting".to_owned())];
    assert_eq!(states(&world).await, of(&waits));
    assert_eq!(world.own("records").count_documents(doc! {}).await.expect("mongodb"), 2);
    until_all_succeeded(&world, &all).await;
    assert_eq!(succeeded(&world).await, of(&[(&first, 3), (&second, 1), (&other, 1)]));
    assert!(states(&world).await.is_empty());
    assert_eq!(world.own("records").count_documents(doc! {}).await.expect("mongodb"), 0);
    let counts = [("parked", 2), ("waiting", 1), ("committed", 3)];
    until("each attempt is counted", async || {
        let counted = host.stats().await["handlers"]["retries"].clone();
        counts.iter().all(|(outcome, count)| counted[*outcome] == *count)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_outlives_a_host_and_the_next_one_goes_on() {
    let world = World::new(1).await;
    world.handlers(&["retries"]);
    let (first, second) = (until_attempt("a", 2), until_attempt("a", 1));
    send(&world, &[&first, &second]).await;
    let host = world.host(&[("MAX_RETRIES", "3"), ("RETRY_DELAY_SECONDS", "3600"), ("ON_DEAD", "hold")]).await;
    world.until_passed(2).await;
    host.kill();
    let third = until_attempt("a", 1);
    send(&world, &[&third]).await;
    // A changed policy applies to what already waits.
    let _host = world.host(&[("MAX_RETRIES", "3"), ("RETRY_DELAY_SECONDS", "3"), ("ON_DEAD", "hold")]).await;
    world.until_passed(3).await;
    until_all_succeeded(&world, &[&first, &second, &third]).await;
    assert_eq!(succeeded(&world).await, of(&[(&first, 2), (&second, 1), (&third, 1)]));
    assert!(states(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_delivery_holds_its_aggregate_until_somebody_deals_with_it() {
    let world = World::new(1).await;
    world.handlers(&["retries"]);
    let (healed, behind) = (until_attempt("a", 2), until_attempt("a", 1));
    let (hopeless, after) = (until_attempt("b", 99), until_attempt("b", 1));
    send(&world, &[&healed, &behind, &hopeless, &after]).await;
    let _host = world.host(&NO_RETRIES).await;
    world.until_passed(4).await;
    let held = [(&healed, "dead"), (&behind, "waiting"), (&hopeless, "dead"), (&after, "waiting")];
    let held: Vec<(&Row, String)> = held.iter().map(|(row, state)| (*row, (*state).to_owned())).collect();
    assert_eq!(states(&world).await, of(&held));
    let key = async |row: &Row| {
        let found = world.find(&world.own("parked"), doc! { "event_id": &row.id }).await;
        found[0].get_str("key").expect("a key").to_owned()
    };
    let (status, said) = world.asks(&["failures", "retry", &key(&behind).await, "--why", "impatient"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("waits for an earlier event"), "{said}");
    let (status, said) = world.asks(&["failures", "retry", &key(&healed).await, "--why", "it has healed"]);
    assert_eq!(status, Some(0), "{said}");
    let discarded = key(&hopeless).await;
    let (status, said) = world.asks(&["failures", "discard", &discarded, "--why", "nobody needs it"]);
    assert_eq!(status, Some(0), "{said}");
    until_all_succeeded(&world, &[&healed, &behind, &after]).await;
    assert_eq!(succeeded(&world).await, of(&[(&healed, 2), (&behind, 1), (&after, 1)]));
    assert_eq!(states(&world).await, of(&[(&hopeless, "discarded".to_owned())]));
    let (_, shown) = world.asks(&["failures", "show", &discarded]);
    assert!(shown.contains("nobody needs it"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_let_later_events_go_on_without_what_is_dead() {
    let world = World::new(1).await;
    world.handlers(&["retries"]);
    world.toml("[handlers.retries.retry]\nmax_retries = 1\ndelay_seconds = 0\non_dead = \"skip\"\n");
    let (hopeless, after) = (until_attempt("a", 99), until_attempt("a", 1));
    send(&world, &[&hopeless, &after]).await;
    let _host = world.host(&NO_RETRIES).await;
    until_all_succeeded(&world, &[&after]).await;
    assert_eq!(states(&world).await, of(&[(&hopeless, "dead".to_owned())]));
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked[0].get_i32("attempt").ok(), Some(2));
    assert_eq!(parked[0].get_array("attempts").map(Vec::len).ok(), Some(2));
}
