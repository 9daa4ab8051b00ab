//! A batch: which of its events run, how their deliveries ended, and the one transaction that follows. Pure.
//!
//! Invariant: the plan accounts for every delivery of every record up to where the batch is cut, and for nothing behind
//! it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::entry::{Entry, Item, Ledger, Origin, event_hash, record_digest, unsent_hash};
use super::outcome::{Decision, Failure};
use super::retried::{is_fatal, retried};
use super::routes::{Identity, Routes};
use super::slot::{Delivery, DeliveryRef, Fate, Outcome, Slot};
use super::statements::{self, Form};
use super::{forgotten, holding, parked};
use crate::call::Fault;
use crate::documents::Pending;
use crate::event::{Event, Unsent};
use crate::seeded::{self, Bug};
use crate::store::{
    Advance, Buckets, Claim, DEATHS_THAT_COUNT, Fence, Floors, LastRecord, Marker, MarkerKey, PartitionId, Plan,
    ReadById, Sequence, State, Write,
};

/// What follows from a run.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// The next delivery.
    Go,
    /// Run the same delivery again after a pause. A probe finds out whose fault it is.
    Again(Fault),
    /// Commit what is before this event. The event is the first of the next batch.
    Cut(&'static str),
    /// Run the event, which is the first of the batch, alone in a transaction.
    Alone(&'static str),
    /// Send away the line of this delivery.
    SendAway,
}

/// The facts that decide, together with the event itself, whether it is run and for whom.
#[expect(missing_debug_implementations, reason = "it has a function")]
pub struct Judge<'a> {
    /// The hashes of the events that the ledger has.
    pub seen: &'a HashMap<MarkerKey, i64>,
    /// The handlers of each event type.
    pub routes: &'a Routes,
    /// The claims under which the batch will be committed.
    pub heads: &'a BTreeMap<PartitionId, Claim>,
    /// The ledger's buckets.
    pub buckets: &'a Buckets,
    /// Up to where the ledger may have forgotten events, for the topics in doubt.
    pub floors: &'a Floors,
    /// MongoDB's clock, in milliseconds since 1970, if MongoDB has told it.
    pub now_ms: Option<i64>,
    /// Tells whether a sequence of a line is held, by what was parked before or because the line is away. None if nothing
    /// is held.
    pub held: Option<&'a dyn Fn(i32, Sequence) -> bool>,
}

/// The most statements of a batch, and their most bytes. The last event may take the batch over these bounds.
const BATCH_WRITES: usize = 4_000;
const BATCH_WRITE_BYTES: usize = 16 << 20;
/// The most bytes that several deliveries of one event write together, because they are committed together. A host
/// holds about four times as much for each of two batches.
const EVENT_WRITE_BYTES: usize = 32 << 20;
/// The most bytes that a batch keeps besides: the texts of its failures, and the data that its reads by `_id` are
/// checked against.
const BATCH_KEPT_BYTES: usize = 16 << 20;

/// Whether the partition has lost owner after owner, so that its events run singly.
pub(super) fn is_suspect(claim: &Claim) -> bool {
    claim.deaths >= DEATHS_THAT_COUNT
}

/// Records on their way to one transaction.
#[derive(Debug, Clone)]
pub struct Batch {
    slots: Vec<Slot>,
    behind: Vec<Entry>,
    pending: Arc<Pending>,
    writes: usize,
    write_bytes: usize,
    kept_bytes: usize,
    /// MongoDB's clock when the batch was routed. Without it, no time of creation counts as ahead of now.
    now_ms: Option<i64>,
    /// The floors by which events were taken for new ones.
    floors: Floors,
    /// Its one event runs singly, because it may have killed hosts.
    singly: bool,
    /// When it was begun, by MongoDB's clock as far as this process can tell.
    begun_ms: Option<i64>,
    /// The sequences that a failure of this batch holds, and the delivery that failed.
    pub(super) blocked: HashMap<Sequence, DeliveryRef>,
}

