//! The partitions of this process, from claim to give-back: what is read of them, handed on, and accounted for. Pure.
//!
//! Invariant: a record goes to the committer only under the claim under which it was read, in the order of offsets.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::action::Standing;
use super::claiming::Claimed;
use super::queue::{BatchBounds, Flow, Queue};
use super::start;
use crate::delivery::{Done, Entry, Item, record_digest};
use crate::seeded::{self, Bug};
use crate::store::{Claim, LastRecord, PartitionId};

/// How long nothing may be accounted for while there is lag.
const STALLED: Duration = Duration::from_secs(30);

/// A partition that this process owns.
#[derive(Debug, Clone, Default)]
struct Position {
    /// The claim's epoch.
    epoch: i64,
    /// The offset of the next record to take from Kafka.
    read: i64,
    /// The offset of the first record that is not accounted for.
    next: i64,
    /// Whether nothing more of it is taken, because it will be given back.
    closed: bool,
    /// The offset that was last sent to Kafka, unless it may not have arrived.
    committed: Option<i64>,
    /// The end of its log, as Kafka last reported it.
    log_end: Option<LogEnd>,
    /// The last record that was accounted for before the claim, until it has been read again.
    last: Option<LastRecord>,
}

impl Position {
    /// Returns how many records are not accounted for, if the log's end is known.
    fn lag(&self) -> Option<i64> {
        let end = self.log_end?;
        Some(if self.is_done_with(end) { 0 } else { (end.offset - self.next).max(0) })
    }

    fn takes(&self, offset: i64) -> bool {
        !self.closed && offset >= self.read
    }

    /// Whether every record before that offset is accounted for. A transactional producer's log ends with a mark that
    /// is no record, so `next` alone never gets there.
    fn is_at(&self, end: i64) -> bool {
        self.next >= end || self.log_end.is_some_and(|seen| seen.offset >= end && self.is_done_with(seen))
    }

    fn is_done_with(&self, end: LogEnd) -> bool {
        end.reached && !self.closed && self.read == self.next
    }
}

/// The end of a log, as Kafka's client last saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// The offset after the last record.
    pub offset: i64,
    /// Whether the client has fetched up to there and delivered everything that it found.
    pub reached: bool,
}

/// A batch of records that the committer was given and has not finished.
#[derive(Debug)]
struct Handed {
    records: usize,
    /// When the oldest of its events was created, in milliseconds since 1970.
    oldest_ms: Option<i64>,
}

/// What follows from claims.
#[derive(Debug, Default)]
pub struct Assigned {
    /// What the committer owns now.
    pub claims: Vec<(PartitionId, Claim)>,
    /// Where to read each partition from. One without an offset is assigned and not read.
    pub starts: Vec<(PartitionId, Option<i64>)>,
    /// The partitions that may not go on, and why.
    pub stopped: Vec<(PartitionId, String)>,
}

/// The partitions of this process.
#[derive(Debug)]
pub struct Partitions {
    owned: BTreeMap<PartitionId, Position>,
    /// The partitions that are stopped, and the epochs of the claims that found it.
    stopped: BTreeMap<PartitionId, i64>,
    reclaim: Vec<PartitionId>,
    queue: Queue,
    /// The batches that the committer holds.
    handed: VecDeque<Handed>,
    wanted: bool,
    moved: Option<Duration>,
}

impl Partitions {
    /// Creates an empty value with room for that many bytes of records that wait for the committer.
    #[must_use]
    pub fn new(queue_bytes: usize) -> Self {
        Self {
            owned: BTreeMap::new(),
            stopped: BTreeMap::new(),
            reclaim: Vec::new(),
            queue: Queue::new(queue_bytes),
            handed: VecDeque::new(),
            wanted: false,
            moved: None,
        }
    }

    /// Returns how many partitions it owns.
    #[must_use]
    pub fn count(&self) -> usize {
        self.owned.len()
    }

    /// Returns the partitions that it owns.
    #[must_use]
    pub fn owned(&self) -> Vec<PartitionId> {
        self.owned.keys().cloned().collect()
    }

