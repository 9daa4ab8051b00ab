//! Tallies as `tallies` does, but first misbehaves as the payload's `how` says. It stands in for `tallies` until a good
//! version replaces it, so both want the same events and write the same collection.

use std::hint::black_box;
use std::time::Duration;

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    number: i64,
    how: String,
}

/// How long `sleep` takes, which is half of what a delivery may take by default.
const NAP: Duration = Duration::from_millis(500);
/// As many lines as a delivery may log by default. Their bytes exceed what it may log.
const LINES: u64 = 1_000;

fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = black_box(number).wrapping_mul(3).wrapping_add(1);
    }
}

struct TalliesBadly;

impl Handler for TalliesBadly {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Tallies"];
    const GRANTS: &[Grant] = &[write("tallies"), write("taken"), read("large")];
    const DESCRIPTION: &str = "Misbehaves as the payload's `how` says, and then tallies.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let Payload { number, how } = event.payload;
        match &*how {
            "fuel" => spin(),
            "deadline" => loop {
                std::thread::sleep(NAP);
            },
            "sleep" => std::thread::sleep(NAP),
            "trap" => std::process::abort(),
            "reject" => return Err(Reject::new("it rejects every event").into()),
            "retry" => return Err(Retry::new("no attempt is enough").into()),
            "log" => {
                let line = "x".repeat(100);
                for number in 0..LINES {
                    info!("{line}"; number = number);
                }
            }
            "read" => drop(collection("large").count(doc! { "n": -1 })?),
            "refused" => drop(collection("taken").insert_one(doc! { "_id": event.id, "value": "taken" })?),
            _ => {}
        }
        let update = doc! { "$inc": { "n": 1 }, "$push": { "seen": number } };
        let write = collection("tallies").upsert().update_one(doc! { "_id": event.aggregate_id }, update)?;
        if how == "effect" {
            effect_of(write)?;
        }
        Ok(())
    }
}
weir_sdk::export!(TalliesBadly);
