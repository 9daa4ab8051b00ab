//! The ledger: which events are accounted for. Pure.
//!
//! A marker is stored in a bucket, which is a collection that spans [`BUCKET_MS`] of the events' own creation times.
//! The same event always meets its marker in the same collection, in which `_id` is unique, and Weir forgets old events
//! by dropping a collection. Buckets that the sweep has closed take no more markers. If an event belongs in a closed
//! bucket and its group has yet to read it, its marker goes to a special bucket, `ledger_below_<n>`. When a bucket may
//! be dropped, and what a host must know before it treats an event as new, is described in `floors`.

use std::collections::{BTreeSet, HashMap};

use bson::spec::BinarySubtype;
use bson::{Binary, Document, RawArrayBuf, RawDocumentBuf, cstr, doc, rawdoc};

use super::collections::{GROUPS, LEDGER, OWN_LEDGER};
use super::groups::OwnLedger;
use super::{Error, Marker, MarkerKey, Store, clock_ms, first_batch, typed};

/// The range of creation times that one bucket spans, in milliseconds: 8 hours.
pub const BUCKET_MS: i64 = 8 * 3_600_000;
/// How far ahead of MongoDB's clock a creation time may be and still determine its bucket. This covers any time zone
/// mistake.
const AHEAD_MS: i64 = 24 * 3_600_000;
/// How many buckets one round trip searches.
const AT_ONCE: usize = 8;
/// Follows [`LEDGER`] and precedes the number of a bucket for everything below that number.
const BELOW: &str = "below_";

/// The buckets that exist, as far as this process knows. A bucket has the number of its time span. Bucket 0 and the
/// negative ones hold everything older than the bucket that they are named after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets {
    /// The first bucket by time when the ledger was begun. Older events go to bucket 0.
    pub first: i64,
    /// The first bucket that the sweep has not closed. It is never below `first`.
    pub open: i64,
    /// The buckets that exist.
    pub live: BTreeSet<i64>,
}

impl Buckets {
    /// Returns the bucket of an event with this creation time. `now_ms` is MongoDB's clock, if it is known. A time that
    /// is far ahead of it cannot be a creation time, and counts as now.
    #[must_use]
    pub fn of(&self, created_at_ms: i64, now_ms: Option<i64>) -> i64 {
        let now_instead = now_ms.filter(|now_ms| created_at_ms > now_ms.saturating_add(AHEAD_MS));
        let bucket = now_instead.unwrap_or(created_at_ms).div_euclid(BUCKET_MS);
        match bucket {
            bucket if bucket >= self.open => bucket,
            _ if self.open == self.first => 0,
            _ => -self.open,
        }
    }

    /// Returns the live buckets that take no more markers once all before `open` are closed.
    #[must_use]
    pub fn before(&self, open: i64) -> Vec<i64> {
        let below = |bucket: i64| if bucket == 0 { self.first } else { bucket.abs() };
        self.live.iter().copied().filter(|bucket| below(*bucket) < open).collect()
    }
}

/// The ledger's answer about some events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The hashes of the events that it has.
    pub hashes: HashMap<MarkerKey, i64>,
    /// MongoDB's clock, in milliseconds since 1970, or none if the reply did not have it.
    pub now_ms: Option<i64>,
}

impl Store {
    /// Returns which of the events the ledger has. This takes one round trip, or one for every 8 buckets if a backlog
    /// is old.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
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

