//! Deliveries seen from outside: the host gets exactly what a handler does.

use std::time::Duration;

use weir_sdk::prelude::*;
use weir_sdk::testing::{self, Delivery, NOW, Stage, deliver, insert_one, replace_one, update_many};
use weir_sdk::{Action, Effect, Level, ToValue};

/// Does what its payload names.
struct Does;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    what: String,
    data: Json,
    at: Option<DateTime>,
    price: Option<Decimal>,
}

impl Handler for Does {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Done", "DoneAgain"];
    const GRANTS: &[Grant] = &[read_write("things"), read("people"), write("people"), write("notes")];
    const DESCRIPTION: &str = "Does things.";

    fn validate(&self, event: &Event<Payload>) -> bool {
        event.payload.what != "unwanted"
    }

    fn handle(&self, event: Event<Payload>) -> Result {
        let things = collection("things");
        match event.payload.what.as_str() {
            "store" => {
                things.insert_one(
                    doc! { "data": event.payload.data, "at": event.payload.at, "price": event.payload.price },
                )?;
            }
            "passed over" => {
                let _ = things.insert_one(doc! { "data": event.payload.data });
                let _ = collection("others").insert_one(doc! {});
            }
            "options" => {
                things
                    .must_match()
                    .array_filters([doc! { "e.n": 1 }])
                    .hint("by_n")
                    .update_many(doc! { "n": { "$gt": 0 } }, doc! { "$set": { "list.$[e].n": 2 } })?;
            }
            "count" => {
                let mut counter = things.find_one(doc! { "_id": "c" })?.ok_or_else(|| Reject::new("no counter"))?;
                counter.insert("n", counter.get("n").and_then(Value::as_i64).unwrap_or(0) + 1);
                things.replace_one(doc! { "_id": "c" }, counter)?;
            }
            "effect" => {
                let write = things.insert_one(doc! { "_id": new_id() })?;
                info!("done {}", write_count(effect_of(write)?.inserted); event = event.id, at = now());
            }
            "later" => return Err(Retry::new(format!("attempt {}", attempt())).after(Duration::from_secs(3)).into()),
            "number" => drop("x".parse::<i32>()?),
            other => return Err(Reject::new(format!("what is {other}?")).into()),
        }
        Ok(())
    }
}
weir_sdk::export!(Does);

fn write_count(count: u64) -> String {
    format!("{count} times")
}

fn does(payload: &str) -> Delivery {
    deliver(&Does, &testing::event("Done", payload))
}

#[test]
fn it_describes_itself() {
    let described: Json = serde_json::from_str(&testing::describe(&Does)).expect("JSON");
    let expected = serde_json::json!({
        "description": "Does things.",
        "events": ["Done", "DoneAgain"],
        "grants": { "things": ["read", "write"], "people": ["read", "write"], "notes": ["write"] },
    });
    assert_eq!(described, expected);
}

#[test]
fn payload_values_keep_their_digits_and_types() {
    let delivery = does(
        r#"{"what": "store", "data": {"big": 9007199254740993, "small": 1, "exact": 0.12345678901234567890},
            "at": "1970-01-01T00:00:00.001Z", "price": 1.10}"#,
    );
    assert_eq!(delivery.result, Ok(()));
    assert_eq!(
        delivery.writes[0].body.as_document().map(ToString::to_string).as_deref(),
        Some(
            r#"{"data":{"big":{"$numberLong":"9007199254740993"},"small":1,"exact":0.12345678901234567890},"at":{"$date":{"$numberLong":"1"}},"price":{"$numberDecimal":"1.10"}}"#
        )
    );
}

#[test]
fn a_refused_call_decides_even_if_it_is_passed_over() {
    let hidden = does(r#"{"what": "passed over", "data": {"$ne": null}}"#).result.expect_err("it is refused");
    assert_eq!((hidden.action, hidden.error_type.as_str()), (Action::Reject, "CallError"));
    assert!(hidden.message.contains("`things`") || hidden.message.contains("`others`"), "{hidden}");

    let denied = does(r#"{"what": "passed over", "data": 1}"#);
    assert_eq!(denied.writes.len(), 1);
    assert!(denied.result.expect_err("it is denied").message.contains("`others`"));

    assert_eq!(does(r#"{"what": "store"}"#).result, Ok(()), "nothing is left of the refusal before");
}

#[test]
fn options_stand_before_the_verb() {
    let expected = update_many("things", doc! { "n": { "$gt": 0 } }, doc! { "$set": { "list.$[e].n": 2 } })
        .must_match()
        .with("arrayFilters", array![{ "e.n": 1 }])
        .with("hint", "by_n");
    assert_eq!(does(r#"{"what": "options"}"#).writes, [expected]);
}

#[test]
fn what_is_stored_can_be_read() {
    let stage = Stage::new().stored("things", doc! { "_id": "c", "n": 1_i64, "tag": "t" });
    let delivery = stage.deliver(&Does, &testing::event("Done", r#"{"what": "count"}"#));
    assert_eq!(delivery.result, Ok(()));
    let counted = doc! { "_id": "c", "n": 2_i64, "tag": "t" };
    assert_eq!(delivery.writes, [replace_one("things", doc! { "_id": "c" }, counted)]);
    assert_eq!(does(r#"{"what": "count"}"#).result.expect_err("there is none").message, "no counter");
}

#[test]
fn effects_ids_and_lines() {
    let stage = Stage::new().effect(Effect { inserted: 3, ..Effect::default() });
    let event = testing::event("Done", r#"{"what": "effect"}"#);
    let delivery = stage.deliver(&Does, &event);
    let line = &delivery.lines[0];
    assert_eq!((line.level, line.message.as_str()), (Level::Info, "done 3 times"));
    assert_eq!(line.fields, doc! { "event": event.id, "at": NOW.to_string() });
    let Value::ObjectId(id) = delivery.writes[0].body.as_document().and_then(|made| made.get("_id")).to_value() else {
        panic!("no id: {:?}", delivery.writes)
    };
    assert_eq!(id.to_string(), "6955b900".to_owned() + "0102030405060708");
    assert_eq!(delivery.writes, [insert_one("things", doc! { "_id": id })]);
}

#[test]
fn failures() {
    let later = Stage::new().attempt(2).deliver(&Does, &testing::event("Done", r#"{"what": "later"}"#));
    let later = later.result.expect_err("it asks for another attempt");
    assert_eq!((later.action, later.after), (Action::Retry, Some(Duration::from_secs(3))));
    assert_eq!(later.message, "attempt 2");

    assert_eq!(does(r#"{"what": "unwanted"}"#).result.expect_err("it is skipped").action, Action::Skip);
    assert_eq!(does(r#"{"what": "number"}"#).result.expect_err("no number").error_type, "ParseIntError");
    let unreadable = does(r#"{"at": "yesterday"}"#).result.expect_err("no date");
    assert_eq!((unreadable.action, unreadable.error_type.as_str()), (Action::Reject, "PayloadError"));
    assert!(unreadable.message.contains("yesterday"), "{unreadable}");
}
