//! Deliveries that cannot succeed end: they are parked within a minute with their reason, while other events go on.

use bson::{Document, RawDocumentBuf, doc, rawdoc};
use serde_json::json;

use crate::world::{Host, Row, World, row};

/// Sends one delivery that cannot succeed, among events of another handler in the same partition and in another one.
async fn parks(world: &World, settings: &[(&str, &str)], bad: &Row, reason: &str) -> (Host, Document) {
    let good: Vec<_> = (0..6).map(|number| row("Echo", format!("g{number}"), json!({}))).collect();
    let records = [(0, &good[0]), (0, bad), (0, &good[1]), (1, &good[2]), (1, &good[3]), (0, &good[4]), (1, &good[5])];
    world.send(records.map(|(partition, row)| (partition, row.created()))).await;
    let host = world.host(settings).await;
    world.until_passed(7).await;
    assert_eq!(world.data("echo").count_documents(doc! {}).await.expect("mongodb"), 6);
    let mut parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    let parked = parked.remove(0);
    assert_eq!(parked.get_str("event_id").ok(), Some(bad.id.as_str()));
    assert_eq!(parked.get_str("reason").ok(), Some(reason), "{parked:?}");
    assert_eq!(parked.get_str("state").ok(), Some("dead"));
    (host, parked)
}

