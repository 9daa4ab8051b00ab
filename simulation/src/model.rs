//! What must have become of the records, computed from the logs alone by code that shares nothing with Weir.

use std::collections::{BTreeMap, BTreeSet};

use bson::{Bson, Document, doc};

use crate::broken::{Broken, Fault};
use crate::kinds::{
    COUNTS, EventKind, FRAGILE, LONG, READS, RETRIES, TOTALS, failures_of, handlers_of, last_row, line_of,
    shared_entry, shared_id,
};

/// A record as it was produced.
#[derive(Debug, Clone)]
pub(crate) enum Produced {
    Event {
        id: String,
        kind: EventKind,
        aggregate: String,
        number: i64,
        created_at_ms: i64,
        /// Whether the row's own time is part of the hash.
        has_created_at: bool,
    },
    Ignored,
    Undecodable,
}

/// A parked delivery as MongoDB has it.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) attempt: i64,
}

/// What must be there at the end.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// By collection and `_id`.
    pub(crate) documents: BTreeMap<(&'static str, String), Document>,
    /// The reasons, by record, event and handler.
    pub(crate) parked: BTreeMap<String, &'static str>,
    /// Dead letters that may or may not be there: of an event that was repeated after it may have been forgotten, or
    /// that is already dead.
    pub(crate) may_be_dead: BTreeSet<String>,
    /// Deliveries whose letters are as they may be.
    pub(crate) known: BTreeSet<String>,
}

/// What distinguishes one event from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hash {
    aggregate: String,
    kind: EventKind,
    created_at_ms: Option<i64>,
}

/// What a record's age means for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forgotten {
    /// An event that was created before this may have been forgotten by the time the record is read.
    pub(crate) before_ms: i64,
    /// Whether it was refused for that reason. How far the ledger has come by then is chance. But it must never refuse
    /// what it cannot have forgotten, and never run again what it has.
    pub(crate) is_refused: bool,
}

/// The model's own state while it processes the records.
#[derive(Debug, Default)]
pub(crate) struct Model {
    first: BTreeMap<String, Hash>,
    pub(crate) expected: Expected,
    refused: BTreeSet<String>,
    /// The events of two partitions of which a copy was refused, as it may be, and whether another one was accepted.
    /// Which copy was read first is chance.
    by_chance: BTreeMap<String, bool>,
    /// What is parked, by delivery. The model cannot tell when an attempt is made, but what must follow from it.
    letters: BTreeMap<String, Letter>,
    /// The aggregates of each partition and line that something parked holds.
    held: BTreeSet<(usize, i32, String)>,
    pub(crate) faults: Vec<Fault>,
}

/// Returns the name of a record. No dead letter is about a record of a recreated topic whose offset the old one had.
pub(crate) fn record_name(partition: usize, offset: i64) -> String {
    format!("record {partition}/{offset}")
}

pub(crate) fn delivery_name(event: &str, handler: i32) -> String {
    format!("{event} for {handler}")
}

/// Returns a document as far as its order is decided: there is none between the entries of `tallies`, because their
/// events come in several partitions.
pub(crate) fn arranged(collection: &str, document: &Document) -> Document {
    match collection {
        "shared" => by_aggregate(document),
        "tallies" => {
            let mut seen = document.get_array("seen").cloned().unwrap_or_default();
            seen.sort_by_key(Bson::as_i64);
            let mut arranged = document.clone();
            arranged.insert("seen", seen);
            arranged
        }
        _ => document.clone(),
    }
}

/// Returns a shared document with the entries of each aggregate separated. There is no order between aggregates, but
/// within each the order must hold.
fn by_aggregate(document: &Document) -> Document {
    let mut seen = document.get_array("seen").cloned().unwrap_or_default();
    let aggregate = |entry: &Bson| entry.as_str().and_then(|it| it.split(':').next()).unwrap_or_default().to_owned();
    seen.sort_by_key(aggregate);
    let mut apart = document.clone();
    apart.insert("seen", seen);
    apart
}

impl Model {
    pub(crate) fn with(letters: BTreeMap<String, Letter>) -> Self {
        Self { letters, ..Self::default() }
    }

    /// Notes that a copy of an event was refused, as it may be. This must be known of all records before the first is processed.
    pub(crate) fn refused(&mut self, id: &str, took_effect: bool) {
        let is_parked =
            handlers_of(EventKind::Tally).iter().any(|handler| self.letters.contains_key(&delivery_name(id, *handler)));
        self.by_chance.insert(id.to_owned(), took_effect || is_parked);
    }

