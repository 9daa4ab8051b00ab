//! The loop goes on, whatever stalls beside it.

use std::time::{Duration, Instant};

use bson::doc;
use serde_json::json;

use crate::ends::large;
use crate::world::{Host, World, row, until};

/// How much longer than `SHUTDOWN_TIMEOUT_SECONDS` a stop may take.
const GOODBYES: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_takes_minutes_keeps_the_host_from_no_probe_and_no_signal() {
    let world = World::new(2).await;
    world.handlers(&["sleeps", "echo"]);
    world.toml("[handlers.sleeps]\ndeadline_ms = 300000");
    // With a look every tenth of a second, advice for the committer piles up in one second rather than in a minute and
    // a half.
    let host = world.host(&[("SHUTDOWN_TIMEOUT_SECONDS", "1"), ("WEIR_IDLE_MS", "100")]).await;
    let event = row("Sleeps", "a", json!({ "naps": 1, "nap_ms": 200_000 }));
    world.send([(0, event.created())]).await;
    until("the event is with its handler", async || host.stats().await["records"]["event"] == 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // The loop still receives records, which a loop that waits for the committer would not.
    world.send([(1, row("Echo", "b", json!({})).created())]).await;
    until("the loop reads on", async || host.stats().await["records"]["event"] == 2).await;
    assert_eq!(host.get("/livez").await.expect("it answers").0, 200);
    gives_up_in_time(&world, host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_while_a_handler_waits_for_its_reads() {
    for how in ["read", "read-alone"] {
        let world = World::new(1).await;
        world.handlers(&["takes-long"]);
        world.toml("[handlers.takes-long]\ndocuments_ms = 60000\nhost_calls = 1000000\nfuel = 100000000000\n");
        large(&world).await;
        let host = world.host(&[("SHUTDOWN_TIMEOUT_SECONDS", "1")]).await;
        world.send([(0, row("TakesLong", "a", json!({ "how": how })).created())]).await;
        until("mongodb works for the handler", async || is_read(&world, "large").await).await;
        gives_up_in_time(&world, host).await;
        let progress = world.own("progress").find_one(doc! {}).await.expect("mongodb").expect("progress");
        assert_eq!(progress.get_i64("next").ok(), Some(0), "the next owner runs it: {progress}");
        // A read in a transaction may still be running, and the next owner finds here which session to end.
        assert_eq!(world.own("owners").count_documents(doc! { "ended": true }).await.expect("mongodb"), 1);
    }
}

/// Stops a host that cannot finish what it does. It must end in time by itself, and park nothing, unless it is because
/// nobody waits for a slow handler.
async fn gives_up_in_time(world: &World, host: Host) {
    let begun = Instant::now();
    assert_eq!(host.stop().await.code(), Some(0));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1) + GOODBYES, "it took {:.1} s", took.as_secs_f64());
    let log = world.log();
    assert!(log.contains("work_given_up"), "{log}");
    assert!(!log.contains("stop_timed_out"), "it ended by itself: {log}");
    assert!(world.find(&world.own("parked"), doc! { "state": { "$ne": "waiting" } }).await.is_empty());
}

/// Returns whether MongoDB is reading one of the handlers' collections right now.
async fn is_read(world: &World, collection: &str) -> bool {
    let namespace = format!("{}.{collection}", world.data.name());
    let current = doc! { "$currentOp": { "allUsers": true } };
    let ours = doc! { "$match": { "ns": namespace, "active": true } };
    let mut running = world.data.client().database("admin").aggregate([current, ours]).await.expect("mongodb answers");
    running.advance().await.expect("mongodb answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_up_nothing() {
    let world = World::new(1).await;
    world.handlers(&["floods-log"]);
    let host = world.unread(&[("SHUTDOWN_TIMEOUT_SECONDS", "5")]);
    host.until_ready().await;
    // Each logs 64 KiB, which is the most that a delivery may. A pipe holds 64 KiB, and 8 MiB wait.
    world.send((0..300).map(|_| (0, row("FloodsLog", "a", json!({ "lines": 5_000 })).created()))).await;
    world.until_passed(300).await;
    until("log lines are lost", async || {
        let (_, metrics) = host.get("/metrics").await.expect("it answers");
        metrics.lines().any(|line| line.starts_with("weir_log_lines_lost_total") && !line.ends_with(" 0"))
    })
    .await;
    assert_eq!(host.get("/livez").await.expect("it answers").0, 200);
    let begun = Instant::now();
    assert_eq!(host.stop().await.code(), Some(0));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5) + GOODBYES, "it took {:.1} s", took.as_secs_f64());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_read_in_another_way_stops_no_partition() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let echoed = async || world.data("echo").count_documents(doc! {}).await.expect("mongodb");
    // A snapshot's event, which does not count as an event without the setting.
    world.send([(0, Some(row("Echo", "a", json!({})).op("r")))]).await;
    let host = world.host(&[("SNAPSHOT_EVENTS", "true")]).await;
    world.until_passed(1).await;
    assert_eq!(echoed().await, 1);
    host.stop().await;
    // It cannot be read with columns that the table does not have.
    let host = world.host(&[("OUTBOX_COLUMNS", "event_id=id")]).await;
    world.send([(0, row("Echo", "a", json!({})).created())]).await;
    world.until_passed(2).await;
    assert_eq!(world.find(&world.own("parked"), doc! {}).await.len(), 1);
    host.stop().await;
    let host = world.host(&[]).await;
    world.send([(0, row("Echo", "a", json!({})).created())]).await;
    world.until_passed(3).await;
    assert_eq!(echoed().await, 2);
    assert_eq!(host.get("/readyz").await.expect("it answers").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_anew_is_not_read_on() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let host = world.host(&[]).await;
    world.send([(0, row("Echo", "a", json!({})).created())]).await;
    world.until_passed(1).await;
    host.stop().await;
    world.delete_topic().await;
    until("the topic is gone", async || world.remade(1).await).await;
    world.send([(0, row("Echo", "a", json!({})).created()), (0, row("Echo", "b", json!({})).created())]).await;
    let host = world.start(&[]);
    until("the partition stands still", async || {
        host.get("/readyz").await.is_some_and(|(status, body)| status == 503 && body.contains("made anew"))
    })
    .await;
    assert_eq!(world.data("echo").count_documents(doc! {}).await.expect("mongodb"), 1);
}