    /// Takes claims that were made. The partitions are read from where these say.
    pub fn claimed(&mut self, claimed: Vec<(PartitionId, Claimed)>) -> Assigned {
        // Partitions that were lost since these claims were requested stay on the list.
        self.reclaim.retain(|known| claimed.iter().all(|(partition, _)| partition != known));
        let mut assigned = Assigned::default();
        for (partition, claimed) in claimed {
            match claimed {
                Claimed::Owned { claim, from: read, last } => {
                    // Marks of transactions that the log no longer holds need no reading.
                    let (epoch, next) = (claim.epoch, claim.next.max(read));
                    // Records that were read under an older claim are read again under this one.
                    self.queue.drop_partition(&partition);
                    let position = Position { epoch, read, next, last, ..Position::default() };
                    self.owned.insert(partition.clone(), position);
                    assigned.starts.push((partition.clone(), Some(read)));
                    assigned.claims.push((partition, claim));
                }
                Claimed::Stopped { why, epoch } => {
                    self.stopped.insert(partition.clone(), epoch);
                    assigned.starts.push((partition.clone(), None));
                    assigned.stopped.push((partition, why));
                }
                Claimed::GivenUp => {
                    self.reclaim.push(partition.clone());
                    assigned.starts.push((partition, None));
                }
            }
        }
        assigned
    }

    /// Whether a record at that offset should be taken.
    #[must_use]
    pub fn takes(&self, partition: &PartitionId, offset: i64) -> bool {
        self.owned.get(partition).is_some_and(|position| position.takes(offset))
    }

    /// Takes a record. Returns why its partition may not go on, if the record shows that.
    pub fn record(&mut self, entry: Entry) -> Option<String> {
        let position = self.owned.get_mut(entry.partition())?;
        if !position.takes(entry.offset()) {
            return None;
        }
        position.read = entry.offset() + 1;
        if let Some(last) = position.last.take()
            && entry.offset() <= last.offset
        {
            let event_id = match &entry.item {
                Item::Event(event) => Some(event.id.clone()),
                _ => None,
            };
            let there =
                start::Standing { timestamp_ms: entry.raw.timestamp_ms, event_id, digest: record_digest(&entry.raw) };
            let why = start::anew(&last, Some(&there))?;
            self.queue.drop_partition(entry.partition());
            self.stopped.insert(entry.partition().clone(), position.epoch);
            self.owned.remove(entry.partition());
            return Some(why);
        }
        if entry.offset() >= position.next {
            self.queue.push(entry);
        }
        None
    }

    /// The committer could take records.
    pub fn wants(&mut self) {
        self.wanted = true;
    }

    /// Whether the committer wants records and at least that many wait.
    #[must_use]
    pub fn has_batch_of(&self, records: usize) -> bool {
        self.wanted && self.queue.len() >= records
    }

    /// Returns records for the committer, if it wants any and there are some.
    pub fn batch(&mut self, bounds: BatchBounds) -> Option<Vec<Entry>> {
        if !self.has_batch_of(1) {
            return None;
        }
        self.wanted = false;
        let entries = self.queue.take(bounds);
        let oldest_ms = entries.iter().filter_map(Entry::created_at_ms).min();
        self.handed.push_back(Handed { records: entries.len(), oldest_ms });
        Some(entries)
    }

    /// The committer has finished some of its records.
    pub fn done(&mut self, done: Done, now: Duration) {
        let mut finished = done.finished;
        while let Some(first) = self.handed.front_mut() {
            let of_it = finished.min(first.records);
            finished -= of_it;
            first.records -= of_it;
            if first.records > 0 {
                break;
            }
            self.handed.pop_front();
        }
        for (partition, claim) in done.moved {
            // The progress of an older claim means nothing if progress was set back since.
            if let Some(position) = self.owned.get_mut(&partition)
                && (claim.epoch == position.epoch || seeded::on(Bug::OlderClaimMoves))
                && claim.next > position.next
            {
                position.next = claim.next;
                self.moved = Some(now);
            }
        }
        // A partition that was claimed again since is not lost again.
        let lost = done.lost.into_iter();
        let lost: Vec<_> = lost.filter(|(id, epoch)| self.epoch(id) == Some(*epoch)).map(|(id, _)| id).collect();
        self.lose(&lost);
    }

