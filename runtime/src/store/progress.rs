//! Who owns a partition, and how far it has come. Pure data and its BSON.

use std::fmt;
use std::sync::Arc;

use bson::{Bson, Document, doc};

use crate::seeded::{self, Bug};

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl PartitionId {
    /// The `_id` of its progress document in a group.
    #[must_use]
    pub fn progress_id(&self, group: &str) -> Document {
        doc! { "group": group, "topic": &*self.topic, "partition": self.partition }
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}[{}]", self.topic, self.partition)
    }
}

/// From so many dead owners of a partition with no commit between, its events run singly.
pub const DEATHS_THAT_COUNT: i32 = 3;

/// What a claim returned: the right to commit for a partition, until another claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Rises with every claim; a transaction of a lower one commits nothing.
    pub epoch: i64,
    /// The offset of the first record that is not accounted for.
    pub next: i64,
    /// Before that offset the log holds no further record, but marks of transactions at most. At least `next`.
    pub read_to: i64,
    /// The highest time of an event's creation among those accounted for, in milliseconds since 1970.
    pub highest_created_at_ms: Option<i64>,
    /// Whether owners did not give the partition back since its last commit, dead or not.
    pub has_lost_owners: bool,
    /// How many of them are dead.
    pub deaths: i32,
    /// What dead ones were running of it.
    pub crashes: Vec<Crashes>,
}

impl Claim {
    /// A claim of a partition that nobody has held before.
    #[must_use]
    pub fn new(epoch: i64, next: i64) -> Self {
        Self {
            epoch,
            next,
            read_to: next,
            highest_created_at_ms: None,
            has_lost_owners: false,
            deaths: 0,
            crashes: Vec::new(),
        }
    }
}

/// A delivery that ran singly, since owners died one after the other, and at which more of them died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crashes {
    /// The offset of its record.
    pub offset: i64,
    /// Its handler's internal id.
    pub handler: i32,
    /// How many owners died of it.
    pub deaths: i32,
}

/// A step of a partition's progress, in the transaction that accounts for what it passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// The partition.
    pub partition: PartitionId,
    /// The claim under which it is done, with the `next` that must still stand.
    pub claim: Claim,
    /// The offset after the last record that the transaction accounts for.
    pub to: i64,
    /// The last record that it accounts for, to know the topic again.
    pub last: LastRecord,
    /// The highest time of an event's creation, in milliseconds since 1970.
    pub highest_created_at_ms: Option<i64>,
}

impl Advance {
    /// The claim once it is committed.
    pub fn step(&self, claim: &mut Claim) {
        let highest_created_at_ms = claim.highest_created_at_ms.max(self.highest_created_at_ms);
        *claim = Claim { highest_created_at_ms, ..Claim::new(claim.epoch, self.to) };
    }

    /// The statement of an `update` command that does it, and matches nothing where another owner has claimed.
    #[must_use]
    pub fn statement(&self, group: &str) -> Document {
        let set = doc! {
            "next": self.to,
            "last": {
                "offset": self.last.offset,
                "event_id": self.last.event_id.as_deref().map_or(Bson::Null, Bson::from),
                "timestamp_ms": self.last.timestamp_ms.map_or(Bson::Null, Bson::from),
                "digest": self.last.digest.map_or(Bson::Null, Bson::from),
            },
        };
        let mut update = doc! { "$set": set, "$inc": { "commits": 1_i64 } };
        if self.claim.has_lost_owners {
            update.insert("$unset", doc! { "lost_owners": "", "crashes": "" });
        }
        if let Some(highest) = self.highest_created_at_ms {
            update.insert("$max", doc! { "highest_created_at": bson::DateTime::from_millis(highest) });
        }
        let id = self.partition.progress_id(group);
        if seeded::on(Bug::MaxAsFence) {
            return doc! { "q": { "_id": id }, "u": { "$max": { "next": self.to } } };
        }
        doc! { "q": { "_id": id, "epoch": self.claim.epoch, "next": self.claim.next }, "u": update }
    }
}

/// A record as progress remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRecord {
    /// Its offset.
    pub offset: i64,
    /// The id of its event, where it was one.
    pub event_id: Option<String>,
    /// Kafka's timestamp.
    pub timestamp_ms: Option<i64>,
    /// A digest of its key and value; none where an older version has written it.
    pub digest: Option<i64>,
}

impl LastRecord {
    /// As the progress document has it.
    #[must_use]
    pub fn read(document: &Document) -> Option<Self> {
        Some(Self {
            offset: document.get_i64("offset").ok()?,
            event_id: document.get_str("event_id").ok().map(str::to_owned),
            timestamp_ms: document.get_i64("timestamp_ms").ok(),
            digest: document.get_i64("digest").ok(),
        })
    }
}
