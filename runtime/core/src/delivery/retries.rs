//! The held sequences of one line, in the partitions that this process owns, and which parked deliveries are tried next.
//! Pure.
//!
//! `lines` reads a partition's sequences once, after its claim and before the first of its records is judged. From then
//! on only this process changes them, and notes each change with the commit that makes it. Only a time is kept of each
//! sequence: what is parked in it is read when that time has come.
//!
//! Two committers use this: the group's holds back later events of what is held, and the line's lane tries again what is
//! parked. A sequence is forgotten only if a look at MongoDB finds nothing parked in it and nothing was noted of it since
//! that look began. So it may be taken for held for a while after its release, which parks a later event for a moment,
//! but never the other way round.
//!
//! Invariant: a sequence is released from its first delivery on, in order, and by one batch at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::backlog::BATCH_BYTES;
use super::batch::Batch;
use super::context::{Context, PAUSE};
use super::decoder::Decoder;
use super::entry::{Entry, Item, Origin, Parked};
use super::handlers::Handlers;
use super::holding::Goes;
use super::in_flight::Heads;
use super::policy::{Failed, Retry};
use super::stops::Turn;
use crate::event::{Ignored, RawRecord, Undecodable};
use crate::seeded::{self, Bug};
use crate::store::{Action, Error, Held, PartitionId, Sequence, State};
use crate::telemetry::health::MONGODB;

/// The most parked deliveries that one batch takes.
const AT_ONCE: i64 = 200;
/// The most sequences that they belong to.
const SEQUENCES: usize = 64;
/// The shortest wait for a delivery that is due.
const SHORTEST: Duration = Duration::from_millis(25);
/// The longest wait, and how often to look for what somebody has asked for.
pub(super) const ASK: Duration = Duration::from_secs(1);
/// What has been due for so long is late.
const LATE_MS: i64 = 1_000;
/// The time of a sequence whose first delivery must be looked up.
const AT_ONCE_MS: i64 = i64::MIN;
/// The time of a sequence that goes on only if somebody retries or discards its first delivery.
const NEVER_MS: i64 = i64::MAX;

#[derive(Debug)]
pub(super) struct Retries {
    context: Arc<Context>,
    handlers: Arc<dyn Handlers>,
    decoder: Arc<dyn Decoder>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Each held sequence.
    held: HashMap<Sequence, Waits>,
    /// How many there are of each partition.
    counts: BTreeMap<PartitionId, usize>,
    /// The same in the order of the times.
    by_time: BTreeSet<(i64, Sequence)>,
    /// What somebody has asked for about documents that hold no sequence, or to discard one.
    requested: Vec<Held>,
    /// MongoDB's clock, and when it was heard.
    heard: Option<(i64, Duration)>,
    /// How many sequences to look up at once. Fewer if those looked up last had more deliveries than one batch takes.
    most: usize,
    /// The partitions of which nothing is tried, because they will be given back.
    resting: BTreeSet<PartitionId>,
    /// How many changes were noted.
    noted: u64,
    /// Before this time, MongoDB is not asked again, because it did not answer.
    not_before: Duration,
}

/// What is known of a held sequence.
#[derive(Debug)]
struct Waits {
    partition: PartitionId,
    /// When it goes on, in milliseconds since 1970.
    at_ms: i64,
    /// The number of the last change of it that was noted.
    noted: u64,
}

/// The parked deliveries of a batch, by sequence and by key.
#[derive(Debug, Default)]
pub(super) struct Busy {
    sequences: BTreeSet<Sequence>,
    keys: BTreeSet<String>,
}

impl Busy {
    pub(super) fn of(batch: &Batch) -> Self {
        let mut busy = Self::default();
        for slot in batch.slots() {
            if let Origin::Parked(parked) = &slot.entry.origin {
                busy.sequences.extend(parked.held.sequence);
                busy.keys.insert(parked.held.key.clone());
            }
        }
        busy
    }

    fn has(&self, held: &Held) -> bool {
        self.keys.contains(&held.key) || held.sequence.is_some_and(|of| self.sequences.contains(&of))
    }
}

/// A parked delivery whose turn it is.
struct Tried {
    held: Held,
    /// The policy allows no further attempt.
    exhausted: bool,
}

impl Tried {
    fn now(held: Held) -> Self {
        Self { held, exhausted: false }
    }
}

/// What becomes of the first delivery of a sequence.
enum First {
    Runs,
    /// It is dead without another attempt.
    Exhausted,
    /// It must wait until this time.
    Later(i64),
}

