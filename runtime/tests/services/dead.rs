//! Deliveries that are dead without a retry: what is kept of them, and that their neighbours go on.

use bson::{Document, doc};
use serde_json::json;

use crate::world::{World, row};

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_is_kept_with_what_is_known_of_it() {
    let world = World::new(1).await;
    world.handlers(&["echo", "panics", "refused-ignored", "rejects", "retries", "floods-log", "skips"]);
    let failing: Vec<_> = ["Panics", "RefusedIgnored", "Rejects", "Retries", "FloodsLog"]
        .into_iter()
        .map(|event_type| row(event_type, "a", json!({ "lines": 1_000_000 })))
        .collect();
    let skipped = row("Skips", "a", json!({}));
    let echoes: Vec<_> = (0..failing.len()).map(|_| row("Echo", "a", json!({}))).collect();
    let records = failing.iter().zip(&echoes).flat_map(|(failing, echo)| [failing, echo]).chain([&skipped]);
    world.send(records.map(|row| (0, row.created()))).await;
    let host = world.host(&[]).await;
    world.until_passed(11).await;

    let of = async |place: usize| -> Document {
        let found = world.find(&world.own("parked"), doc! { "event_id": &failing[place].id }).await;
        assert_eq!(found.len(), 1, "{}", failing[place].event_type);
        let parked = found.into_iter().next().expect("one");
        assert_eq!(parked.get_bool("holds").ok(), Some(false));
        assert_eq!(parked.get_array("attempts").map(Vec::len).ok(), Some(1));
        let record = parked.get_document("record").expect("its record").clone();
        let kept = world.own("records").find_one(doc! { "_id": record }).await.expect("mongodb").expect("its record");
        let value = kept.get_binary_generic("value").expect("bytes");
        assert_eq!(value, failing[place].op("c").as_bytes());
        parked
    };
    let state = |parked: &Document| parked.get_str("state").expect("a state").to_owned();
    let panicked = of(0).await;
    assert_eq!(state(&panicked), "dead");
    assert!(panicked.to_string().contains("inner"), "no frame is named in {panicked}");
    let refused = of(1).await;
    assert_eq!(state(&refused), "dead");
    assert_eq!(refused.get_str("reason").ok(), Some("denied"));
    assert_eq!(world.data("ignored").count_documents(doc! {}).await.expect("mongodb"), 0);
    assert_eq!(state(&of(2).await), "dead");
    assert_eq!(state(&of(3).await), "dead");
    let flooded = of(4).await;
    assert_eq!(state(&flooded), "dead");
    assert!(!flooded.get_array("log").expect("its lines").is_empty());
    assert_eq!(world.own("parked").count_documents(doc! {}).await.expect("mongodb"), 5);
    assert_eq!(world.data("echo").count_documents(doc! {}).await.expect("mongodb"), 5);
    let handlers = host.stats().await["handlers"].clone();
    assert_eq!(handlers["panics"]["dead"], 1, "{handlers}");
    assert_eq!(handlers["skips"]["skipped"], 1, "{handlers}");
    assert_eq!(handlers["echo"]["committed"], 5, "{handlers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_by_id_is_what_was_committed_before() {
    let world = World::new(1).await;
    world.handlers(&["reads-then-writes"]);
    world.data("people").insert_one(doc! { "_id": "known", "name": "Ann" }).await.expect("mongodb");
    let (known, unknown) = (row("ReadsThenWrites", "known", json!({})), row("ReadsThenWrites", "unknown", json!({})));
    world.send([(0, known.created()), (0, unknown.created())]).await;
    let _host = world.host(&[]).await;
    world.until_passed(2).await;
    let copy =
        async |id: &str| world.data("copies").find_one(doc! { "_id": id }).await.expect("mongodb").expect("a copy");
    let found = copy(&known.id).await;
    assert_eq!(found.get_document("found").expect("what it read").get_str("name").ok(), Some("Ann"));
    assert_eq!(copy(&unknown.id).await.get("found"), Some(&bson::Bson::Null));
}