impl Batch {
    /// Decides everything that does not need the ledger: records that are no events or cannot be read, and events that
    /// come twice, in this batch or in the one that is being committed. `in_flight` has the hashes of the latter.
    #[must_use]
    pub fn new(entries: Vec<Entry>, ledger: &Ledger, in_flight: Option<&HashMap<MarkerKey, i64>>) -> Self {
        let mut first: HashMap<MarkerKey, i64> = HashMap::new();
        let known = |first: &HashMap<MarkerKey, i64>, key: &MarkerKey| {
            first.get(key).or_else(|| in_flight.and_then(|in_flight| in_flight.get(key))).copied()
        };
        let slots = entries
            .into_iter()
            .map(|entry| {
                if let Origin::Parked(parked) = &entry.origin {
                    let fate = parked.fate();
                    return Slot { entry, fate };
                }
                let fate = match &entry.item {
                    Item::Ignored(_) => Fate::Ignored,
                    Item::Undecodable(what) => undecodable(&what.reason),
                    Item::Unsent(unsent) => {
                        let key = ledger.key_of(&unsent.id);
                        Fate::Unsent { key, first: known(&first, &key) }
                    }
                    Item::Event(event) => {
                        let (key, hash) = (ledger.key(event), event_hash(event));
                        let marker = Marker { key, bucket: 0, hash, handlers: Vec::new() };
                        let twice = known(&first, &key).filter(|_| !seeded::on(Bug::DuplicateInBatch));
                        if let Some(known) = twice {
                            Fate::Repeated { marker, first: known }
                        } else {
                            first.insert(marker.key, marker.hash);
                            Fate::Event { marker, deliveries: Vec::new() }
                        }
                    }
                };
                Slot { entry, fate }
            })
            .collect();
        let (behind, pending, now_ms, floors) = (Vec::new(), Arc::default(), None, Floors::default());
        let (writes, write_bytes, kept_bytes, singly) = (0, 0, 0, false);
        let (blocked, begun_ms) = (HashMap::new(), None);
        Self { slots, behind, pending, writes, write_bytes, kept_bytes, now_ms, floors, singly, begun_ms, blocked }
    }

    /// Returns the keys to look up in the ledger.
    #[must_use]
    pub fn keys(&self) -> Vec<MarkerKey> {
        let unsent = self.slots.iter().filter_map(|slot| match &slot.fate {
            Fate::Unsent { key, .. } => Some(*key),
            _ => None,
        });
        self.markers().map(|marker| marker.key).chain(unsent).collect()
    }

    /// Returns the hashes of its events.
    #[must_use]
    pub fn hashes(&self) -> HashMap<MarkerKey, i64> {
        self.markers().map(|marker| (marker.key, marker.hash)).collect()
    }

    /// Returns the buckets of the ledger that it writes to.
    #[must_use]
    pub fn buckets(&self) -> BTreeSet<i64> {
        self.markers().map(|marker| marker.bucket).collect()
    }

    fn markers(&self) -> impl Iterator<Item = &Marker> {
        self.slots.iter().filter_map(|slot| match &slot.fate {
            Fate::Event { marker, .. } => Some(marker),
            _ => None,
        })
    }

    /// Takes out the events that the ledger has or may have forgotten, and gives the rest their handlers.
    pub fn route(&mut self, judge: &Judge<'_>) {
        self.now_ms = judge.now_ms;
        self.floors.clone_from(judge.floors);
        let first = self.slots.first().and_then(|slot| judge.heads.get(slot.entry.partition()));
        self.singly = first.is_some_and(is_suspect);
        let mut waiting: BTreeSet<Sequence> = BTreeSet::new();
        for slot in &mut self.slots {
            if let (Origin::Parked(parked), Fate::Retry(_)) = (&slot.entry.origin, &slot.fate) {
                let claim = judge.heads.get(slot.entry.partition());
                slot.fate = Fate::Retry(retried(parked, &slot.entry.item, judge.routes, claim));
                continue;
            }
            if let (Item::Unsent(unsent), Fate::Unsent { key, first }) = (&slot.entry.item, &slot.fate) {
                slot.fate = without_value(unsent, judge.seen.get(key).copied().or(*first));
                continue;
            }
            let Item::Event(event) = &slot.entry.item else { continue };
            if let Fate::Repeated { marker, first } = &slot.fate {
                let known = judge.seen.get(&marker.key).unwrap_or(first);
                slot.fate = repeated(&event.id, *known == marker.hash);
                continue;
            }
            let Fate::Event { marker, deliveries } = &mut slot.fate else { continue };
            let claim = judge.heads.get(slot.entry.partition());
            if let Some(hash) = judge.seen.get(&marker.key) {
                slot.fate = repeated(&event.id, *hash == marker.hash);
                continue;
            }
            let begins = claim.is_some_and(|claim| claim.highest_created_at_ms.is_none());
            let ignored = seeded::on(Bug::NoFloor) || (begins && seeded::on(Bug::NoFloorForNew));
            let floor_ms = judge.floors.of(&slot.entry.partition().topic).filter(|_| !ignored);
            if floor_ms.is_some_and(|floor_ms| event.created_at_ms < floor_ms) {
                let why = "created before what the ledger still remembers (LEDGER_RETENTION_HOURS), so nobody knows \
                           whether it took effect already";
                slot.fate = dead(Failure::new(State::Dead, "beyond-ledger", why));
                continue;
            }
            marker.bucket = judge.buckets.of(event.created_at_ms, judge.now_ms);
            let handlers = judge.routes.handlers(&event.event_type);
            marker.handlers = handlers.iter().map(|handler| (handler.id, handler.generation)).collect();
            let is_fatal = |handler: i32| is_fatal(claim, slot.entry.offset(), handler);
            *deliveries = handlers.iter().map(|handler| Delivery::new(handler, is_fatal(handler.id))).collect();
            let Some(held) = judge.held.filter(|_| !seeded::on(Bug::OvertakesParked)) else { continue };
            for delivery in deliveries {
                let Some((line, of)) = holding::in_line(&slot.entry, delivery) else { continue };
                // A lane may let the sequence go on meanwhile. Later events of it still wait for this one.
                delivery.waits = waiting.contains(&of) || held(line, of);
                if delivery.waits {
                    waiting.insert(of);
                }
            }
        }
        self.block_anew();
    }

