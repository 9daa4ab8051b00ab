//! What must hold: while it runs, that nobody goes back; at the end, that the collections are what the logs say.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::{Bson, Document};

use crate::host::RETENTION_MS;
use crate::kernel::lock;
use crate::model::{Expected, Model, by_aggregate, delivery_name, record_name};
use crate::world::{World, partition_of};

const COLLECTIONS: [&str; 9] = ["counts", "changed", "shared", "made", "effects", "queried", "once", "totals", "huge"];

/// Looks on while it runs.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: BTreeMap<i32, (i64, i64)>,
    /// Up to where a majority had it then.
    majority: u64,
}

impl Watch {
    /// Epoch and progress of a partition, as a majority has them, never go back, unless a person has set them.
    pub(crate) fn look(&mut self, world: &World) -> Result<(), String> {
        let mongo = lock(&world.mongo);
        if std::mem::replace(&mut self.majority, mongo.majority()) == mongo.majority() {
            return Ok(());
        }
        for progress in mongo.progress_of_majority() {
            let Some(partition) = partition_of(progress) else { continue };
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

/// Compares what is there with what must be.
pub(crate) fn judge(world: &World) -> Result<(), String> {
    let mut model = Model::default();
    for (partition, log) in world.logs.iter().enumerate() {
        for logged in log {
            let name = record_name(partition, logged.generation, logged.offset);
            model.record(partition, name, &logged.produced, logged.at_ms, RETENTION_MS);
        }
    }
    let expected = model.expected;
    let mongo = lock(&world.mongo);
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
    letters(world, &mongo.all("weir.parked"), &expected)
}

fn name(document: &Document) -> String {
    match document.get("_id") {
        Some(Bson::String(text)) => text.clone(),
        Some(Bson::Int64(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Every parked delivery and dead letter is one that the model names, and none is missing.
fn letters(world: &World, parked: &[Arc<Document>], expected: &Expected) -> Result<(), String> {
    let mut found = BTreeMap::new();
    for document in parked {
        let id = document.get_document("_id").map_err(|error| error.to_string())?;
        let name = match (id.get_str("event_id"), id.get_i32("handler")) {
            (Ok(event), Ok(handler)) => delivery_name(event, handler),
            _ => {
                let partition = usize::try_from(id.get_i32("partition").unwrap_or(-1)).unwrap_or(usize::MAX);
                record_name(partition, 0, id.get_i64("offset").unwrap_or(-1))
            }
        };
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

fn counted(reason: &str) -> &'static str {
    match reason {
        "undecodable" => "letter: undecodable",
        "id-conflict" => "letter: id-conflict",
        "beyond-ledger" => "letter: beyond-ledger",
        "must-match" => "letter: must-match",
        "refused" => "letter: refused",
        "reject" => "letter: reject",
        "too-large" => "letter: too-large",
        "host-crash" => "letter: host-crash",
        _ => "letter: another",
    }
}
