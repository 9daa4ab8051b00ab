//! What becomes of records.

use bson::{Bson, doc};
use rdkafka::bindings as rdsys;
use rdkafka::message::OwnedHeaders;
use serde_json::json;

use crate::world::{World, row, until};

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

/// Returns headers with these names. The client library accepts names only as text.
#[allow(unsafe_code, reason = "the client library has no way to write a header whose name is not UTF-8")]
fn headers(named: &[(&[u8], &[u8])]) -> OwnedHeaders {
    let headers = OwnedHeaders::new();
    // The address of the borrowed form is the address of librdkafka's list.
    let list = std::ptr::from_ref(headers.as_borrowed()).cast_mut().cast::<rdsys::rd_kafka_headers_t>();
    for (name, value) in named {
        let (name_size, value_size) = (name.len().cast_signed(), value.len().cast_signed());
        // SAFETY: the list is alive, and librdkafka copies both, whose lengths it gets.
        let added = unsafe {
            rdsys::rd_kafka_header_add(list, name.as_ptr().cast(), name_size, value.as_ptr().cast(), value_size)
        };
        assert_eq!(added, rdsys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_whose_name_is_no_text_is_hidden_from_handlers_and_kept() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let named: [(&[u8], &[u8]); 3] = [(b"\xff", b"hidden"), (b"plain", b"seen"), (b"\xc3\x28", b"")];
    let event = row("Echo", "a", json!({}));
    for value in [event.created(), Some("{\"op\":".to_owned())] {
        world.send_with(headers(&named), value).await;
    }
    let _host = world.host(&[]).await;
    world.until_passed(2).await;
    let echo = world.data("echo").find_one(doc! { "_id": &event.id }).await.expect("mongodb").expect("the event ran");
    assert_eq!(echo.get_document("headers").expect("headers"), &doc! { "plain": "seen" });
    let records = world.find(&world.own("records"), doc! {}).await;
    assert_eq!(records.len(), 1, "the one that cannot be read is kept");
    let kept: Vec<_> = records[0].get_array("headers").expect("headers").iter().filter_map(Bson::as_document).collect();
    assert_eq!(kept[0].get_binary_generic("name").expect("bytes"), b"\xff");
    assert_eq!(kept[1].get_str("name").expect("text"), "plain");
    assert_eq!(kept[2].get_binary_generic("name").expect("bytes"), b"\xc3\x28");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_expands_too_far_is_named_and_waits() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let topic = format!("{}-compressed", world.topic);
    // Kafka recompresses it, to less than the client accepts.
    world.create(&topic, 1, &[("compression.type", "zstd")]).await;
    let event = row("Echo", "a", json!({}));
    let padded = format!("{}{}", event.created().expect("a value"), " ".repeat(900_000));
    world.send_to(&topic, [(0, Some(padded))]).await;
    let named = ("KAFKA_TOPIC", topic.as_str());
    let most = [
        ("KAFKA__MESSAGE_MAX_BYTES", "300000"),
        ("KAFKA__FETCH_MAX_BYTES", "400000"),
        ("KAFKA__RECEIVE_MESSAGE_MAX_BYTES", "500000"),
    ];
    let host = world.start(&[&[named], &most[..]].concat());
    until("the host says that it cannot read on", async || {
        host.get("/readyz").await.is_some_and(|(status, body)| {
            status == 503 && body.contains("\"records\"") && body.contains("KAFKA__RECEIVE_MESSAGE_MAX_BYTES")
        })
    })
    .await;
    assert!(host.stop().await.success());
    let host = world.host(&[named]).await;
    world.until_passed(1).await;
    assert!(world.data("echo").find_one(doc! { "_id": &event.id }).await.expect("mongodb").is_some());
    drop(host);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_headers_cannot_be_read_is_dead() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let many = vec![(&b""[..], &b""[..]); 100_001];
    let (unread, after) = (row("Echo", "a", json!({})), row("Echo", "a", json!({})));
    world.send_with(headers(&many), unread.created()).await;
    world.send([(0, after.created())]).await;
    let _host = world.host(&[]).await;
    world.until_passed(2).await;
    let echoes = world.find(&world.data("echo"), doc! {}).await;
    assert_eq!(echoes.len(), 1);
    assert_eq!(echoes[0].get_str("_id").ok(), Some(after.id.as_str()));
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].get_str("reason").ok(), Some("undecodable"));
    assert!(parked[0].get_str("message").expect("a message").contains("headers"), "{parked:?}");
    let records = world.find(&world.own("records"), doc! {}).await;
    assert_eq!(records[0].get_binary_generic("value").ok(), unread.created().map(String::into_bytes).as_ref());
}
