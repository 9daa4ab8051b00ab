//! The ledger's floors: when a bucket may be dropped, and what a host must know before it treats an event as new. Pure.
//!
//! A topic's document in `groups` has its `floor`. If the marker of an event of that group and topic may have been
//! dropped, the event was created before the floor. If the group has no marker of a topic, the topic has no floor.
//! Docs: ADR 16. This holds because of the order of the steps in [`Store::sweep_ledger`] and three rules for those that
//! write markers:
//!
//! 1. A host reads the floors after it has asked the ledger for the events, and they must be unchanged when the
//!    transaction commits.
//! 2. The transaction that gives a partition its first creation time writes to its topic's document, and commits only
//!    if no sweep has changed that document since. So a sweep that found a topic without markers knows whether one was
//!    written meanwhile.
//! 3. That transaction knows which buckets were closed by then, and so does every later owner of the partition.
//!
//! A transaction sees the floors as they were when it began. So before anything is dropped, the sweep changes every
//! partition's progress, with which each transaction that began earlier conflicts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bson::{Bson, DateTime, Document, doc};

use super::collections::{GROUPS, OWN_LEDGER, PROGRESS};
use super::groups::{OwnLedger, Topic, TopicId};
use super::ledger::{BUCKET_MS, collection};
use super::{Error, Progress, Store};
use crate::seeded::{self, Bug};

/// The shortest time that a ledger remembers (`LEDGER_RETENTION_HOURS` is 1 or more). If an event was created less than
/// this before the highest creation time of its partition, it cannot have lost its marker, so no floor needs to be read
/// for it.
pub const LEAST_RETENTION_MS: i64 = 3_600_000;

/// The state of a topic's markers at the moment when its events are treated as new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// The topic.
    pub topic: Arc<str>,
    /// The marker of an event that was created before this may be gone, in milliseconds since 1970. None if no marker
    /// is gone.
    pub floor_ms: Option<i64>,
    /// The highest bucket before which a sweep has closed the ledger while the topic existed.
    pub swept: Option<i64>,
}

/// The floors of some topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Floors {
    /// The first bucket that the sweep has not closed.
    pub open: i64,
    /// One floor for each topic.
    pub topics: Vec<Floor>,
}

impl Floors {
    /// Returns a topic's floor, in milliseconds since 1970.
    #[must_use]
    pub fn of(&self, topic: &str) -> Option<i64> {
        self.topics.iter().find(|floor| *floor.topic == *topic)?.floor_ms
    }
}

/// The state of a topic that must be unchanged when the transaction that relies on it commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloorFence {
    /// The state that was known, or none if nothing was known, in which case the transaction must not commit.
    pub floor: Option<Floor>,
    /// The topic.
    pub topic: Arc<str>,
    /// Whether the transaction gives one of the topic's partitions its first creation time.
    pub begins: bool,
}

impl FloorFence {
    /// Returns the filter for the topic's document, which matches nothing once a sweep has changed it.
    pub(super) fn filter(&self, group: &str) -> Document {
        let swept = match &self.floor {
            Some(floor) => floor.swept.map_or(Bson::Null, Bson::Int64),
            None => Bson::Boolean(false),
        };
        let floor = self.floor.as_ref().and_then(|floor| floor.floor_ms).map_or(Bson::Null, date);
        doc! { "_id": TopicId::new(group, &self.topic).key(), "swept": swept, "floor": floor }
    }
}

/// The result of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// The number of buckets that it dropped.
    pub dropped: usize,
    /// The number of buckets that are left.
    pub left: usize,
}

/// A topic of a group, as the sweep sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sweeping {
    /// Each partition's highest creation time, or none if it has none.
    highest_ms: Vec<Option<i64>>,
    /// How long the group's hosts want its events to be remembered.
    retention_ms: i64,
}

/// Topics by group and name.
type Topics = BTreeMap<TopicId, Sweeping>;