impl Known {
    fn set(&mut self, sequence: Sequence, partition: &PartitionId, at_ms: i64) {
        let noted = self.held.get(&sequence).map_or(0, |waits| waits.noted);
        let waits = Waits { partition: partition.clone(), at_ms, noted };
        match self.held.insert(sequence, waits) {
            Some(before) => drop(self.by_time.remove(&(before.at_ms, sequence))),
            None => *self.counts.entry(partition.clone()).or_default() += 1,
        }
        if at_ms != NEVER_MS {
            self.by_time.insert((at_ms, sequence));
        }
    }

    /// Notes that something was parked or released in a sequence, so that an answer that was asked for before says
    /// nothing about it.
    fn touch(&mut self, sequence: Sequence) {
        self.noted += 1;
        if let Some(waits) = self.held.get_mut(&sequence) {
            waits.noted = self.noted;
        }
    }

    fn remove(&mut self, sequence: Sequence) {
        if let Some(waits) = self.held.remove(&sequence) {
            self.by_time.remove(&(waits.at_ms, sequence));
            if let Some(count) = self.counts.get_mut(&waits.partition) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&waits.partition);
                }
            }
        }
    }

    fn forget(&mut self, partition: &PartitionId) {
        let gone: Vec<Sequence> = self
            .held
            .iter()
            .filter(|(_, waits)| waits.partition == *partition)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in gone {
            self.remove(sequence);
        }
        self.requested.retain(|held| held.partition() != *partition);
    }

    /// Returns MongoDB's clock as far as this process can tell, in milliseconds since 1970.
    fn now_ms(&self, elapsed: Duration) -> i64 {
        let Some((at_ms, heard)) = self.heard else { return AT_ONCE_MS };
        at_ms.saturating_add(i64::try_from(elapsed.saturating_sub(heard).as_millis()).unwrap_or(i64::MAX))
    }
}

impl Retries {
    pub(super) fn new(context: Arc<Context>, handlers: Arc<dyn Handlers>, decoder: Arc<dyn Decoder>) -> Self {
        let known = Mutex::new(Known { most: SEQUENCES, ..Known::default() });
        Self { context, handlers, decoder, known }
    }

    /// Notes the first document of a sequence that is held in a partition, as it was read after the partition's claim.
    pub(super) fn found(&self, partition: &PartitionId, head: &Held) {
        let at_ms = match self.first(head, AT_ONCE_MS) {
            First::Runs | First::Exhausted => AT_ONCE_MS,
            First::Later(at_ms) => at_ms,
        };
        let Some(sequence) = head.sequence else { return };
        let mut known = self.known();
        known.set(sequence, partition, at_ms);
        known.touch(sequence);
    }

    /// Notes MongoDB's clock, and when it was heard.
    pub(super) fn hear(&self, heard: Option<(i64, Duration)>) {
        let mut known = self.known();
        known.heard = heard.or(known.heard);
    }

    /// Whether anything is held.
    pub(super) fn any(&self) -> bool {
        !self.known().held.is_empty()
    }

    /// Whether nothing has been due for longer than a moment.
    pub(super) fn has_caught_up(&self) -> bool {
        let known = self.known();
        let late_ms = known.now_ms(self.context.clock.elapsed()).saturating_sub(LATE_MS);
        known.by_time.first().is_none_or(|(at_ms, _)| *at_ms > late_ms)
    }

    /// Returns the partitions in which something is held or asked for.
    pub(super) fn partitions(&self) -> BTreeSet<PartitionId> {
        let known = self.known();
        let held = known.counts.keys().cloned();
        held.chain(known.requested.iter().map(Held::partition)).collect()
    }

    /// Whether the sequence is held.
    pub(super) fn holds(&self, sequence: Sequence) -> bool {
        self.known().held.contains_key(&sequence)
    }

    /// Notes that a batch is committed that has parked, released or tried again something of a sequence.
    pub(super) fn note(&self, partition: &PartitionId, sequence: Sequence, goes: Goes) {
        let mut known = self.known();
        // Those that have waited longer come first.
        let now_ms = known.now_ms(self.context.clock.elapsed());
        match goes {
            Goes::At(at_ms) => known.set(sequence, partition, at_ms),
            Goes::Never => known.set(sequence, partition, NEVER_MS),
            Goes::Behind if known.held.contains_key(&sequence) => {}
            Goes::LookUp | Goes::Behind => known.set(sequence, partition, now_ms),
        }
        if !seeded::on(Bug::ReleasedUnnoted) {
            known.touch(sequence);
        }
    }

    /// Takes what somebody has asked for, instead of what was asked for before.
    pub(super) fn ask(&self, requests: Vec<Held>) {
        let mut known = self.known();
        known.requested.clear();
        for held in requests {
            let retries = held.request.as_ref().is_some_and(|request| request.action == Action::Retry);
            match held.sequence {
                Some(sequence) if held.holds && retries => known.set(sequence, &held.partition(), AT_ONCE_MS),
                _ => known.requested.push(held),
            }
        }
    }

