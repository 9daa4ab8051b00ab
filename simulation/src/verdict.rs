//! The invariants. During the run, progress never goes back. At any time, the collections are what the logs say up to
//! the progress, because effects and progress commit together. In the end, progress is at the end of the logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document};

use crate::broken::{Broken, Fault, shown_by};
use crate::host::LEAST_RETENTION_MS;
use crate::kafka::{id, number_of};
use crate::kernel::lock;
use crate::kinds::EventKind;
use crate::model::{Expected, Forgotten, Letter, Model, Produced, arranged, delivery_name, record_name};
use crate::mongo::Mongo;
use crate::world::{World, partition_of};

const COLLECTIONS: [&str; 14] = [
    "counts", "changed", "shared", "made", "effects", "queried", "once", "totals", "huge", "beside", "fallen",
    "fragile", "tallies", "rows",
];

/// How long a command may wait for a transaction. That of a dead host lasts for a minute or more unless somebody ends
/// it.
const PATIENCE: Duration = Duration::from_secs(40);

/// Checks the world while it runs.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: BTreeMap<i32, (i64, i64)>,
    /// The majority's time at the last check.
    majority: u64,
}

impl Watch {
    /// Checks that no partition's epoch or progress goes back at a majority, unless a person has set it.
    pub(crate) fn look(&mut self, world: &World) -> Result<(), Fault> {
        if let Some(wrong) = &world.wrong {
            return Err(wrong.clone());
        }
        let mongo = lock(&world.mongo);
        if mongo.longest_wait > PATIENCE {
            let what = format!("waited for a transaction for {:?}: {}", mongo.longest_wait, mongo.waiting);
            return Err(Fault::new(Broken::TooLate, what));
        }
        if std::mem::replace(&mut self.majority, mongo.majority()) == mongo.majority() {
            return Ok(());
        }
        for progress in mongo.progress_of_majority() {
            let Some(partition) = partition_of(progress) else { continue };
            let lost = progress.get_array("lost_owners").map_or(&[][..], Vec::as_slice);
            if lost.len() >= 2 {
                world.kernel.count("outcome: two owners lost in a row");
                if lost.iter().filter_map(Bson::as_str).all(|name| world.is_alive(name)) {
                    world.kernel.count("outcome: two owners lost in a row, and none dead");
                }
            }
            if lost.len() >= 3 && lost.iter().filter_map(Bson::as_str).all(|name| world.is_alive(name)) {
                world.kernel.count("outcome: three owners lost in a row, and none dead");
            }
            if progress.get_array("crashes").is_ok_and(|crashes| !crashes.is_empty()) {
                world.kernel.count("outcome: an owner lost while it ran an event singly");
            }
            let now = (progress.get_i64("epoch").unwrap_or(-1), progress.get_i64("next").unwrap_or(-1));
            if let Some(before) = self.seen.insert(partition, now)
                && (now.0 < before.0 || now.1 < before.1)
                && !world.set.contains(&partition)
            {
                let what = format!("partition {partition} went from {before:?} to {now:?}");
                return Err(Fault::new(Broken::WentBack, what));
            }
        }
        Ok(())
    }
}

/// Compares the collections with those that must be there by now.
pub(crate) fn judge(world: &World) -> Vec<Fault> {
    let progress: BTreeMap<i32, i64> =
        world.progress().iter().map(|(number, it)| (*number, it.get_i64("next").unwrap_or(0))).collect();
    let mongo = lock(&world.mongo);
    let parked = mongo.all("weir.parked");
    let mut model = Model::with(parked.iter().filter_map(|letter| Some((letter_name(letter)?, of(letter)))).collect());
    let refused: BTreeSet<String> = parked
        .iter()
        .filter(|letter| letter.get_str("reason").is_ok_and(|reason| reason == "beyond-ledger"))
        .filter_map(|letter| letter_name(letter))
        .collect();
    let accounted = || {
        world.logs.iter().enumerate().flat_map(|(partition, log)| {
            let next = i32::try_from(partition).ok().and_then(|number| progress.get(&number)).copied().unwrap_or(0);
            let there = log.iter().filter(move |logged| world.is_accounted_for(partition, logged, next));
            there.map(move |logged| (partition, record_name(partition, logged.offset), logged))
        })
    };
    let tallied = tallied(&mongo);
    for (partition, name, logged) in accounted() {
        if let Produced::Event { id, kind: EventKind::Tally, number, created_at_ms, .. } = &logged.produced
            && refused.contains(&name)
            && *created_at_ms < forgotten_before_ms(world, partition, logged.at_ms)
        {
            model.refused(id, tallied.contains(number));
        }
    }
    for (partition, name, logged) in accounted() {
        let before_ms = forgotten_before_ms(world, partition, logged.at_ms);
        let forgotten = Forgotten { before_ms, is_refused: refused.contains(&name) };
        model.record((partition, name), &logged.produced, forgotten);
    }
    let Model { expected, mut faults, .. } = model;
    for collection in COLLECTIONS {
        let found: BTreeMap<String, Arc<Document>> =
            mongo.all(&format!("data.{collection}")).into_iter().map(|document| (name(&document), document)).collect();
        let wanted = expected.documents.iter().filter(|((of, _), _)| *of == collection);
        let wanted: BTreeMap<&str, &Document> = wanted.map(|((_, id), document)| (id.as_str(), document)).collect();
        compare(collection, &found, &wanted, &mut faults);
    }
    letters(&parked, &expected, &mut faults);
    faults
}