impl Sweeping {
    /// Returns whether the group may have markers of it.
    fn is_heard(&self) -> bool {
        self.highest_ms.iter().any(Option::is_some)
    }

    /// Returns the time before which no event of the topic is expected or must be recognised. None if some partition
    /// has no creation time.
    fn needs_from_ms(&self) -> Option<i64> {
        let lowest = self.highest_ms.iter().copied().collect::<Option<Vec<i64>>>()?.into_iter().min()?;
        Some(if seeded::on(Bug::SweepEarly) { lowest } else { lowest.saturating_sub(self.retention_ms) })
    }
}

/// Returns the first bucket that some group still needs. None if that is unknown or no group has any marker.
fn first_needed(topics: &Topics) -> Option<i64> {
    let heard = topics.values().filter(|topic| topic.is_heard());
    let from_ms = heard.map(Sweeping::needs_from_ms).collect::<Option<Vec<i64>>>()?.into_iter().min()?;
    Some(from_ms.div_euclid(BUCKET_MS))
}

/// Returns whether the topics found after the floors were raised (`now`) still allow dropping everything before `open`.
fn still_allows(before: &Topics, now: &Topics, open: i64) -> bool {
    let known = |id: &TopicId| before.get(id).is_some_and(Sweeping::is_heard);
    let fresh = now.iter().any(|(id, topic)| topic.is_heard() && !known(id));
    !fresh && first_needed(now).is_some_and(|needed| needed >= open)
}