    /// Returns how long to wait for the next delivery that may be due, or for the next look at what somebody asks for.
    pub(super) fn wait(&self) -> Duration {
        let known = self.known();
        let elapsed = self.context.clock.elapsed();
        let now_ms = known.now_ms(elapsed);
        let first = known.by_time.first().map(|(at_ms, _)| at_ms.saturating_sub(now_ms).max(0));
        let wait = first.map_or(ASK, |wait_ms| Duration::from_millis(wait_ms.unsigned_abs()));
        wait.max(known.not_before.saturating_sub(elapsed)).clamp(SHORTEST, ASK)
    }

    /// Returns the parked deliveries that are to be tried now as far as it is their `turn`, each sequence in its order,
    /// and those that are to be discarded. `busy` are those of the batch that is being committed, and a batch takes
    /// `most`. Returns none if MongoDB does not answer: there is no hurry.
    pub(super) async fn due(&self, claims: &Heads, busy: &Busy, most: usize, turn: Turn) -> Vec<Entry> {
        if self.context.clock.elapsed() < self.known().not_before {
            return Vec::new();
        }
        match self.try_due(claims, busy, most, turn).await {
            Ok(entries) => entries,
            Err(error) => {
                tracing::debug!(%error, "parked_not_read");
                // While no events come, nothing else asks MongoDB.
                self.context.health.waiting_for(MONGODB, error.to_string());
                self.known().not_before = self.context.clock.elapsed() + PAUSE;
                Vec::new()
            }
        }
    }

    async fn try_due(&self, claims: &Heads, busy: &Busy, most: usize, turn: Turn) -> Result<Vec<Entry>, Error> {
        let most = AT_ONCE.min(i64::try_from(most).unwrap_or(AT_ONCE));
        let (mut parked, sequences) = self.wanted(claims, busy, turn);
        if !sequences.is_empty() {
            let noted = self.known().noted;
            let found = self.context.store.held(&sequences, most).await?;
            let is_whole = i64::try_from(found.len()).is_ok_and(|count| count < most);
            {
                let mut known = self.known();
                known.most = if is_whole { SEQUENCES } else { (known.most / 4).max(1) };
            }
            if is_whole {
                self.drop_released(&sequences, &found, noted);
            }
            self.first_of_each(found, &mut parked);
        }
        if turn == Turn::One {
            let runs = parked.iter().position(|tried| !discards(&tried.held) && !tried.exhausted);
            parked.truncate(runs.map_or(parked.len(), |first| first + 1));
        }
        self.entries(parked).await
    }

    /// Takes the requests that are to be done, and names the sequences whose time has come.
    fn wanted(&self, claims: &Heads, busy: &Busy, turn: Turn) -> (Vec<Tried>, Vec<Sequence>) {
        let elapsed = self.context.clock.elapsed();
        let mut known = self.known();
        let now_ms = known.now_ms(elapsed);
        let requested = std::mem::take(&mut known.requested);
        let is_free = |partition: &PartitionId| claims.contains_key(partition) && !known.resting.contains(partition);
        let may_run = |held: &Held| turn != Turn::Nothing && self.is_active(held);
        let may_be_done =
            |held: &Held| !busy.has(held) && is_free(&held.partition()) && (discards(held) || may_run(held));
        let (done, later): (Vec<Held>, Vec<Held>) = requested.into_iter().partition(may_be_done);
        let is_owned = |sequence: &Sequence| known.held.get(sequence).is_some_and(|waits| is_free(&waits.partition));
        let due = known.by_time.iter().take_while(|(at_ms, _)| *at_ms <= now_ms).map(|(_, sequence)| *sequence);
        let count = match turn {
            Turn::All => known.most,
            Turn::One => 1,
            Turn::Nothing => 0,
        };
        let sequences = due.filter(|of| !busy.sequences.contains(of) && is_owned(of)).take(count).collect();
        known.requested = later;
        (done.into_iter().map(Tried::now).collect(), sequences)
    }

    /// Forgets the sequences in which nothing was found. Of those in which something was parked since, which is after
    /// this many changes, nothing is known.
    fn drop_released(&self, asked: &[Sequence], found: &[Held], noted: u64) {
        let mut known = self.known();
        let gone = asked.iter().filter(|of| found.iter().all(|held| held.sequence != Some(**of)));
        for of in gone {
            if known.held.get(of).is_some_and(|waits| waits.noted <= noted) {
                known.remove(*of);
            }
        }
    }

