//! The ledger: which events are accounted for. Pure.
//!
//! A marker stands in a bucket, a collection for [`BUCKET_MS`] of the events' own time of creation, so that the same
//! event always meets its marker in the same collection, where `_id` is unique; and what is past its retention is
//! removed by dropping a collection. What was created before the ledger was begun stands in the bucket 0.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bson::spec::BinarySubtype;
use bson::{Binary, Document, RawArrayBuf, RawDocumentBuf, cstr, doc, rawdoc};

use super::collections::{GROUPS, LEDGER, PROGRESS};
use super::{Error, Marker, MarkerKey, Store, clock_ms, first_batch};

/// The time of creation that one bucket spans, in milliseconds: 8 hours.
pub const BUCKET_MS: i64 = 8 * 3_600_000;
/// How many buckets one round trip looks into.
const AT_ONCE: usize = 8;

/// Which buckets there are, as far as this process knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets {
    /// The first bucket by time; what is older stands in the bucket 0.
    pub base: i64,
    /// Those that exist.
    pub live: BTreeSet<i64>,
}

impl Buckets {
    /// The bucket of an event created then. `now_ms` is MongoDB's clock: what lies ahead of it counts as now.
    #[must_use]
    pub fn of(&self, created_at_ms: i64, now_ms: i64) -> i64 {
        let bucket = created_at_ms.min(now_ms).div_euclid(BUCKET_MS);
        if bucket < self.base { 0 } else { bucket }
    }

    /// The buckets that nobody needs: all that was created in them lies more than the retention below `lowest_ms`, the
    /// lowest of the partitions' highest times of creation.
    #[must_use]
    pub fn past(&self, lowest_ms: i64, retention_ms: i64) -> Vec<i64> {
        let end = |bucket: i64| if bucket == 0 { self.base * BUCKET_MS } else { (bucket + 1) * BUCKET_MS };
        self.live.iter().copied().filter(|bucket| end(*bucket) <= lowest_ms.saturating_sub(retention_ms)).collect()
    }
}

/// What the ledger says of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The hashes of those that it has.
    pub hashes: HashMap<MarkerKey, i64>,
    /// MongoDB's clock, in milliseconds since 1970; none where it did not tell.
    pub now_ms: Option<i64>,
}

impl Store {
    /// Which of the events the ledger has: one round trip, or one for every 8 buckets where a backlog is old.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn seen(&self, keys: &[MarkerKey], buckets: &BTreeSet<i64>) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        if keys.is_empty() {
            return Ok(seen);
        }
        let ids: RawArrayBuf = keys.iter().map(binary).collect();
        let buckets: Vec<i64> = buckets.iter().copied().collect();
        for buckets in buckets.chunks(AT_ONCE) {
            let reply = self.wire.run(&self.own, look(&ids, keys.len(), buckets)).await?;
            seen.now_ms = clock_ms(&reply).or(seen.now_ms);
            for marker in first_batch(&reply)? {
                let (key, hash) = read(&marker).ok_or_else(|| Error::odd("a find of the ledger"))?;
                seen.hashes.insert(key, hash);
            }
        }
        Ok(seen)
    }

    /// The buckets that there are, and MongoDB's clock; the first call of all stores which one is the first by time.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn buckets(&self, retention_ms: i64) -> Result<(Buckets, Option<i64>), Error> {
        let now_ms = clock_ms(&self.own(doc! { "ping": 1 }).await?);
        let first = now_ms.unwrap_or(0).saturating_sub(retention_ms).div_euclid(BUCKET_MS).max(1);
        let reply = self
            .own(doc! {
                "findAndModify": GROUPS, "query": { "_id": "ledger" },
                "update": { "$setOnInsert": { "first_bucket": first } },
                "upsert": true, "new": true, "writeConcern": { "w": "majority" },
            })
            .await?;
        let base = reply.get_document("value").and_then(|value| value.get_i64("first_bucket")).unwrap_or(first);
        let filter = doc! { "name": { "$regex": format!("^{LEDGER}") } };
        let reply = self
            .own(doc! {
                "listCollections": 1, "filter": filter, "nameOnly": true, "cursor": { "batchSize": i32::MAX },
            })
            .await?;
        let names = first_batch(&reply)?;
        let number = |found: &Document| found.get_str("name").ok()?.strip_prefix(LEDGER)?.parse().ok();
        Ok((Buckets { base, live: names.iter().filter_map(number).collect() }, now_ms))
    }

    /// Makes a bucket, unless it is there.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn create_bucket(&self, bucket: i64) -> Result<(), Error> {
        self.create(&self.own, &collection(bucket)).await
    }

    /// Drops the buckets past their retention. None is as long as a partition of any group has not come so far, since an
    /// event of it may still come again.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn sweep_ledger(&self, retention_ms: i64) -> Result<Vec<i64>, Error> {
        let (buckets, _) = self.buckets(retention_ms).await?;
        let Some(lowest_ms) = self.lowest_created_at().await? else { return Ok(Vec::new()) };
        let past = buckets.past(lowest_ms, retention_ms);
        for bucket in &past {
            self.own(doc! { "drop": collection(*bucket), "writeConcern": { "w": "majority" } }).await?;
        }
        Ok(past)
    }

    /// The lowest of all partitions' highest times of creation; none while one has none, or there is no partition. A topic
    /// of which a group has seen no event at all has no marker to keep, so it keeps none of the others'.
    async fn lowest_created_at(&self) -> Result<Option<i64>, Error> {
        let mut topics: BTreeMap<(String, String), Vec<Option<i64>>> = BTreeMap::new();
        for progress in self.all(PROGRESS, doc! {}, None, i64::from(i32::MAX)).await? {
            let name =
                |part| progress.get_document("_id").and_then(|id| id.get_str(part)).unwrap_or_default().to_owned();
            let highest = progress.get_datetime("highest_created_at").ok().map(|time| time.timestamp_millis());
            topics.entry((name("group"), name("topic"))).or_default().push(highest);
        }
        let heard = topics.into_values().filter(|partitions| partitions.iter().any(Option::is_some));
        Ok(heard.flatten().collect::<Option<Vec<i64>>>().and_then(|all| all.into_iter().min()))
    }
}