impl Store {
    /// Returns the floors of these topics of the group. Call this after the ledger was asked for their events.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn floors(&self, topics: &BTreeSet<Arc<str>>) -> Result<Floors, Error> {
        loop {
            let (known, ledger) = self.topics_and_ledger(topics.iter().map(|topic| &**topic)).await?;
            let of = |name: &Arc<str>| known.iter().find(|topic| *topic.id.topic == **name);
            let floor = |name: &Arc<str>| {
                let topic = of(name)?;
                Some(Floor { topic: Arc::clone(name), floor_ms: topic.floor_ms, swept: topic.swept })
            };
            if let Some(missing) = topics.iter().find(|topic| of(topic).is_none()) {
                // Its progress was set by hand before any host had seen the topic.
                self.partitions_at_first_claim(missing, 0).await?;
                continue;
            }
            let topics: Vec<Floor> = topics.iter().filter_map(floor).collect();
            // One find may read its documents at different moments. A sweep closes buckets first and then notes this in
            // the topics, so the highest number counts.
            let closed = topics.iter().filter_map(|floor| floor.swept);
            let open = closed.chain(ledger.open_bucket).chain(ledger.first_bucket).max().unwrap_or(0);
            return Ok(Floors { open, topics });
        }
    }

    /// Drops the buckets that are no longer needed, after it has noted for every topic before which time markers may be
    /// gone. Keeps a bucket until every partition of every group is past it by that group's retention, because its
    /// events may still arrive or be redelivered.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn sweep_ledger(&self, retention_ms: i64) -> Result<Swept, Error> {
        self.note_retention(retention_ms).await?;
        let (buckets, _) = self.buckets(retention_ms).await?;
        let topics = self.topics(retention_ms).await?;
        let open = first_needed(&topics).unwrap_or(0);
        let past = buckets.before(open);
        let left = buckets.live.len();
        if past.is_empty() {
            return Ok(Swept { dropped: 0, left });
        }
        self.close_before(open).await?;
        self.raise_floors(&topics, open).await?;
        if !seeded::on(Bug::SweepUnnoticed) {
            self.pass_open_transactions().await?;
        }
        let allowed = still_allows(&topics, &self.topics(retention_ms).await?, open);
        if !allowed && !seeded::on(Bug::SweepUnchecked) {
            return Ok(Swept { dropped: 0, left });
        }
        for bucket in &past {
            self.own(doc! { "drop": collection(*bucket), "writeConcern": { "w": "majority" } }).await?;
        }
        Ok(Swept { dropped: past.len(), left: left - past.len() })
    }

    /// If the ledger was begun without floors, gives its topics floors that cover everything that may have been
    /// dropped. Call this before the first event is judged.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn begin_floors(&self, retention_ms: i64) -> Result<(), Error> {
        let ledger: Option<OwnLedger> = self.first(GROUPS, doc! { "_id": OWN_LEDGER }, None).await?;
        if ledger.is_none_or(|ledger| ledger.floors) {
            return Ok(());
        }
        let topics = self.topics(retention_ms).await?;
        let floors = topics.iter().filter_map(|(id, topic)| {
            let lowest_ms = topic.highest_ms.iter().flatten().min()?;
            // A host of the older version may go on sweeping for a while.
            Some((id, lowest_ms.saturating_sub(retention_ms).saturating_add(BUCKET_MS)))
        });
        let mut statements: Vec<Bson> = floors.map(|(id, to_ms)| raise(id, to_ms)).collect();
        let begun = doc! { "q": { "_id": OWN_LEDGER }, "u": { "$set": { "floors": true } } };
        statements.push(begun.into());
        self.update_groups(statements).await?;
        tracing::info!(topics = topics.len(), "ledger_floors_begun");
        Ok(())
    }

    /// Returns every topic of every group, as found in the progress documents.
    async fn topics(&self, retention_ms: i64) -> Result<Topics, Error> {
        let mut topics = Topics::new();
        for progress in self.all::<Progress>(PROGRESS, doc! {}, None).await? {
            let id = TopicId { group: progress.id.group, topic: progress.id.topic };
            topics.entry(id).or_default().highest_ms.push(progress.highest_created_at_ms);
        }
        for topic in topics.values_mut() {
            topic.retention_ms = retention_ms;
        }
        for known in self.topics_of(None).await? {
            let Some(topic) = topics.get_mut(&known.id) else { continue };
            topic.retention_ms = known.retention_ms.unwrap_or(retention_ms);
            // The group may not have begun with some partitions yet, and their events may be old by then.
            let count = usize::try_from(known.partitions.max(known.assigned)).unwrap_or(0).max(topic.highest_ms.len());
            topic.highest_ms.resize(count, None);
        }
        Ok(topics)
    }

    /// Notes how long this group wants events to be remembered. The last host to say so wins.
    async fn note_retention(&self, retention_ms: i64) -> Result<(), Error> {
        let topics = self.topics_of(Some(&*self.group)).await?;
        let others = topics.iter().filter(|topic| topic.retention_ms != Some(retention_ms));
        let note = |topic: &Topic| {
            let set = doc! { "$set": { "retention_ms": retention_ms } };
            doc! { "q": { "_id": topic.id.key() }, "u": set }.into()
        };
        let statements: Vec<Bson> = others.map(note).collect();
        if statements.is_empty() { Ok(()) } else { self.update_groups(statements).await }
    }

    /// Closes the buckets before this one. A host that checks after this does not begin to write markers to them.
    async fn close_before(&self, open: i64) -> Result<(), Error> {
        let close = doc! { "q": { "_id": OWN_LEDGER }, "u": { "$max": { "open_bucket": open } } };
        self.update_groups(vec![close.into()]).await
    }

    /// Raises the floor of every topic that has markers, and puts a fence before the first markers of all others.
    async fn raise_floors(&self, topics: &Topics, open: i64) -> Result<(), Error> {
        let heard = topics.iter().filter(|(_, topic)| topic.is_heard());
        let mut statements: Vec<Bson> = heard.map(|(id, _)| raise(id, open.saturating_mul(BUCKET_MS))).collect();
        let fence = doc! {
            "q": { "_id.topic": { "$exists": true } }, "u": { "$max": { "swept": open } }, "multi": true,
        };
        statements.push(fence.into());
        self.update_groups(statements).await
    }

    /// Changes the progress of every partition. Each transaction that accounts for events changes it too. So from here on
    /// none commits that began before the floors were raised and therefore does not see them. MongoDB does not refuse
    /// such a transaction because of the drop: its write to a bucket that is gone makes the bucket anew.
    async fn pass_open_transactions(&self) -> Result<(), Error> {
        let pass = doc! { "q": {}, "u": { "$inc": { "sweeps": 1_i64 } }, "multi": true };
        self.own(doc! { "update": PROGRESS, "updates": [pass], "writeConcern": { "w": "majority" } }).await?;
        Ok(())
    }

    async fn update_groups(&self, statements: Vec<Bson>) -> Result<(), Error> {
        self.own(doc! { "update": GROUPS, "updates": statements, "writeConcern": { "w": "majority" } }).await?;
        Ok(())
    }
}

