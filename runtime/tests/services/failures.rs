//! A delivery that fails is parked with its reason, and nothing else is parked.

use std::collections::BTreeSet;

use bson::doc;
use mongodb::IndexModel;
use mongodb::options::IndexOptions;
use serde_json::{Value, json};

use crate::world::{World, row};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_matches_nothing_parks_its_delivery_alone() {
    let world = World::new(1).await;
    world.handlers(&["user-created", "user-updated"]);
    let created = row("UserCreated", "known", json!({ "first_name": "Ann", "last_name": "Lee" }));
    let unknown = row("UserUpdated", "unknown", json!({ "email": "a@b.c" }));
    let known = row("UserUpdated", "known", json!({ "first_name": "Eve" }));
    world.send([&created, &unknown, &known].map(|row| (0, row.created()))).await;
    let host = world.host(&[]).await;
    world.until_passed(3).await;
    let user = world.data("users").find_one(doc! { "_id": "known" }).await.expect("mongodb").expect("the user");
    assert_eq!(user.get_str("name").ok(), Some("Eve Lee"));
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    let parked = &parked[0];
    assert_eq!(parked.get_str("state").ok(), Some("dead"));
    assert_eq!(parked.get_str("reason").ok(), Some("must-match"));
    assert_eq!(parked.get_str("event_id").ok(), Some(unknown.id.as_str()));
    assert_eq!(parked.get_document("handler").expect("who").get_str("name").ok(), Some("user-updated"));
    assert_eq!(parked.get_array("attempts").map(Vec::len).ok(), Some(1));
    assert_eq!(parked.get_bool("holds").ok(), Some(false));
    assert_eq!(world.own("records").count_documents(doc! {}).await.expect("mongodb"), 1);
    assert_eq!(host.stats().await["handlers"]["user-updated"]["dead"], 1);
}