/// The collection of a bucket.
pub(super) fn collection(bucket: i64) -> String {
    format!("{LEDGER}{bucket}")
}

fn look(ids: &RawArrayBuf, count: usize, buckets: &[i64]) -> RawDocumentBuf {
    let filter = || rawdoc! { "_id": { "$in": ids.clone() } };
    let batch = i32::try_from(count.saturating_mul(2)).unwrap_or(i32::MAX);
    let mut command = RawDocumentBuf::new();
    let (first, others) = buckets.split_first().unwrap_or((&0, &[]));
    if others.is_empty() {
        command.append(cstr!("find"), collection(*first));
        command.append(cstr!("filter"), filter());
        command.append(cstr!("projection"), rawdoc! { "h": 1 });
        command.append(cstr!("batchSize"), batch);
        command.append(cstr!("singleBatch"), true);
    } else {
        let mut pipeline = RawArrayBuf::new();
        pipeline.push(rawdoc! { "$match": filter() });
        for bucket in others {
            let among = rawdoc! { "coll": collection(*bucket), "pipeline": [{ "$match": filter() }] };
            pipeline.push(rawdoc! { "$unionWith": among });
        }
        pipeline.push(rawdoc! { "$project": { "h": 1 } });
        command.append(cstr!("aggregate"), collection(*first));
        command.append(cstr!("pipeline"), pipeline);
        command.append(cstr!("cursor"), rawdoc! { "batchSize": batch });
    }
    command.append(cstr!("readConcern"), rawdoc! { "level": "majority" });
    command
}

fn read(marker: &Document) -> Option<(MarkerKey, i64)> {
    Some((marker.get_binary_generic("_id").ok()?.as_slice().try_into().ok()?, marker.get_i64("h").ok()?))
}

/// The marker's document.
pub(super) fn document(marker: &Marker) -> RawDocumentBuf {
    let mut handlers = RawArrayBuf::new();
    for (id, generation) in &marker.handlers {
        handlers.push(*id);
        handlers.push(*generation);
    }
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), binary(&marker.key));
    document.append(cstr!("h"), marker.hash);
    document.append(cstr!("d"), handlers);
    document
}

fn binary(key: &MarkerKey) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: key.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_goes_when_every_partition_is_past_it_by_the_retention() {
        let buckets = Buckets { base: 100, live: [0, 100, 101, 102].into() };
        let retention = 3 * BUCKET_MS;
        assert!(buckets.past(103 * BUCKET_MS - 1, retention).is_empty());
        assert_eq!(buckets.past(103 * BUCKET_MS, retention), [0]);
        assert_eq!(buckets.past(104 * BUCKET_MS, retention), [0, 100]);
    }

    #[test]
    fn what_is_old_has_one_bucket_and_what_lies_ahead_counts_as_now() {
        let buckets = Buckets { base: 100, live: BTreeSet::new() };
        assert_eq!(buckets.of(5 * BUCKET_MS, 200 * BUCKET_MS), 0);
        assert_eq!(buckets.of(150 * BUCKET_MS + 7, 200 * BUCKET_MS), 150);
        assert_eq!(buckets.of(999 * BUCKET_MS, 200 * BUCKET_MS), 200);
    }
}
