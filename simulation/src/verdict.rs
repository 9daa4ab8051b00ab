//! The invariants. During the run, progress never goes back. At the end, the collections are what the logs say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bson::{Bson, Document};

use crate::host::LEAST_RETENTION_MS;
use crate::kafka::{id, number_of};
use crate::kernel::lock;
use crate::model::{Expected, Forgotten, Model, Produced, by_aggregate, delivery_name, record_name};
use crate::world::{World, partition_of};

const COLLECTIONS: [&str; 10] =
    ["counts", "changed", "shared", "made", "effects", "queried", "once", "totals", "huge", "fallen"];

/// Checks the world while it runs.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: BTreeMap<i32, (i64, i64)>,
    /// The majority's time at the last check.
    majority: u64,
}

impl Watch {
    /// Checks that no partition's epoch or progress goes back at a majority, unless a person has set it.
    pub(crate) fn look(&mut self, world: &World) -> Result<(), String> {
        if let Some(wrong) = &world.wrong {
            return Err(wrong.clone());
        }
        let mongo = lock(&world.mongo);
        if std::mem::replace(&mut self.majority, mongo.majority()) == mongo.majority() {
            return Ok(());
        }
        for progress in mongo.progress_of_majority() {
            let Some(partition) = partition_of(progress) else { continue };
            if progress.get_array("lost_owners").is_ok_and(|lost| lost.len() >= 2) {
                world.kernel.count("outcome: two owners lost in a row");
            }
            if progress.get_array("crashes").is_ok_and(|crashes| !crashes.is_empty()) {
                world.kernel.count("outcome: an owner lost while it ran an event singly");
            }
            let now = (progress.get_i64("epoch").unwrap_or(-1), progress.get_i64("next").unwrap_or(-1));
            if let Some(before) = self.seen.insert(partition, now)
                && (now.0 < before.0 || now.1 < before.1)
                && !world.set.contains(&partition)
            {
                return Err(format!("partition {partition} went from {before:?} to {now:?}"));
            }
        }
        Ok(())
    }
}

/// Compares what is there with what must be there.
pub(crate) fn judge(world: &World) -> Result<(), String> {
    let mut model = Model::default();
    let mongo = lock(&world.mongo);
    let parked = mongo.all("weir.parked");
    let refused: BTreeSet<String> = parked
        .iter()
        .filter(|letter| letter.get_str("reason").is_ok_and(|reason| reason == "beyond-ledger"))
        .filter_map(|letter| letter_name(letter).ok())
        .collect();
    for (partition, log) in world.logs.iter().enumerate() {
        for logged in log {
            let name = record_name(partition, logged.generation, logged.offset);
            let before_ms = forgotten_before_ms(world, partition, logged.at_ms);
            let forgotten = Forgotten { before_ms, is_refused: refused.contains(&name) };
            model.record(name, &logged.produced, forgotten);
        }
    }
    let expected = model.expected;
    for collection in COLLECTIONS {
        let found: BTreeMap<String, Arc<Document>> =
            mongo.all(&format!("data.{collection}")).into_iter().map(|document| (name(&document), document)).collect();
        let wanted = expected.documents.iter().filter(|((of, _), _)| *of == collection);
        let wanted: BTreeMap<&str, &Document> = wanted.map(|((_, id), document)| (id.as_str(), document)).collect();
        for (id, wanted) in &wanted {
            match found.get(*id) {
                Some(found) if **found == **wanted => {}
                Some(found) if collection == "shared" && by_aggregate(found) == by_aggregate(wanted) => {}
                Some(found) => return Err(format!("{collection} {id}: {found}, and must be {wanted}")),
                None => return Err(format!("{collection} {id} is missing: {wanted}")),
            }
        }
        if let Some(more) = found.keys().find(|id| !wanted.contains_key(id.as_str())) {
            return Err(format!("{collection} {more} should not be there"));
        }
    }
    letters(world, &parked, &expected)
}

/// Returns the time before which an event may be forgotten. An event is not forgotten until every partition of its
/// topic has passed it by the retention, and no partition passes the newest event that the topic had before the record
/// in question.
fn forgotten_before_ms(world: &World, partition: usize, at_ms: i64) -> i64 {
    let topic = |partition: usize| id(i32::try_from(partition).unwrap_or(-1)).topic;
    let same = world.logs.iter().enumerate().filter(|(other, _)| topic(*other) == topic(partition));
    let created = same.flat_map(|(_, log)| log).filter(|logged| logged.at_ms <= at_ms).filter_map(|logged| {
        let Produced::Event { created_at_ms, .. } = &logged.produced else { return None };
        Some(*created_at_ms)
    });
    created.max().map_or(i64::MIN, |highest_ms| highest_ms.saturating_sub(LEAST_RETENTION_MS))
}

fn name(document: &Document) -> String {
    match document.get("_id") {
        Some(Bson::String(text)) => text.clone(),
        Some(Bson::Int64(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Checks that the model names every parked delivery and dead letter, and that none is missing.
fn letters(world: &World, parked: &[Arc<Document>], expected: &Expected) -> Result<(), String> {
    let mut found = BTreeMap::new();
    for document in parked {
        let name = letter_name(document)?;
        let reason = document.get_str("reason").unwrap_or_default();
        world.kernel.count(counted(reason));
        if expected.may_be_dead.contains(&name) {
            continue;
        }
        found.insert(name, reason);
    }
    for (name, reason) in &expected.parked {
        match found.get(name) {
            Some(there) if there == reason => {}
            there => return Err(format!("{name} must be {reason}, and is {there:?}")),
        }
    }
    match found.iter().find(|(name, _)| !expected.parked.contains_key(*name)) {
        Some((name, reason)) => Err(format!("{name} is {reason}, and should not be")),
        None => Ok(()),
    }
}

fn letter_name(letter: &Document) -> Result<String, String> {
    let id = letter.get_document("_id").map_err(|error| error.to_string())?;
    if let (Ok(event), Ok(handler)) = (id.get_str("event_id"), id.get_i32("handler")) {
        return Ok(delivery_name(event, handler));
    }
    let number = number_of(id.get_str("topic").unwrap_or_default(), id.get_i32("partition").unwrap_or(-1));
    let partition = usize::try_from(number).unwrap_or(usize::MAX);
    Ok(record_name(partition, 0, id.get_i64("offset").unwrap_or(-1)))
}

fn counted(reason: &str) -> &'static str {
    match reason {
        "undecodable" => "letter: undecodable",
        "id-conflict" => "letter: id-conflict",
        "beyond-ledger" => "letter: beyond-ledger",
        "must-match" => "letter: must-match",
        "refused" => "letter: refused",
        "reject" => "letter: reject",
        "too-large" => "letter: too-large",
        "slow" => "letter: slow",
        "unauthorized" => "letter: unauthorized",
        "host-crash" => "letter: host-crash",
        _ => "letter: another",
    }
}