    fn epoch(&self, partition: &PartitionId) -> Option<i64> {
        self.owned.get(partition).map(|position| position.epoch)
    }

    /// Gives these up, so that they are claimed again before more of them is read.
    pub fn lose(&mut self, partitions: &[PartitionId]) {
        for partition in partitions {
            self.queue.drop_partition(partition);
            if self.owned.remove(partition).is_some() {
                self.reclaim.push(partition.clone());
            }
        }
    }

    /// Has partitions claimed again if somebody has set or claimed them meanwhile, which the epochs in progress show.
    pub fn compare(&mut self, epochs: &[(PartitionId, i64)]) {
        for (partition, epoch) in epochs {
            if self.owned.get(partition).is_some_and(|position| position.epoch < *epoch) {
                self.lose(std::slice::from_ref(partition));
            } else if self.stopped.get(partition).is_some_and(|stopped| stopped < epoch) {
                self.stopped.remove(partition);
                self.reclaim.push(partition.clone());
            }
        }
    }

    /// Whether the committer holds none of its records.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.handed.is_empty()
    }

    /// Returns the partitions to claim again.
    #[must_use]
    pub fn to_reclaim(&self) -> &[PartitionId] {
        &self.reclaim
    }

    /// Takes and hands on nothing more of these, because they will be given back.
    pub fn close(&mut self, partitions: &[PartitionId]) {
        for partition in partitions {
            self.queue.drop_partition(partition);
            if let Some(position) = self.owned.get_mut(partition) {
                position.closed = true;
            }
        }
    }

    /// Forgets partitions that are given back.
    pub fn remove(&mut self, partitions: &[PartitionId]) {
        for partition in partitions {
            self.queue.drop_partition(partition);
            self.owned.remove(partition);
        }
        self.reclaim.retain(|known| !partitions.contains(known));
        self.stopped.retain(|known, _| !partitions.contains(known));
    }

    /// Returns how far each of these has come that it owns.
    #[must_use]
    pub fn standing(&self, partitions: &[PartitionId]) -> Vec<Standing> {
        let owned = partitions.iter().filter_map(|id| Some((id, self.owned.get(id)?)));
        let standing = |(id, position): (&PartitionId, &Position)| Standing {
            partition: id.clone(),
            epoch: position.epoch,
            next: position.next,
        };
        owned.map(standing).collect()
    }

    /// Returns the offsets for Kafka that have moved since the last call.
    pub fn offsets(&mut self) -> Vec<(PartitionId, i64)> {
        let moved = self.owned.iter_mut().filter(|(_, position)| position.committed != Some(position.next));
        moved
            .map(|(partition, position)| {
                position.committed = Some(position.next);
                (partition.clone(), position.next)
            })
            .collect()
    }

    /// Has all offsets sent to Kafka again, because they may not have arrived.
    pub fn forget_offsets(&mut self) {
        self.owned.values_mut().for_each(|position| position.committed = None);
    }

    /// Takes the ends of logs that Kafka has reported.
    pub fn log_ends(&mut self, ends: &HashMap<PartitionId, LogEnd>) {
        for (partition, position) in &mut self.owned {
            position.log_end = ends.get(partition).copied().or(position.log_end);
        }
    }

    /// Returns the lag of each partition whose log's end is known.
    pub fn lags(&self) -> impl Iterator<Item = (&PartitionId, i64)> {
        self.owned.iter().filter_map(|(partition, position)| Some((partition, position.lag()?)))
    }

    /// Returns those partitions of which every record up to the given end is accounted for.
    pub fn at_end<'a>(&self, ends: &'a [(PartitionId, i64)]) -> impl Iterator<Item = &'a (PartitionId, i64)> {
        ends.iter().filter(|(id, end)| self.owned.get(id).is_some_and(|position| position.is_at(*end)))
    }

    /// Returns how long nothing was accounted for although there is lag, if that is too long.
    pub fn stalled(&mut self, now: Duration) -> Option<Duration> {
        let since = *self.moved.get_or_insert(now);
        if self.lags().all(|(_, lag)| lag == 0) {
            self.moved = Some(now);
            return None;
        }
        Some(now.saturating_sub(since)).filter(|still| *still > STALLED)
    }

    /// Returns when the oldest event that waits or is with the committer was created, in milliseconds since 1970.
    #[must_use]
    pub fn oldest_created_at_ms(&self) -> Option<i64> {
        let handed = self.handed.iter().filter_map(|handed| handed.oldest_ms);
        handed.chain(self.queue.oldest_created_at_ms()).min()
    }

    /// Whether nothing more should be taken from Kafka's client for now.
    #[must_use]
    pub fn are_full(&self) -> bool {
        self.queue.is_full()
    }

    /// Returns the partitions to pause in Kafka, and those to resume.
    pub fn flow(&mut self, now: Duration) -> Flow {
        self.queue.flow(self.owned.keys(), now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn owned(claim: Claim) -> Claimed {
        Claimed::Owned { from: claim.next, claim, last: None }
    }

    #[test]
    fn a_mark_of_a_transaction_behind_the_last_record_is_no_lag() {
        let mut partitions = Partitions::new(1 << 20);
        let id = PartitionId { topic: Arc::from("t"), partition: 0 };
        partitions.claimed(vec![(id.clone(), owned(Claim::new(1, 7)))]);
        let lag = |partitions: &mut Partitions, reached| {
            partitions.log_ends(&HashMap::from([(id.clone(), LogEnd { offset: 8, reached })]));
            partitions.lags().map(|(_, lag)| lag).sum::<i64>()
        };
        assert_eq!(lag(&mut partitions, false), 1);
        assert_eq!(lag(&mut partitions, true), 0);
    }

    #[test]
    fn a_mark_of_a_transaction_does_not_keep_a_partition_from_its_end() {
        let mut partitions = Partitions::new(1 << 20);
        let id = PartitionId { topic: Arc::from("t"), partition: 0 };
        partitions.claimed(vec![(id.clone(), owned(Claim::new(1, 7)))]);
        let mut at_end = |offset, reached, end| {
            partitions.log_ends(&HashMap::from([(id.clone(), LogEnd { offset, reached })]));
            partitions.at_end(&[(id.clone(), end)]).next().is_some()
        };
        assert!(at_end(7, false, 7));
        assert!(!at_end(8, false, 8), "there may be a record");
        assert!(at_end(8, true, 8), "the client has fetched that far and found none");
        assert!(!at_end(8, true, 9), "the log has grown since the client looked");
    }

    #[test]
    fn a_loss_of_an_older_claim_loses_nothing() {
        let mut partitions = Partitions::new(1 << 20);
        let id = PartitionId { topic: Arc::from("t"), partition: 0 };
        partitions.claimed(vec![(id.clone(), owned(Claim::new(4, 7)))]);
        let lost = |epoch| Done { lost: vec![(id.clone(), epoch)], ..Done::default() };
        partitions.done(lost(3), Duration::ZERO);
        assert!(partitions.to_reclaim().is_empty());
        partitions.done(lost(4), Duration::ZERO);
        assert_eq!(partitions.to_reclaim(), std::slice::from_ref(&id));
    }

    #[test]
    fn what_an_older_claim_did_moves_nothing() {
        let mut partitions = Partitions::new(1 << 20);
        let id = PartitionId { topic: Arc::from("t"), partition: 0 };
        let owned = |claim| vec![(id.clone(), owned(claim))];
        let done = |claim| Done { moved: vec![(id.clone(), claim)], ..Done::default() };
        let next = |partitions: &Partitions| partitions.standing(std::slice::from_ref(&id))[0].next;
        partitions.claimed(owned(Claim::new(3, 20)));
        partitions.done(done(Claim::new(3, 24)), Duration::ZERO);
        assert_eq!(next(&partitions), 24);
        // A person has set it back, and the committer has not heard of the new claim yet.
        partitions.claimed(owned(Claim::new(5, 0)));
        partitions.done(done(Claim::new(3, 24)), Duration::ZERO);
        assert_eq!(next(&partitions), 0);
    }
}