    /// Adds from each sequence the deliveries that can be tried now: its first one, and those that wait behind it.
    fn first_of_each(&self, found: Vec<Held>, parked: &mut Vec<Tried>) {
        let mut known = self.known();
        let now_ms = known.now_ms(self.context.clock.elapsed());
        let mut open: Option<Sequence> = None;
        let mut last: Option<Sequence> = None;
        for held in found {
            let Some(sequence) = held.sequence else { continue };
            if last == Some(sequence) {
                if open == Some(sequence) && held.state == State::Waiting && self.is_active(&held) && !discards(&held) {
                    parked.push(Tried::now(held));
                } else {
                    open = None;
                }
                continue;
            }
            last = Some(sequence);
            open = None;
            match self.first(&held, now_ms) {
                First::Runs => {
                    open = Some(sequence);
                    parked.push(Tried::now(held));
                }
                First::Exhausted => parked.push(Tried { held, exhausted: true }),
                First::Later(at_ms) if known.held.contains_key(&sequence) => {
                    known.set(sequence, &held.partition(), at_ms);
                }
                First::Later(_) => {}
            }
        }
    }

    fn is_active(&self, held: &Held) -> bool {
        let version = held.handler.as_ref();
        version.is_some_and(|version| self.handlers.routes().handler(version.id, version.generation).is_some())
    }

    fn first(&self, held: &Held, now_ms: i64) -> First {
        let Some(version) = &held.handler else { return First::Later(NEVER_MS) };
        // Without its handler it waits for as long as the handler is away.
        let Some(handler) = self.handlers.routes().handler(version.id, version.generation) else {
            return First::Later(NEVER_MS);
        };
        // This is done first, and by itself.
        if discards(held) {
            return First::Later(AT_ONCE_MS);
        }
        let is_requested = held.request.as_ref().is_some_and(|request| request.action == Action::Retry);
        match held.state {
            State::Waiting => return First::Runs,
            State::Parked | State::Dead if is_requested => return First::Runs,
            State::Dead | State::Discarded => return First::Later(NEVER_MS),
            State::Parked => {}
        }
        let Some(last) = held.attempts.last() else { return First::Runs };
        let failed = Failed {
            reason: &held.reason,
            attempt: u32::try_from(held.attempt).unwrap_or(0),
            at_ms: last.at_ms,
            first_at_ms: held.failed_at_ms.unwrap_or(last.at_ms),
            after_ms: last.after_ms,
            salt: held.record.offset.unsigned_abs(),
        };
        match handler.policy.decide(&failed) {
            Retry::At(at_ms) if at_ms <= now_ms => First::Runs,
            Retry::At(at_ms) => First::Later(at_ms),
            Retry::Never => First::Exhausted,
        }
    }

    /// Reads the records, as many as a batch holds.
    async fn entries(&self, parked: Vec<Tried>) -> Result<Vec<Entry>, Error> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for Tried { held, exhausted } in parked {
            if self.context.gives_up() {
                break;
            }
            let partition = held.partition();
            let discards = discards(&held);
            let kept = if discards { None } else { self.context.store.kept_record_in_parts(&held.record).await? };
            let (item, raw, record_parts) = match kept {
                // It is not run, so its record is not needed.
                _ if discards => (Item::Ignored(Ignored::Update), RawRecord::default(), 0),
                Some((raw, parts)) => (self.decoder.decode(&partition, held.record.offset, &raw), raw, parts),
                None => (Item::Undecodable(Undecodable::not_kept()), RawRecord::default(), 0),
            };
            let origin = Origin::Parked(Arc::new(Parked { partition, held, record_parts, exhausted }));
            let entry = Entry { origin, item, raw: Arc::new(raw), begun_ms: None };
            bytes += entry.bytes();
            if bytes > BATCH_BYTES && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Tries nothing of these partitions any more, because they will be given back. Their records are still judged by
    /// what is held.
    pub(super) fn rest(&self, partitions: &[PartitionId]) {
        self.known().resting.extend(partitions.iter().cloned());
    }

    /// Tries again what is parked in a partition, after it was claimed.
    pub(super) fn go_on(&self, partition: &PartitionId) {
        self.known().resting.remove(partition);
    }

    /// Forgets a partition, because this process no longer owns it or has claimed it again.
    pub(super) fn forget(&self, partition: &PartitionId) {
        let mut known = self.known();
        known.forget(partition);
        known.resting.remove(partition);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what was parked is run, and not only discarded or dead.
pub(super) fn runs(entry: &Entry) -> bool {
    matches!(&entry.origin, Origin::Parked(parked) if !parked.exhausted && !discards(&parked.held))
}

fn discards(held: &Held) -> bool {
    held.request.as_ref().is_some_and(|request| request.action == Action::Discard)
}