/// Writes documents that MongoDB needs a while to count and longer to update.
pub(crate) async fn large(world: &World) {
    for thousands in 0..60 {
        let documents = (0..1_000).map(|number| doc! { "_id": thousands * 1_000 + number, "n": number });
        world.data("large").insert_many(documents).await.expect("mongodb");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_goes_on_after_a_refusal_is_parked() {
    for (alone, reads) in [(true, false), (false, false), (true, true), (false, true)] {
        let world = World::new(2).await;
        world.handlers(&["falls-back", "echo"]);
        let bad = row("FallsBack", "a", json!({ "alone": alone, "reads": reads }));
        let (_host, parked) = parks(&world, &[], &bad, "refused").await;
        let message = parked.get_str("message").expect("a message");
        if !reads {
            assert!(message.contains("E11000"), "{message}");
            assert!(parked.get_str("hint").is_ok_and(|hint| hint.contains("upsert")), "{parked}");
            assert!(!message.contains("the same for all"), "{message} names a value");
        }
        assert_eq!(world.data("fallbacks").count_documents(doc! {}).await.expect("mongodb"), 0);
    }
}

async fn takes_too_long(how: &str) {
    let world = World::new(2).await;
    world.handlers(&["takes-long", "echo"]);
    world.toml("[handlers.takes-long]\ndocuments_ms = 100\nhost_calls = 1000000\nfuel = 100000000000\n");
    large(&world).await;
    let bad = row("TakesLong", "a", json!({ "how": how }));
    let (host, parked) = parks(&world, &[], &bad, "slow").await;
    assert_eq!(parked.get_str("limit").ok(), Some("documents_ms"));
    assert_eq!(world.data("long").count_documents(doc! {}).await.expect("mongodb"), 0);
    assert_eq!(world.data("large").count_documents(doc! { "_id": 0, "n": 0 }).await.expect("mongodb"), 1);
    host.until_ready().await;
    assert!(!world.log().contains("waiting_for\",\"what\":\"mongodb"), "MongoDB is not to blame");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_take_too_long_are_the_fault_of_the_delivery() {
    takes_too_long("read").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_in_a_transaction_that_take_too_long_are_the_fault_of_the_delivery() {
    takes_too_long("read-alone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_a_transaction_that_takes_too_long_is_the_fault_of_the_delivery() {
    takes_too_long("write").await;
}

/// Returns a document as a program stores it whose language does not check texts.
fn not_utf8(id: &str) -> RawDocumentBuf {
    let mut bytes = rawdoc! { "_id": id, "text": "xx" }.into_bytes();
    let at = bytes.windows(2).position(|two| two == b"xx").expect("the text");
    bytes[at] = 0xff;
    RawDocumentBuf::from_bytes(bytes).expect("a length before and a NUL behind")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_decoded_parks_its_readers() {
    let world = World::new(2).await;
    world.handlers(&["reads-one", "echo"]);
    let insert = rawdoc! { "insert": "found", "documents": [not_utf8("a")] };
    world.data.run_raw_command(insert).await.expect("mongodb takes it");
    let (_host, parked) = parks(&world, &[], &row("ReadsOne", "a", json!({})), "undecodable").await;
    assert!(parked.get_str("message").is_ok_and(|message| message.contains("found")), "{parked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_document_costs_no_more_memory_than_a_flat_one() {
    let world = World::new(1).await;
    world.handlers(&["reads-one"]);
    let limits = "boundary_bytes = 67108864\nmemory_bytes = 536870912\nfuel = 100000000000\ndeadline_ms = 60000";
    world.toml(&format!("[handlers.reads-one]\n{limits}\n"));
    let mut deep = rawdoc! { "x": "y".repeat(12 << 20) };
    for _ in 0..50 {
        deep = rawdoc! { "a": deep };
    }
    let insert = rawdoc! { "insert": "found", "documents": [{ "_id": "deep", "a": deep }] };
    world.data.run_raw_command(insert).await.expect("mongodb takes it");
    let host = world.host(&[]).await;
    let before = memory(&host).await;
    let events = (0..3).map(|_| (0, row("ReadsOne", "deep", json!({})).created()));
    world.send(events).await;
    let mut most = before;
    crate::world::until("the events are accounted for", async || {
        most = most.max(memory(&host).await);
        world.data("reads").count_documents(doc! {}).await.expect("mongodb") == 3
    })
    .await;
    assert!(most < before + (400 << 20), "{before} bytes before, {most} at most");
}

async fn memory(host: &Host) -> u64 {
    let (_, metrics) = host.get("/metrics").await.expect("the host answers");
    let line = metrics.lines().find(|line| line.starts_with("process_resident_memory_bytes ")).expect("a figure");
    let figure: f64 = line.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a number");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of memory")]
    let bytes = figure as u64;
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_through_a_view_sees_what_was_written_before_it() {
    let world = World::new(1).await;
    world.handlers(&["reads-one", "echo"]);
    let view = doc! { "create": "found", "viewOn": "echo", "pipeline": [] };
    world.data.create_collection("echo").await.expect("mongodb");
    world.data.run_command(view).await.expect("mongodb");
    let echoes: Vec<_> = (0..20).map(|number| row("Echo", format!("e{number}"), json!({}))).collect();
    let reads: Vec<_> = echoes.iter().map(|echo| row("ReadsOne", echo.id.clone(), json!({}))).collect();
    world.send(echoes.iter().zip(&reads).flat_map(|(echo, read)| [(0, echo.created()), (0, read.created())])).await;
    let _host = world.host(&[]).await;
    world.until_passed(40).await;
    let blind = world.data("reads").count_documents(doc! { "fields": 0 }).await.expect("mongodb");
    assert_eq!(blind, 0, "a read found nothing of an event that was handled before it");
    assert_eq!(world.data("reads").count_documents(doc! {}).await.expect("mongodb"), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_too_large_leaves_no_cursor() {
    let world = World::new(2).await;
    world.handlers(&["reads-one", "echo"]);
    for number in 0..5 {
        let large = doc! { "_id": number, "text": "x".repeat(6 << 20) };
        world.data("found").insert_one(large).await.expect("mongodb");
    }
    let (_host, parked) = parks(&world, &[], &row("ReadsOne", "a", json!({ "all": true })), "refused").await;
    assert!(parked.get_str("message").is_ok_and(|message| message.contains("16 MiB")), "{parked:?}");
    let namespace = format!("{}.found", world.data.name());
    crate::world::until("no cursor is left", async || {
        let current = doc! { "$currentOp": { "allUsers": true, "idleCursors": true } };
        let ours = doc! { "$match": { "ns": &namespace, "cursor": { "$exists": true } } };
        let mut open = world.data.client().database("admin").aggregate([current, ours]).await.expect("mongodb answers");
        !open.advance().await.expect("mongodb answers")
    })
    .await;
}