/// Makes a world with a handler for which MongoDB refuses every value that is already there.
async fn with_unique_values() -> World {
    let world = World::new(1).await;
    world.handlers(&["unique-value"]);
    let unique =
        IndexModel::builder().keys(doc! { "value": 1 }).options(IndexOptions::builder().unique(true).build()).build();
    world.data("unique_values").create_index(unique).await.expect("an index");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_only_the_delivery_that_mongodb_refuses_is_parked() {
    let world = with_unique_values().await;
    let rows: Vec<_> = (0..500)
        .map(|number| {
            row("UniqueValue", format!("{number}"), json!({ "value": if number == 321 { 7 } else { number } }))
        })
        .collect();
    world.send(rows.iter().map(|row| (0, row.created()))).await;
    let _host = world.host(&[]).await;
    world.until_passed(500).await;
    assert_eq!(world.data("unique_values").count_documents(doc! {}).await.expect("mongodb"), 499);
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].get_str("event_id").ok(), Some(rows[321].id.as_str()));
    assert_eq!(parked[0].get_str("reason").ok(), Some("refused"));
    assert!(parked[0].get_str("message").is_ok_and(|message| message.contains("E11000 duplicate key")));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_many_fail_what_is_known_to_succeed_is_committed_first() {
    let world = with_unique_values().await;
    let fails = |number: i32| number % 10 == 9;
    let rows: Vec<_> = (0..600)
        .map(|number| {
            row("UniqueValue", format!("{number}"), json!({ "value": if fails(number) { 0 } else { number } }))
        })
        .collect();
    world.send(rows.iter().map(|row| (0, row.created()))).await;
    let _host = world.host(&[]).await;
    world.until_passed(600).await;
    assert_eq!(world.data("unique_values").count_documents(doc! {}).await.expect("mongodb"), 540);
    let mut parked: Vec<_> = world.find(&world.own("parked"), doc! {}).await;
    let offset = |each: &bson::Document| each.get_document("record").and_then(|record| record.get_i64("offset"));
    parked.sort_by_key(|each| offset(each).expect("where it stood"));
    let parked: Vec<_> = parked.iter().filter_map(|each| each.get_str("event_id").ok()).collect();
    let failed = || rows.iter().zip(0..).filter(|(_, number)| fails(*number)).map(|(row, _)| row.id.as_str());
    assert_eq!(parked, failed().collect::<Vec<_>>());
    // Each culprit costs two more transactions for its whole batch, so a batch never contains more than two culprits.
    let progress = world.find(&world.own("progress"), doc! {}).await;
    assert!(progress[0].get_i64("commits").expect("a count") >= 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_handlers_failure_leaves_the_others_of_its_event_alone() {
    let world = World::new(1).await;
    world.handlers(&["user-created", "user-statistics"]);
    let event = row("UserCreated", "a", json!({}));
    let again = row("UserCreated", "a", json!({}));
    world.send([(0, event.created()), (0, again.created())]).await;
    let _host = world.host(&[]).await;
    world.until_passed(2).await;
    // The second creation of a user is a duplicate key for one handler, and one more user for the other.
    let parked = world.find(&world.own("parked"), doc! {}).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].get_document("handler").expect("who").get_str("name").ok(), Some("user-created"));
    let counted = world.data("statistics").find_one(doc! { "_id": "global_stats" }).await.expect("mongodb");
    assert_eq!(counted.expect("it is counted").get_i32("total_users").ok(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_listed_and_shown_by_the_command_line_and_by_the_host() {
    let world = World::new(1).await;
    world.handlers(&["user-updated"]);
    let unknown: Vec<_> =
        (0..5).map(|at| row("UserUpdated", format!("u{at}"), json!({ "first_name": "Eve" }))).collect();
    world.send(unknown.iter().map(|row| (0, row.created())).chain([(0, Some("no event\n".to_owned()))])).await;
    let host = world.host(&[]).await;
    world.until_passed(6).await;

    let read = |(status, said): (Option<i32>, String)| -> Value {
        assert_eq!(status, Some(0), "{said}");
        serde_json::from_str(&said).expect("JSON")
    };
    let list = |more: &[&str]| read(world.asks(&[&["failures", "list", "-o", "json"], more].concat()));
    let all = list(&[]);
    assert_eq!((all["failures"].as_array().map(Vec::len), &all["next"]), (Some(6), &Value::Null), "{all}");
    let refused = list(&["--reason", "must-match", "--handler", "user-updated", "--aggregate-id", "u3"]);
    assert_eq!(refused["failures"].as_array().map(Vec::len), Some(1), "{refused}");
    assert_eq!(refused["failures"][0]["event_id"], unknown[3].id.as_str());
    // Page by page, each failure is there once.
    let (mut ids, mut after) = (BTreeSet::new(), None::<String>);
    for _ in 0..3 {
        let mut arguments = vec!["--limit", "2"];
        if let Some(place) = &after {
            arguments.extend(["--after", place]);
        }
        let page = list(&arguments);
        ids.extend(page["failures"].as_array().expect("a list").iter().map(|it| it["id"].to_string()));
        after = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!((ids.len(), after), (6, None));

    let dead = list(&["--state", "dead"]);
    let id = dead["failures"][0]["id"].as_str().expect("an id").to_owned();
    let shown = read(world.asks(&["failures", "show", &id, "-o", "json"]));
    assert_eq!(shown["reason"], "undecodable");
    assert_eq!(shown["content"]["value"]["text"], "no event\n", "its bytes are kept");
    let (status, body) = host.get(&format!("/v1/failures/{id}")).await.expect("it answers");
    assert_eq!((status, serde_json::from_str::<Value>(&body).expect("JSON")), (200, shown));
    let (status, body) = host.get("/v1/failures?reason=must-match&limit=5").await.expect("it answers");
    let listed: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &listed), (200, &list(&["--reason", "must-match", "--limit", "5"])));
    assert_eq!(host.get("/v1/failures/none").await.expect("it answers").0, 404);

    let (status, text) = world.asks(&["failures", "list"]);
    assert!(status == Some(0) && text.lines().count() == 7 && text.starts_with("ID "), "{text}");
    let (status, yaml) = world.asks(&["progress", "show", "-o", "yaml"]);
    assert!(status == Some(0) && yaml.contains("next: \"6\"") || yaml.contains("next: '6'"), "{yaml}");
    let handlers = read(world.asks(&["handlers", "list", "-o", "json"]));
    assert_eq!(handlers[0]["name"], "user-updated", "{handlers}");
    let (status, said) = world.asks(&["failures", "show", "none"]);
    assert!(status == Some(1) && said.contains("\nhint: weir failures list shows them"), "{said}");
    for arguments in [&["failures", "list"][..], &["progress", "set", "--partition", "0", "--offset", "6", "--dry-run"]]
    {
        assert_eq!(world.asks_unheard(arguments), (Some(0), String::new()), "{arguments:?}");
    }
}