    /// Processes the next record of a partition, in the order of its log.
    pub(crate) fn record(&mut self, (partition, name): (usize, String), produced: &Produced, forgotten: Forgotten) {
        let (id, kind, aggregate, number, created_at_ms, has) = match produced {
            Produced::Ignored => return,
            Produced::Undecodable => {
                self.expected.parked.insert(name, "undecodable");
                return;
            }
            Produced::Event { id, kind, aggregate, number, created_at_ms, has_created_at } => {
                (id, *kind, aggregate, *number, *created_at_ms, *has_created_at)
            }
        };
        let hash = Hash { aggregate: aggregate.clone(), kind, created_at_ms: has.then_some(created_at_ms) };
        let may_be_forgotten = created_at_ms < forgotten.before_ms;
        if let Some(known) = self.first.get(id) {
            if may_be_forgotten {
                self.expected.may_be_dead.insert(name);
            } else if *known != hash {
                self.dead(name, id, "id-conflict");
            }
            return;
        }
        if self.refused.contains(id) {
            self.expected.may_be_dead.insert(name);
            return;
        }
        if let Some(is_accepted) = self.by_chance.get(id)
            && (!is_accepted || (may_be_forgotten && forgotten.is_refused))
        {
            self.expected.may_be_dead.insert(name);
            return;
        }
        if may_be_forgotten && forgotten.is_refused {
            self.dead(name, id, "beyond-ledger");
            return;
        }
        self.first.insert(id.clone(), hash);
        for handler in handlers_of(kind) {
            self.delivery((partition, delivery_name(id, *handler)), *handler, kind, (aggregate, number));
        }
    }

    /// Records a dead letter. If the event was dead before, perhaps in the same batch, a second letter is allowed but
    /// not required.
    fn dead(&mut self, name: String, event: &str, reason: &'static str) {
        if self.refused.insert(event.to_owned()) {
            self.expected.parked.insert(name, reason);
        } else {
            self.expected.may_be_dead.insert(name);
        }
    }

    /// Accounts for a delivery as it must be, given what is parked now.
    fn delivery(
        &mut self,
        (partition, name): (usize, String),
        handler: i32,
        kind: EventKind,
        (aggregate, number): (&str, i64),
    ) {
        let letter = self.letters.get(&name).cloned();
        let line = (partition, line_of(handler), aggregate.to_owned());
        let is_held = self.held.contains(&line);
        let Some(letter) = letter else {
            if is_held && kind != EventKind::Tally {
                let what = format!(
                    "{name} ({kind:?}) has taken effect, although an earlier event of {aggregate} in {partition} is parked"
                );
                self.faults.push(Fault::new(Broken::OutOfOrder, what));
            }
            if let Err(reason) = self.deliver(handler, kind, aggregate, number) {
                self.expected.parked.insert(name, reason);
            }
            return;
        };
        let wrong = match letter.state.as_str() {
            // If nothing holds it any more, its turn is next.
            "waiting" => None,
            "parked" => {
                let fails = self.fails(handler, kind, (aggregate, number), &letter);
                (is_held || !fails || letter.attempt > i64::from(RETRIES)).then_some("parked")
            }
            "discarded" => (handler != FRAGILE).then_some("discarded"),
            "dead" => {
                let fails = self.fails(handler, kind, (aggregate, number), &letter);
                let too_early = kind == EventKind::Flaky && letter.attempt <= i64::from(RETRIES);
                (is_held || !fails || too_early).then_some("dead")
            }
            _ => Some("in a state that does not exist"),
        };
        let holds =
            matches!(letter.state.as_str(), "waiting" | "parked") || (letter.state == "dead" && handler == FRAGILE);
        // One that comes in two partitions waits in the one that was read first, which the model does not know.
        if holds && kind != EventKind::Tally {
            self.held.insert(line);
        }
        if let Some(wrong) = wrong {
            let what = format!("{name} is {wrong}, and must not be: {letter:?}");
            self.faults.push(Fault::new(Broken::WronglyDead, what));
        }
        self.expected.known.insert(name);
    }

    /// Whether the delivery fails as the letter says.
    fn fails(&mut self, handler: i32, kind: EventKind, (aggregate, number): (&str, i64), letter: &Letter) -> bool {
        if kind == EventKind::Flaky {
            return letter.reason == "retry" && (1..=failures_of(number)).contains(&letter.attempt);
        }
        self.deliver(handler, kind, aggregate, number) == Err(letter.reason.as_str())
    }