    /// Returns the next delivery to run, or none if all have ended.
    #[must_use]
    pub fn next(&self, after: Option<DeliveryRef>) -> Option<DeliveryRef> {
        let from = after.map_or(0, |at| at.slot);
        self.slots.iter().enumerate().skip(from).find_map(|(slot, found)| {
            let deliveries = found.fate.deliveries().iter().enumerate();
            let mut places = deliveries.map(|(place, delivery)| (DeliveryRef { slot, place }, delivery));
            let runs = |(at, delivery): &(DeliveryRef, &Delivery)| {
                delivery.outcome.is_none() && !self.waits(*at, &found.entry, delivery)
            };
            places.find(runs).map(|(at, _)| at)
        })
    }

    /// Returns the event, its handler, the number of the attempt, and the time that the handler takes for now, which is
    /// `now_ms` if the attempt is begun only now.
    pub fn begin(&mut self, at: DeliveryRef, now_ms: i64) -> Option<Begun> {
        let slot = self.slots.get_mut(at.slot)?;
        let Item::Event(event) = &slot.entry.item else { return None };
        let delivery = slot.fate.deliveries().get(at.place)?;
        Some(Begun {
            event: Arc::clone(event),
            handler: Arc::clone(&delivery.handler),
            attempt: delivery.attempt,
            now_ms: *slot.entry.begun_ms.get_or_insert(now_ms),
        })
    }

    /// Notes when the batch was begun, by MongoDB's clock as far as this process can tell.
    pub(super) fn begun_at(&mut self, now_ms: Option<i64>) {
        self.begun_ms = now_ms;
    }

    /// Returns when the batch was begun, in milliseconds since 1970. MongoDB has told its clock with the first answer
    /// about the ledger.
    pub(super) fn judged_at_ms(&self) -> i64 {
        self.begun_ms.max(self.now_ms).unwrap_or(0)
    }

    /// Returns the record of the delivery if it runs singly.
    #[must_use]
    pub fn runs_singly(&self, at: DeliveryRef) -> Option<&Entry> {
        self.slots.get(at.slot).map(|slot| &slot.entry).filter(|_| self.singly)
    }

    /// Returns the deliveries that have not ended.
    #[must_use]
    pub fn unfinished(&self) -> Vec<DeliveryRef> {
        let is_left = |at: DeliveryRef, delivery: &Delivery| {
            delivery.outcome.is_none() && !self.waits(at, &self.slots[at.slot].entry, delivery)
        };
        self.deliveries().filter(|(at, delivery)| is_left(*at, delivery)).map(|(at, _)| at).collect()
    }

    /// Returns the handler that the delivery goes to.
    #[must_use]
    pub fn handler(&self, at: DeliveryRef) -> Option<Arc<Identity>> {
        self.slots.get(at.slot)?.fate.deliveries().get(at.place).map(|delivery| Arc::clone(&delivery.handler))
    }