/// Returns the statement that raises a floor.
fn raise(id: &TopicId, to_ms: i64) -> Bson {
    let update = doc! { "$max": { "floor": date(to_ms) }, "$setOnInsert": { "partitions": 0 } };
    doc! { "q": { "_id": id.key() }, "u": update, "upsert": true }.into()
}

fn date(ms: i64) -> Bson {
    Bson::DateTime(DateTime::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn topics(each: &[(&str, &[Option<i64>], i64)]) -> Topics {
        let topic = |highest_hours: &[Option<i64>], hours: i64| Sweeping {
            highest_ms: highest_hours.iter().map(|highest| highest.map(|hours| hours * HOUR)).collect(),
            retention_ms: hours * HOUR,
        };
        let id = |name: &str| TopicId::new("g", name);
        each.iter().map(|(name, highest, retention)| (id(name), topic(highest, *retention))).collect()
    }

    #[test]
    fn what_a_group_may_still_recognise_by_its_own_retention_is_needed() {
        assert_eq!(first_needed(&topics(&[("a", &[Some(200), Some(80)], 24)])), Some(7));
        assert_eq!(first_needed(&topics(&[("a", &[Some(200)], 24), ("b", &[Some(200)], 168)])), Some(4));
    }

    #[test]
    fn nobody_knows_while_a_partition_of_a_topic_with_markers_does_not_tell() {
        assert_eq!(first_needed(&topics(&[("a", &[Some(200), None], 24)])), None);
    }

    #[test]
    fn a_topic_without_markers_needs_none() {
        assert_eq!(first_needed(&topics(&[("a", &[Some(200)], 24), ("b", &[None, None], 24)])), Some(22));
        assert_eq!(first_needed(&topics(&[("b", &[None], 24)])), None);
        assert_eq!(first_needed(&Topics::new()), None);
    }

    #[test]
    fn a_topic_that_gets_its_first_markers_meanwhile_stops_the_sweep() {
        let before = topics(&[("a", &[Some(200)], 24), ("b", &[None], 24)]);
        assert!(still_allows(&before, &before, 22));
        for first in [100, 200] {
            let now = topics(&[("a", &[Some(200)], 24), ("b", &[Some(first)], 24)]);
            assert!(!still_allows(&before, &now, 22), "its floor was not raised");
        }
        let longer = topics(&[("a", &[Some(200)], 48), ("b", &[None], 24)]);
        assert!(!still_allows(&before, &longer, 22), "somebody wants more to be remembered");
    }

    #[test]
    fn a_fence_matches_what_was_known_only() {
        let floor = |floor_ms, swept| Some(Floor { topic: Arc::from("t"), floor_ms, swept });
        let fence = |floor| FloorFence { floor, topic: Arc::from("t"), begins: true }.filter("g");
        assert_eq!(fence(floor(None, None)).get("swept"), Some(&Bson::Null), "which is what is missing, too");
        assert_eq!(fence(floor(Some(5), Some(3))).get("swept"), Some(&Bson::Int64(3)));
        assert_eq!(fence(floor(Some(5), Some(3))).get("floor"), Some(&date(5)));
        assert_eq!(fence(None).get("swept"), Some(&Bson::Boolean(false)), "which is never so");
    }
}