    fn deliver(&mut self, handler: i32, kind: EventKind, aggregate: &str, number: i64) -> Result<(), &'static str> {
        match (kind, handler) {
            (EventKind::Count | EventKind::Deadly | EventKind::Stuck | EventKind::Effect, TOTALS) => {
                let all = self.document("totals", "all");
                all.insert("n", all.get_i32("n").unwrap_or(0) + 1);
            }
            (EventKind::Count | EventKind::Change, COUNTS) => self.listed("counts", aggregate, Bson::Int64(number)),
            (EventKind::Change, READS) => self.listed("changed", aggregate, Bson::Int64(number)),
            (EventKind::Shared, _) => {
                self.listed("shared", &shared_id(number), Bson::String(shared_entry(aggregate, number)));
            }
            (EventKind::Make, _) => {
                let made = self.document("made", aggregate);
                made.insert("made", made.get_i32("made").unwrap_or(0) + 1);
            }
            (EventKind::Must, _) => {
                if !self.has("made", aggregate) {
                    return Err("must-match");
                }
                push(self.document("made", aggregate), Bson::Int64(number));
            }
            (EventKind::Effect, _) => {
                let matched = u8::from(self.has("effects", aggregate));
                self.listed("effects", aggregate, Bson::String(format!("{number}:{matched}")));
            }
            (EventKind::Query, _) => {
                let of = |document: &Document| document.get_str("aggregate").is_ok_and(|of| of == aggregate);
                let queried = self.expected.documents.iter().filter(|((name, _), _)| *name == "queried");
                let before = i64::try_from(queried.filter(|(_, document)| of(document)).count()).unwrap_or(-1);
                let made = doc! { "_id": number, "aggregate": aggregate, "before": before };
                self.expected.documents.insert(("queried", number.to_string()), made);
            }
            (EventKind::Once, _) => {
                if self.has("once", aggregate) {
                    return Err("refused");
                }
                *self.document("once", aggregate) = doc! { "_id": aggregate, "by": number };
            }
            (EventKind::Flaky, _) => {
                let seen = format!("{number}:{}", failures_of(number) + 1);
                self.listed("fragile", aggregate, Bson::String(seen));
            }
            (EventKind::Reject | EventKind::Broken, _) => return Err("reject"),
            (EventKind::Huge, COUNTS) => {
                self.listed("beside", aggregate, Bson::Int64(number));
                self.document("beside", aggregate).insert("text", LONG);
            }
            (EventKind::Huge | EventKind::Stuck, _) => return Err("too-large"),
            (EventKind::Tally, _) => self.listed("tallies", aggregate, Bson::Int64(number)),
            (EventKind::Row | EventKind::Raise | EventKind::Clear, _) => self.rows(kind, aggregate, number),
            (EventKind::Falls, _) => {
                let once = format!("once {aggregate}");
                if self.has("fallen", &once) {
                    return Err("refused");
                }
                *self.document("fallen", &once) = doc! { "_id": &once, "by": number };
                self.document("fallen", aggregate).insert("n", 1);
            }
            (EventKind::Slow, _) => return Err("slow"),
            (EventKind::Secret, _) => return Err("unauthorized"),
            (EventKind::Deadly, _) => return Err("host-crash"),
            _ => {}
        }
        Ok(())
    }

    fn rows(&mut self, kind: EventKind, aggregate: &str, number: i64) {
        let is_row = |document: &Document| document.get_str("aggregate").is_ok_and(|of| of == aggregate);
        match kind {
            EventKind::Row => {
                let row = doc! { "_id": number, "aggregate": aggregate, "n": 0 };
                self.expected.documents.insert(("rows", number.to_string()), row);
                self.document("rows", &last_row(aggregate)).insert("by", number);
            }
            EventKind::Raise => {
                let all = self.expected.documents.iter_mut().filter(|((name, _), _)| *name == "rows");
                for (_, row) in all.filter(|(_, document)| is_row(document)) {
                    row.insert("n", row.get_i32("n").unwrap_or(0) + 1);
                }
            }
            _ if number % 2 == 0 => {
                self.expected.documents.retain(|(name, _), document| *name != "rows" || !is_row(document));
            }
            _ => drop(self.expected.documents.remove(&("rows", last_row(aggregate)))),
        }
    }

    fn has(&self, collection: &'static str, id: &str) -> bool {
        self.expected.documents.contains_key(&(collection, id.to_owned()))
    }

    fn document(&mut self, collection: &'static str, id: &str) -> &mut Document {
        let key = (collection, id.to_owned());
        self.expected.documents.entry(key).or_insert_with(|| doc! { "_id": id })
    }

    fn listed(&mut self, collection: &'static str, id: &str, seen: Bson) {
        let document = self.document(collection, id);
        document.insert("n", document.get_i32("n").unwrap_or(0) + 1);
        push(document, seen);
    }
}

fn push(document: &mut Document, value: Bson) {
    let mut seen = document.get_array("seen").cloned().unwrap_or_default();
    seen.push(value);
    document.insert("seen", seen);
}