    /// Has the deliveries of a line wait that have not run yet.
    pub(super) fn rest_waits(&mut self, line: i32) {
        for delivery in self.slots.iter_mut().flat_map(|slot| slot.fate.deliveries_mut()) {
            if delivery.handler.line == line && delivery.outcome.is_none() {
                delivery.waits = true;
            }
        }
    }

    /// Returns the pending writes of the deliveries that succeeded.
    #[must_use]
    pub fn pending(&self) -> Arc<Pending> {
        Arc::clone(&self.pending)
    }

    /// Applies the decision about a run to the batch.
    pub fn ran(&mut self, at: DeliveryRef, decision: Decision, writes: Vec<Write>, reads: Vec<ReadById>) -> Next {
        let outcome = match decision {
            Decision::Again(fault) => return Next::Again(fault),
            Decision::NeedsCommit => return self.cut_before(at, "a read of what is pending"),
            Decision::NeedsAlone(why) => return self.cut_before(at, why),
            Decision::SendAway => return Next::SendAway,
            Decision::Accept if self.is_too_much(at, &writes) => {
                Outcome::Failed(Box::new(Failure::too_large(format!(
                    "the deliveries of one event are committed together, and with this one they would write more than {} MiB",
                    EVENT_WRITE_BYTES >> 20
                ))))
            }
            Decision::Accept => Outcome::Committed,
            Decision::Skip(_) => Outcome::Skipped,
            Decision::Fail(failure) => Outcome::Failed(failure),
        };
        let accepted = matches!(outcome, Outcome::Committed);
        self.kept_bytes += reads.iter().map(ReadById::bytes).sum::<usize>();
        if let Outcome::Failed(failure) = &outcome {
            self.kept_bytes += failure.bytes();
        }
        if accepted {
            self.writes += writes.iter().map(|write| write.statements.len()).sum::<usize>();
            self.write_bytes += writes.iter().map(Write::bytes).sum::<usize>();
        }
        if accepted && !writes.is_empty() {
            let pending = Arc::make_mut(&mut self.pending);
            for write in &writes {
                pending.note(write);
            }
        }
        if let Some(delivery) = self.delivery_mut(at) {
            delivery.outcome = Some(outcome);
            // The transaction checks its reads even if it failed or was skipped, because they may be the reason.
            delivery.reads = reads;
            if accepted {
                delivery.writes = writes;
            }
        }
        self.block(at);
        Next::Go
    }

    /// Whether the delivery's writes will be committed.
    #[must_use]
    pub(super) fn is_accepted(&self, at: DeliveryRef) -> bool {
        self.deliveries().any(|(found, delivery)| found == at && matches!(delivery.outcome, Some(Outcome::Committed)))
    }

    /// Whether these writes of one more delivery would make the event write too much. A single delivery is bounded by
    /// its handler's limits.
    fn is_too_much(&self, at: DeliveryRef, writes: &[Write]) -> bool {
        let Some(deliveries) = self.slots.get(at.slot).map(|slot| slot.fate.deliveries()) else { return false };
        let of_all = |writes: &[Write]| writes.iter().map(Write::bytes).sum::<usize>();
        let others = deliveries.iter().enumerate().filter(|(place, _)| *place != at.place);
        let before: usize = others.map(|(_, delivery)| of_all(&delivery.writes)).sum();
        before > 0 && before + of_all(writes) > EVENT_WRITE_BYTES
    }

    /// Ends the batch before an event: the records before it commit first. If there are none, the event runs alone.
    fn cut_before(&mut self, at: DeliveryRef, why: &'static str) -> Next {
        let half_done = at.place > 0 && seeded::on(Bug::HalfDone);
        if at.slot == 0 && !half_done {
            return Next::Alone(why);
        }
        self.cut(if half_done { at.slot + 1 } else { at.slot });
        Next::Cut(why)
    }

    /// Leaves the records from `slot` on to the next batch.
    pub fn cut(&mut self, slot: usize) {
        let mut rest: Vec<Entry> = self.slots.drain(slot..).map(|slot| slot.entry).collect();
        rest.append(&mut self.behind);
        self.behind = rest;
    }

    /// Fails a delivery whatever its run came to. The next plan is without its writes.
    pub fn fail(&mut self, at: DeliveryRef, failure: Failure) {
        if let Some(delivery) = self.delivery_mut(at) {
            delivery.outcome = Some(Outcome::Failed(Box::new(failure)));
            delivery.writes.clear();
        }
        self.block_anew();
    }

