//! What the proof writes to Kafka and MongoDB, and what it finds there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bson::{Bson, DateTime, Document, doc};
use rig::clients::{Record, find};
use rig::{clock, interrupt};
use serde_json::json;

use crate::run::Run;

const HOUR_MS: i64 = 3_600_000;
const BUCKET_MS: i64 = 8 * HOUR_MS;
/// How long before the reference the ledger began.
const BEGUN_MS: i64 = 30 * 24 * HOUR_MS;
const PATIENCE: Duration = Duration::from_mins(1);

/// An event to send.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) id: String,
    /// Its time, in hours from the reference.
    pub(super) hours: i64,
    pub(super) partition: i32,
}

/// What is there after a step.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How often each event took effect.
    pub(super) effects: BTreeMap<String, i64>,
    /// How often each was refused.
    pub(super) refused: BTreeMap<String, i64>,
    /// What else was parked, for people.
    pub(super) others: Vec<String>,
    /// The floor, in milliseconds from the reference.
    pub(super) floor_ms: Option<i64>,
}

/// Creates a ledger that began long before the events of the proof. Returns the reference in milliseconds since 1970:
/// that many hours back, on the border of a bucket.
pub(super) fn begin(run: &Run<'_>, age_hours: i64) -> Result<i64> {
    let now_ms = i64::try_from(clock::now_ms())?;
    let reference_ms = (now_ms - age_hours * HOUR_MS) / BUCKET_MS * BUCKET_MS;
    let first = (reference_ms - BEGUN_MS) / BUCKET_MS;
    let ledger = doc! { "_id": "ledger", "first_bucket": first, "floors": true };
    run.block(run.world.own("groups").insert_one(ledger))?;
    Ok(reference_ms)
}

/// Sends events in their order.
pub(super) fn send(run: &Run<'_>, reference_ms: i64, events: &[Event]) -> Result<()> {
    let records = events.iter().map(|event| record(reference_ms, event)).collect::<Result<Vec<_>>>()?;
    run.block(run.world.send(records))
}

/// The record of an event's row.
fn record(reference_ms: i64, event: &Event) -> Result<Record> {
    let created = DateTime::from_millis(reference_ms + event.hours * HOUR_MS).try_to_rfc3339_string()?;
    let after = json!({
        "event_id": event.id, "sequence_id": 1, "aggregate_id": event.id, "aggregate_type": "Tally",
        "event_type": "Tallies", "payload": r#"{"number": 1}"#, "status": "pending", "retry_count": 0,
        "last_error": null, "lock_id": null, "created_at": created, "published_at": null,
    });
    let value = json!({ "before": null, "after": after, "source": { "connector": "postgresql" }, "op": "c" });
    Ok((event.partition, Some(value.to_string())).into())
}

/// Waits until the group has accounted for everything in the topic and, if `hours` is given, its floor is that far
/// from the reference. Returns what is there then.
pub(super) fn found(
    run: &Run<'_>,
    reference_ms: i64,
    group: &str,
    database: &str,
    hours: Option<i64>,
) -> Result<Found> {
    let ends = run.block(run.world.kafka.ends(&run.pipeline().topic))?;
    until(|| Ok(accounted(run, group)? >= ends.iter().sum()), || format!("{group} has not accounted for everything"))?;
    if let Some(hours) = hours {
        let is_there = || Ok(floor_ms(run, reference_ms, group)? == Some(hours * HOUR_MS));
        until(is_there, || {
            format!("the floor of {group} is at {:?} ms, not at {hours} h", floor_ms(run, reference_ms, group))
        })?;
    }
    let mut found = Found { floor_ms: floor_ms(run, reference_ms, group)?, ..Found::default() };
    for letter in run.block(find(&run.world.own("parked"), doc! { "_id.group": group }))? {
        let (id, reason) = (letter.get_str("event_id").unwrap_or_default(), letter.get_str("reason")?);
        if reason == "beyond-ledger" {
            *found.refused.entry(id.to_owned()).or_default() += 1;
        } else {
            found.others.push(format!("{id}: {reason}: {:?}", letter.get("message")));
        }
    }
    let tallies = run.world.mongodb.database(database).collection("tallies");
    for tally in run.block(find(&tallies, doc! {}))? {
        let times = tally.get("n").and_then(whole).context("a tally without a number")?;
        found.effects.insert(tally.get_str("_id")?.to_owned(), times);
    }
    Ok(found)
}

fn whole(number: &Bson) -> Option<i64> {
    number.as_i64().or_else(|| number.as_i32().map(i64::from))
}

/// Returns how many records the group has accounted for.
fn accounted(run: &Run<'_>, group: &str) -> Result<i64> {
    let filter = doc! { "_id.group": group, "_id.topic": &run.pipeline().topic };
    let found = run.block(find(&run.world.own("progress"), filter))?;
    Ok(found.iter().map(|partition: &Document| partition.get_i64("next").unwrap_or(0)).sum())
}

fn floor_ms(run: &Run<'_>, reference_ms: i64, group: &str) -> Result<Option<i64>> {
    let filter = doc! { "_id.group": group, "_id.topic": &run.pipeline().topic };
    let found = run.block(run.world.own("groups").find_one(filter))?;
    let floor = found.as_ref().and_then(|group| group.get_datetime("floor").ok());
    Ok(floor.map(|floor| floor.timestamp_millis() - reference_ms))
}

fn until(mut holds: impl FnMut() -> Result<bool>, otherwise: impl Fn() -> String) -> Result<()> {
    let begun = Instant::now();
    while !holds()? {
        ensure!(begun.elapsed() < PATIENCE, "after {} s {}", PATIENCE.as_secs(), otherwise());
        interrupt::sleep(Duration::from_millis(20))?;
    }
    Ok(())
}