/// Returns the numbers of the events that may come in two partitions and have taken effect.
fn tallied(mongo: &Mongo) -> BTreeSet<i64> {
    let seen = |document: &Arc<Document>| document.get_array("seen").cloned().unwrap_or_default();
    mongo.all("data.tallies").iter().flat_map(seen).filter_map(|number| number.as_i64()).collect()
}

/// Compares a collection with what must be in it.
fn compare(
    collection: &str,
    found: &BTreeMap<String, Arc<Document>>,
    wanted: &BTreeMap<&str, &Document>,
    faults: &mut Vec<Fault>,
) {
    for (id, wanted) in wanted {
        match found.get(*id) {
            Some(found) if **found == **wanted => {}
            Some(found) => {
                let (arranged, asked) = (arranged(collection, found), arranged(collection, wanted));
                if arranged == asked {
                    continue;
                }
                let shown = shown_by(collection, &arranged, &asked);
                let what = format!("{collection} {id}: {found}, and must be {wanted}");
                faults.extend(shown.into_iter().map(|broken| Fault::new(broken, what.clone())));
            }
            None => faults.push(Fault::new(Broken::Lost, format!("{collection} {id} is missing: {wanted}"))),
        }
    }
    let more = found.keys().filter(|id| !wanted.contains_key(id.as_str()));
    faults.extend(more.map(|id| Fault::new(Broken::Unaccounted, format!("{collection} {id} should not be there"))));
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
fn letters(parked: &[Arc<Document>], expected: &Expected, faults: &mut Vec<Fault>) {
    let mut found = BTreeMap::new();
    for document in parked {
        let reason = document.get_str("reason").unwrap_or_default();
        match letter_name(document) {
            Some(name) if expected.may_be_dead.contains(&name) || expected.known.contains(&name) => {}
            Some(name) => drop(found.insert(name, reason)),
            None => faults.push(Fault::new(Broken::WronglyDead, format!("a letter without a name: {document}"))),
        }
    }
    for (name, reason) in &expected.parked {
        match found.get(name) {
            Some(there) if there == reason => {}
            Some(there) => {
                faults.push(Fault::new(Broken::WronglyDead, format!("{name} must be {reason}, and is {there}")));
            }
            None => faults.push(Fault::new(Broken::NotDead, format!("{name} must be {reason}, and is not"))),
        }
    }
    let more = found.iter().filter(|(name, _)| !expected.parked.contains_key(*name));
    faults.extend(
        more.map(|(name, reason)| Fault::new(Broken::WronglyDead, format!("{name} is {reason}, and should not be"))),
    );
}

fn of(letter: &Document) -> Letter {
    let text = |name| letter.get_str(name).unwrap_or_default().to_owned();
    Letter { state: text("state"), reason: text("reason"), attempt: letter.get_i32("attempt").unwrap_or(-1).into() }
}

fn letter_name(letter: &Document) -> Option<String> {
    let id = letter.get_document("_id").ok()?;
    if let (Ok(event), Ok(handler)) = (id.get_str("event_id"), id.get_i32("handler")) {
        return Some(delivery_name(event, handler));
    }
    let number = number_of(id.get_str("topic").unwrap_or_default(), id.get_i32("partition").unwrap_or(-1));
    let partition = usize::try_from(number).unwrap_or(usize::MAX);
    Some(record_name(partition, id.get_i64("offset").unwrap_or(-1)))
}

/// Counts the letters by their reasons.
pub(crate) fn count_letters(world: &World) {
    for letter in lock(&world.mongo).all("weir.parked") {
        world.kernel.count(counted(letter.get_str("reason").unwrap_or_default()));
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
        "slow" => "letter: slow",
        "unauthorized" => "letter: unauthorized",
        "host-crash" => "letter: host-crash",
        _ => "letter: another",
    }
}