    /// Fails a delivery for the time being. Returns it as it was, for [`Batch::restore`].
    pub(super) fn leave_out(&mut self, at: DeliveryRef, failure: Failure) -> Option<Delivery> {
        let before = self.delivery_mut(at).cloned();
        self.fail(at, failure);
        before
    }

    /// Puts back a delivery that was left out.
    pub(super) fn restore(&mut self, at: DeliveryRef, before: Delivery) {
        if let Some(delivery) = self.delivery_mut(at) {
            *delivery = before;
        }
        self.block_anew();
    }

    /// Whether its deliveries have written as much as one transaction should hold, or keep as much memory as one host
    /// should.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.writes >= BATCH_WRITES || self.write_bytes >= BATCH_WRITE_BYTES || self.kept_bytes >= BATCH_KEPT_BYTES
    }

    /// Forgets the deliveries that succeeded, so that they run again. Those that failed or were skipped stay so.
    pub fn forget_commits(&mut self) {
        self.forget(|delivery| matches!(delivery.outcome, Some(Outcome::Committed)));
    }

    /// Forgets every run. A delivery that was decided without one, for instance because hosts died of it, stays so.
    pub fn forget_runs(&mut self) {
        self.forget(|delivery| !delivery.decided);
    }

    fn forget(&mut self, which: impl Fn(&Delivery) -> bool) {
        self.pending = Arc::default();
        (self.writes, self.write_bytes, self.kept_bytes) = (0, 0, 0);
        for delivery in self.slots.iter_mut().flat_map(|slot| slot.fate.deliveries_mut()) {
            if which(delivery) {
                delivery.outcome = None;
            }
            delivery.writes.clear();
            delivery.reads.clear();
        }
        self.block_anew();
    }

    /// Returns how many records of the log it holds.
    #[must_use]
    pub fn of_log(&self) -> usize {
        self.slots.iter().filter(|slot| slot.entry.is_of_log()).count()
    }

    /// Returns how many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns its records and their fates.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Returns its records and those that were cut off, for another try.
    #[must_use]
    pub fn into_entries(self) -> Vec<Entry> {
        self.slots.into_iter().map(|slot| slot.entry).chain(self.behind).collect()
    }

    /// Takes the records that were cut off, for the next batch.
    pub fn take_behind(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.behind)
    }

    /// Returns the one transaction that accounts for the batch. Partitions without a claim are not in it: the caller
    /// has taken their records out.
    #[must_use]
    pub fn plan(&self, claims: &BTreeMap<PartitionId, Claim>, ledger: &Ledger, form: Form, now_ms: i64) -> Plan {
        let counted = || self.deliveries().enumerate().filter(|(_, (at, delivery))| self.counts(*at, delivery));
        let writes = counted().flat_map(|(number, (_, it))| it.writes.iter().map(move |write| (number, write)));
        let advances = self.advances(claims);
        let floors = forgotten::fences(&self.floors, &advances);
        let mut plan = Plan {
            fences: advances.into_iter().map(Fence::Progress).chain(floors.into_iter().map(Fence::Floor)).collect(),
            checks: counted().flat_map(|(_, (_, delivery))| delivery.reads.iter().cloned()).collect(),
            commands: statements::commands(writes, form),
            ..Plan::default()
        };
        for (number, slot) in self.slots.iter().enumerate() {
            if let Fate::Event { marker, .. } = &slot.fate
                && !seeded::on(Bug::NoLedger)
                && !(seeded::on(Bug::DuplicateInBatch) && plan.markers.iter().any(|known| known.key == marker.key))
            {
                plan.markers.push(marker.clone());
            }
            parked::add(&mut plan, self, (number, slot), ledger, now_ms);
        }
        plan
    }

    /// Whether the delivery's writes and reads count, because it does not wait.
    pub(super) fn counts(&self, at: DeliveryRef, delivery: &Delivery) -> bool {
        !self.waits(at, &self.slots[at.slot].entry, delivery)
    }

    /// Returns how the deliveries that have run ended: the handler, and its failure if the sandbox stopped it.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&Identity, Option<&Failure>)> {
        let ran = self.deliveries().filter(|(at, delivery)| !delivery.decided && self.counts(*at, delivery));
        ran.filter_map(|(_, delivery)| match delivery.outcome.as_ref()? {
            Outcome::Failed(failure) => {
                Some((&*delivery.handler, Some(&**failure).filter(|failure| failure.was_stopped)))
            }
            Outcome::Committed | Outcome::Skipped => Some((&*delivery.handler, None)),
        })
    }

    /// Returns how the batch advances each claim once the plan is committed.
    #[must_use]
    pub fn advances(&self, claims: &BTreeMap<PartitionId, Claim>) -> Vec<Advance> {
        // The last record of each partition, and the highest time of creation.
        let mut order: Vec<(&Entry, Option<i64>)> = Vec::new();
        let (of_log, parked): (Vec<&Slot>, Vec<&Slot>) = self.slots.iter().partition(|slot| slot.entry.is_of_log());
        for slot in of_log {
            let entry = &slot.entry;
            let created_at_ms = match &entry.item {
                Item::Event(event) if !matches!(&slot.fate, Fate::Dead(_)) => {
                    Some(self.now_ms.map_or(event.created_at_ms, |now_ms| event.created_at_ms.min(now_ms)))
                }
                _ => None,
            };
            match order.iter_mut().find(|(last, _)| last.partition() == entry.partition()) {
                Some((last, highest_ms)) => (*last, *highest_ms) = (entry, created_at_ms.max(*highest_ms)),
                None => order.push((entry, created_at_ms)),
            }
        }
        for entry in parked.into_iter().map(|slot| &slot.entry) {
            if order.iter().all(|(last, _)| last.partition() != entry.partition()) {
                order.push((entry, None));
            }
        }
        let advance = |(entry, highest_created_at_ms): (&Entry, Option<i64>)| {
            let (partition, offset, claim) =
                (entry.partition().clone(), entry.offset(), claims.get(entry.partition())?.clone());
            if !entry.is_of_log() {
                let to = claim.next;
                return Some(Advance { partition, claim, to, last: None, highest_created_at_ms });
            }
            let event_id = match &entry.item {
                Item::Event(event) => Some(event.id.clone()),
                _ => None,
            };
            let (timestamp_ms, digest) = (entry.raw.timestamp_ms, Some(record_digest(&entry.raw)));
            let last = Some(LastRecord { offset, event_id, timestamp_ms, digest });
            Some(Advance { partition, claim, to: offset + 1, last, highest_created_at_ms })
        };
        order.into_iter().filter_map(advance).collect()
    }

    pub(super) fn deliveries(&self) -> impl Iterator<Item = (DeliveryRef, &Delivery)> {
        self.slots.iter().enumerate().flat_map(|(slot, found)| {
            let deliveries = found.fate.deliveries();
            deliveries.iter().enumerate().map(move |(place, delivery)| (DeliveryRef { slot, place }, delivery))
        })
    }

    fn delivery_mut(&mut self, at: DeliveryRef) -> Option<&mut Delivery> {
        self.slots.get_mut(at.slot)?.fate.deliveries_mut().get_mut(at.place)
    }
}