    /// Returns the existing buckets and MongoDB's clock. The first call of any store determines the first bucket by
    /// time.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn buckets(&self, retention_ms: i64) -> Result<(Buckets, Option<i64>), Error> {
        let now_ms = clock_ms(&self.own(doc! { "ping": 1 }).await?);
        let first = now_ms.unwrap_or(0).saturating_sub(retention_ms).div_euclid(BUCKET_MS).max(1);
        let reply = self
            .own(doc! {
                "findAndModify": GROUPS, "query": { "_id": OWN_LEDGER },
                "update": { "$setOnInsert": { "first_bucket": first, "floors": true } },
                "upsert": true, "new": true, "writeConcern": { "w": "majority" },
            })
            .await?;
        let ledger: OwnLedger = typed::value(GROUPS, reply)?.unwrap_or_default();
        let first = ledger.first_bucket.unwrap_or(first);
        let open = ledger.open_bucket.unwrap_or(first).max(first);
        let filter = doc! { "name": { "$regex": format!("^{LEDGER}") } };
        let reply = self
            .own(doc! {
                "listCollections": 1, "filter": filter, "nameOnly": true, "cursor": { "batchSize": i32::MAX },
            })
            .await?;
        let names = first_batch(&reply)?;
        let live = names.iter().filter_map(|found| bucket(found.get_str("name").ok()?)).collect();
        Ok((Buckets { first, open, live }, now_ms))
    }

    /// Creates a bucket unless it exists.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn create_bucket(&self, bucket: i64) -> Result<(), Error> {
        self.create(&self.own, &collection(bucket)).await
    }
}

pub(super) fn collection(bucket: i64) -> String {
    if bucket < 0 { format!("{LEDGER}{BELOW}{}", bucket.unsigned_abs()) } else { format!("{LEDGER}{bucket}") }
}

fn bucket(collection: &str) -> Option<i64> {
    let name = collection.strip_prefix(LEDGER)?;
    match name.strip_prefix(BELOW) {
        Some(number) => number.parse::<i64>().ok().map(|number| -number),
        None => name.parse().ok(),
    }
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
    fn a_bucket_is_past_once_nobody_writes_to_it_any_more() {
        let buckets = Buckets { first: 100, open: 102, live: [-102, -101, 0, 100, 101, 102].into() };
        assert!(buckets.before(100).is_empty(), "0 holds what is older than 100, as long as 100 is open");
        assert_eq!(buckets.before(101), [0, 100]);
        assert_eq!(buckets.before(102), [-101, 0, 100, 101], "-102 is where old events go now");
        assert_eq!(buckets.before(103), [-102, -101, 0, 100, 101, 102]);
    }

    #[test]
    fn an_event_has_its_own_bucket_or_that_of_all_older_ones() {
        let fresh = Buckets { first: 100, open: 100, live: BTreeSet::new() };
        let swept = Buckets { open: 140, ..fresh.clone() };
        let now = 200 * BUCKET_MS;
        assert_eq!(fresh.of(5 * BUCKET_MS, Some(now)), 0);
        assert_eq!(fresh.of(120 * BUCKET_MS, Some(now)), 120);
        assert_eq!(swept.of(120 * BUCKET_MS, Some(now)), -140);
        assert_eq!(swept.of(140 * BUCKET_MS + 7, Some(now)), 140);
    }

    /// An event's marker must not be dropped before the event's own time has passed. MongoDB's clock may have been
    /// behind.
    #[test]
    fn what_lies_a_little_ahead_has_the_bucket_of_its_own_time() {
        let buckets = Buckets { first: 100, open: 100, live: BTreeSet::new() };
        let now = 200 * BUCKET_MS - 1;
        assert_eq!(buckets.of(now + 2, Some(now)), 200);
        assert_eq!(buckets.of(now + AHEAD_MS, Some(now)), 202);
        assert_eq!(buckets.of(999 * BUCKET_MS, Some(now)), 199, "no event is of the next year");
        for now_ms in [None, Some(i64::MAX)] {
            assert_eq!(buckets.of(i64::MAX, now_ms), i64::MAX.div_euclid(BUCKET_MS));
        }
    }

    #[test]
    fn a_collection_tells_its_bucket() {
        for number in [-140, 0, 140] {
            assert_eq!(bucket(&collection(number)), Some(number));
        }
        assert_eq!(bucket("ledger_other"), None);
    }
}
