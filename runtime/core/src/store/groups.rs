//! The documents of `groups`: the topics of a group, and the ledger's own. Pure data and its BSON.

use bson::{Bson, Document, doc};
use serde::{Deserialize, Serialize};

use super::collections::{GROUPS, OWN_LEDGER};
use super::typed::{self, optional_date};
use super::{Error, Store};

/// The `_id` of a topic's document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct TopicId {
    pub(super) group: String,
    pub(super) topic: String,
}

impl TopicId {
    pub(super) fn new(group: &str, topic: &str) -> Self {
        Self { group: group.to_owned(), topic: topic.to_owned() }
    }

    pub(super) fn key(&self) -> Document {
        doc! { "group": &self.group, "topic": &self.topic }
    }
}

/// A topic of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Topic {
    #[serde(rename = "_id")]
    pub(super) id: TopicId,
    /// How many partitions it had at the group's first claim.
    pub(super) partitions: i32,
    /// How many partitions it has at least, because a member was assigned the last of them.
    #[serde(default)]
    pub(super) assigned: i32,
    /// How long the group's hosts want its events to be remembered.
    pub(super) retention_ms: Option<i64>,
    /// The marker of an event that was created before this may be gone, in milliseconds since 1970.
    #[serde(default, rename = "floor", with = "optional_date")]
    pub(super) floor_ms: Option<i64>,
    /// The highest bucket before which a sweep has closed the ledger while the topic existed.
    pub(super) swept: Option<i64>,
}

/// The ledger's own document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OwnLedger {
    /// The first bucket by time when the ledger was begun.
    pub(super) first_bucket: Option<i64>,
    /// The first bucket that the sweep has not closed, once it has closed any.
    pub(super) open_bucket: Option<i64>,
    /// Whether its topics have floors. False if an older version began it.
    #[serde(default)]
    pub(super) floors: bool,
}

impl Store {
    /// Returns these topics of the group, as far as they are known, and the ledger's own document, in one round trip.
    pub(super) async fn topics_and_ledger(
        &self,
        topics: impl Iterator<Item = &str>,
    ) -> Result<(Vec<Topic>, OwnLedger), Error> {
        let ids = topics.map(|topic| Bson::Document(TopicId::new(&self.group, topic).key()));
        let ids: Vec<Bson> = ids.chain([Bson::from(OWN_LEDGER)]).collect();
        let (mut known, mut ledger) = (Vec::new(), OwnLedger::default());
        let limit = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        for found in self.find(GROUPS, doc! { "_id": { "$in": ids } }, None, limit).await? {
            if found.get("_id").and_then(Bson::as_str) == Some(OWN_LEDGER) {
                ledger = typed::read(GROUPS, found)?;
            } else {
                known.push(typed::read(GROUPS, found)?);
            }
        }
        Ok((known, ledger))
    }

    /// Returns the topics of this group, or of all groups.
    pub(super) async fn topics_of(&self, group: Option<&str>) -> Result<Vec<Topic>, Error> {
        let mut filter = doc! { "_id.topic": { "$exists": true } };
        if let Some(group) = group {
            filter.insert("_id.group", group);
        }
        self.all(GROUPS, filter, None).await
    }
}