/// A delivery that is about to run.
#[derive(Debug)]
pub struct Begun {
    /// The event.
    pub event: Arc<Event>,
    /// The handler.
    pub handler: Arc<Identity>,
    /// The number of the attempt. The first is 1.
    pub attempt: u32,
    /// The time that the handler takes for now, in milliseconds since 1970.
    pub now_ms: i64,
}

fn repeated(id: &str, same: bool) -> Fate {
    if same || seeded::on(Bug::HashIgnored) {
        return Fate::Duplicate;
    }
    let what =
        format!("the id {id} is another event's: aggregate, type or time of creation differ from those of the first");
    dead(Failure::new(State::Dead, "id-conflict", what))
}

/// Decides the fate of an event that was not sent whole. `known` is the hash of the event that has its id.
fn without_value(unsent: &Unsent, known: Option<i64>) -> Fate {
    match (known, &unsent.told_by) {
        (Some(known), Some(told_by)) => repeated(&unsent.id, known == unsent_hash(told_by)),
        (Some(_), None) => Fate::Duplicate,
        (None, _) => undecodable(&format!("{}, and the ledger does not know the event's id", unsent.why.reason)),
    }
}

fn undecodable(text: &str) -> Fate {
    dead(Failure::of_text(State::Dead, "undecodable", text))
}

fn dead(failure: Failure) -> Fate {
    Fate::Dead(Box::new(failure))
}
