//! Claims: the epoch of a partition, its stored start, and the end of its predecessor's transactions. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bson::{Bson, Document, doc};

use super::collections::{GROUPS, LANES};
use super::deaths::Lost;
use super::groups::{Topic, TopicId};
use super::{Claim, Error, LastRecord, PartitionId, Progress, Store, owners, typed};

/// The start of a partition without progress, and the reason. It is stored before the first record is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartDecision {
    /// The offset of the first record to read.
    pub next: i64,
    /// The reason for this offset, in words.
    pub because: String,
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The right to commit.
    pub claim: Claim,
    /// The last record that was accounted for, which shows whether the topic is still the same.
    pub last: Option<LastRecord>,
    /// Whether the progress named no other owner, because the last one gave the partition back.
    pub clean: bool,
}

/// How far a group has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupProgress {
    /// By topic, the highest creation time that any of its partitions has accounted for, in milliseconds since 1970.
    highest_created_at_ms: BTreeMap<Arc<str>, i64>,
    /// The epoch of each partition.
    pub epochs: Vec<(PartitionId, i64)>,
}

impl GroupProgress {
    /// Returns the highest creation time that any partition of the topic has accounted for, in milliseconds since 1970.
    /// The time of another topic says nothing about this one, because its connector may have stopped meanwhile.
    #[must_use]
    pub fn highest_of(&self, topic: &str) -> Option<i64> {
        self.highest_created_at_ms.get(topic).copied()
    }
}

impl Store {
    /// Returns the number of partitions that the topic had at the group's first claim. If this is the first claim,
    /// stores `now`.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn partitions_at_first_claim(&self, topic: &str, now: i32) -> Result<i32, Error> {
        let reply = self
            .own(doc! {
                "findAndModify": GROUPS,
                "query": { "_id": TopicId::new(&self.group, topic).key() },
                "update": { "$setOnInsert": { "partitions": now } },
                "upsert": true, "new": true, "writeConcern": { "w": "majority" },
            })
            .await?;
        Ok(typed::value::<Topic>(GROUPS, reply)?.map_or(now, |topic| topic.partitions))
    }

    /// Notes that the topic has this partition, so that no sweep of the ledger forgets what its first events may repeat.
    /// Call this before anything else is asked about a partition without progress: Kafka may not answer for hours.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn note_partition(&self, partition: &PartitionId) -> Result<(), Error> {
        self.own(doc! {
            "update": GROUPS,
            "updates": [{
                "q": { "_id": TopicId::new(&self.group, &partition.topic).key() },
                "u": { "$max": { "assigned": partition.partition + 1 }, "$setOnInsert": { "partitions": 0 } },
                "upsert": true,
            }],
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Returns whether the group has started with this pattern of topics before.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn has_started_with(&self, pattern: &str) -> Result<bool, Error> {
        let id = doc! { "group": &*self.group, "pattern": pattern };
        Ok(self.first::<Document>(GROUPS, doc! { "_id": id }, None).await?.is_some())
    }

    /// Notes that the group has started with this pattern, after the number of partitions of each matching topic was
    /// stored.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn start_with(&self, pattern: &str) -> Result<(), Error> {
        self.own(doc! {
            "update": GROUPS,
            "updates": [{
                "q": { "_id": { "group": &*self.group, "pattern": pattern } },
                "u": { "$currentDate": { "started_at": true } },
                "upsert": true,
            }],
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Returns the partition's progress, if it has any.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn progress(&self, partition: &PartitionId) -> Result<Option<Progress>, Error> {
        self.first(self.ownership.collection(), doc! { "_id": partition.owned_key(&self.ownership) }, None).await
    }

    /// Returns the progress of all partitions of the group.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn all_progress(&self) -> Result<Vec<Progress>, Error> {
        let filter = doc! { "_id.group": &*self.group };
        self.all(self.ownership.collection(), filter, Some(doc! { "_id": 1 })).await
    }

    /// Returns how far the group has come.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn group_progress(&self) -> Result<GroupProgress, Error> {
        let mut found = GroupProgress::default();
        for progress in self.all_progress().await? {
            let id = progress.partition();
            if let Some(time_ms) = progress.highest_created_at_ms {
                let highest_ms = found.highest_created_at_ms.entry(Arc::clone(&id.topic)).or_insert(i64::MIN);
                *highest_ms = time_ms.max(*highest_ms);
            }
            found.epochs.push((id, progress.epoch));
        }
        Ok(found)
    }

    /// Stores a partition's start unless it is already decided.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn store_start(&self, partition: &PartitionId, start: &StartDecision) -> Result<(), Error> {
        self.own(doc! {
            "update": self.ownership.collection(),
            "updates": [{
                "q": { "_id": partition.owned_key(&self.ownership) },
                "u": { "$setOnInsert": {
                    "epoch": 0_i64, "next": start.next, "commits": 0_i64, "start": start.next,
                    "start_because": &start.because,
                } },
                "upsert": true,
            }],
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Claims the partition. From here on, no transaction of an earlier owner commits for it. Ends the transactions
    /// that a dead predecessor may have left open, which would block this owner's for a minute or more.
    ///
    /// If the progress still names a predecessor, that owner did not give the partition back. It may not be known yet
    /// whether that owner is dead or has only lost the partition. So it is remembered until something is committed, and
    /// each claim counts the owners that are dead by then.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer. A partition without a stored start is an
    /// [`Error::Fault`].
    pub async fn claim(&self, partition: &PartitionId) -> Result<Claimed, Error> {
        let claimed = self.claim_under(partition, i64::MAX).await?;
        claimed.ok_or_else(|| Error::Fault(format!("{partition} is claimed under another epoch")))
    }

    /// Does the same for a line, under the group's claim of this epoch. Returns none if the group has claimed the
    /// partition again since.
    ///
    /// # Errors
    /// As for [`Store::claim`].
    pub async fn claim_under(&self, partition: &PartitionId, under: i64) -> Result<Option<Claimed>, Error> {
        loop {
            let progress = self.progress(partition).await?.ok_or_else(|| no_progress(partition))?;
            if progress.under.is_some_and(|newer| newer > under) {
                return Ok(None);
            }
            let name = self.owner.name();
            let predecessor = progress.owner.as_ref().filter(|owner| **owner != name);
            let mut lost = Lost::of(&progress);
            if let Some(predecessor) = predecessor {
                let record = self.end_sessions_of(&BTreeSet::from([&**predecessor])).await?.pop();
                let process = owners::process(predecessor);
                if process != self.owner.process() {
                    let running = record.and_then(|record| record.running_of(&self.ownership, partition));
                    lost.take_from(process, running.filter(|there| there.retried || there.offset >= progress.next));
                }
            }
            let mut set = doc! { "owner": name };
            if !lost.is_empty() {
                set.extend(lost.fields());
            }
            let reply = self
                .own(doc! {
                    "findAndModify": self.ownership.collection(),
                    "query": { "_id": partition.owned_key(&self.ownership), "epoch": progress.epoch },
                    "update": { "$inc": { "epoch": 1_i64 }, "$set": set },
                    "new": true, "writeConcern": { "w": "majority" },
                })
                .await?;
            // Another process has claimed the partition meanwhile, and its sessions must be ended too.
            let Some(claimed) = typed::value::<Progress>(self.ownership.collection(), reply)? else { continue };
            let dead = self.dead(&lost.processes()).await?;
            let claim = claim_of(&claimed, &lost, &dead);
            return Ok(Some(Claimed { claim, last: claimed.last, clean: predecessor.is_none() }));
        }
    }

    /// Ends what lanes of the partition may still do that were claimed before the group's claim of this epoch. Their
    /// transactions commit nothing from here on, and they cannot be claimed under an earlier one.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn end_lanes(&self, partition: &PartitionId, epoch: i64) -> Result<(), Error> {
        let filter = doc! {
            "_id.group": &*self.group, "_id.topic": &*partition.topic, "_id.partition": partition.partition,
        };
        let lanes: Vec<Progress> = self.all(LANES, filter, None).await?;
        if lanes.is_empty() {
            return Ok(());
        }
        // An owner of a lane that died, or that abandoned its session, may have left a transaction open.
        let owners: BTreeSet<&str> = lanes.iter().filter_map(|lane| lane.owner.as_deref()).collect();
        if !owners.is_empty() {
            self.end_sessions_of(&owners).await?;
        }
        let end = |lane: Progress| {
            let update = doc! { "$inc": { "epoch": 1_i64 }, "$set": { "under": epoch } };
            Bson::from(doc! { "q": { "_id": typed::bson(&lane.id) }, "u": update })
        };
        let updates: Vec<Bson> = lanes.into_iter().map(end).collect();
        self.own(doc! { "update": LANES, "updates": updates, "writeConcern": { "w": "majority" } }).await?;
        Ok(())
    }

    /// Notes that the partition has been read to its end. Does nothing if the claim no longer holds or the partition
    /// has moved.
    ///
    /// Raises the partition's highest creation time to that of its topic, so that an idle partition does not keep old
    /// buckets of the ledger alive: an event that arrives now was emitted after those of the other partitions. The end
    /// of the log is kept because transaction markers may follow the last record. Kafka's retention may remove these
    /// markers without removing a record.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn note_end(
        &self,
        partition: &PartitionId,
        claim: &Claim,
        end: i64,
        highest_created_at_ms: Option<i64>,
    ) -> Result<(), Error> {
        let mut raised = doc! { "read_to": end };
        if let Some(highest_ms) = highest_created_at_ms {
            raised.insert("highest_created_at", bson::DateTime::from_millis(highest_ms));
        }
        self.own(doc! {
            "update": self.ownership.collection(),
            "updates": [{
                "q": { "_id": partition.owned_key(&self.ownership), "epoch": claim.epoch, "next": claim.next },
                "u": { "$max": raised },
            }],
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Sets by hand the offset at which a partition goes on, and creates its progress if it has none. All earlier
    /// claims become void. Returns false if another process has claimed it meanwhile, in which case nothing was set.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn set_next(&self, partition: &PartitionId, next: i64, because: &str) -> Result<bool, Error> {
        let fresh = StartDecision { next, because: because.to_owned() };
        self.store_start(partition, &fresh).await?;
        let progress = self.progress(partition).await?.ok_or_else(|| no_progress(partition))?;
        // The filter has the epoch that was read, so that a command that arrives late resets nothing.
        let reply = self
            .own(doc! {
                "update": self.ownership.collection(),
                "updates": [{
                    "q": { "_id": partition.owned_key(&self.ownership), "epoch": progress.epoch },
                    "u": {
                        "$set": { "next": next, "start": next, "start_because": because },
                        "$unset": { "last": "", "read_to": "", "lost_owners": "", "crashes": "" },
                        "$inc": { "epoch": 1_i64, "commits": 1_i64 },
                    },
                }],
                "writeConcern": { "w": "majority" },
            })
            .await?;
        Ok(reply.get_i32("n").is_ok_and(|n| n == 1))
    }

    /// Removes this owner's name from the progress of partitions, each with the epoch of its claim. The owner has
    /// drained them and has nothing open. The lost owners before it stay, because nothing was committed since.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn release(&self, claims: &[(&PartitionId, i64)]) -> Result<(), Error> {
        let statements = claims.iter().map(|(partition, epoch)| {
            let id = partition.owned_key(&self.ownership);
            Bson::Document(doc! {
                "q": { "_id": id, "epoch": *epoch },
                "u": { "$unset": { "owner": "" } },
            })
        });
        self.own(doc! {
            "update": self.ownership.collection(),
            "updates": statements.collect::<Vec<_>>(),
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }
}

/// Returns the claim that the new progress grants, which counts the lost owners that are dead.
fn claim_of(progress: &Progress, lost: &Lost, dead: &BTreeSet<String>) -> Claim {
    Claim {
        epoch: progress.epoch,
        next: progress.next,
        read_to: progress.read_to.unwrap_or(progress.next).max(progress.next),
        highest_created_at_ms: progress.highest_created_at_ms,
        has_lost_owners: !lost.is_empty(),
        deaths: lost.deaths(dead),
        crashes: lost.crashes(dead),
    }
}

fn no_progress(partition: &PartitionId) -> Error {
    Error::Fault(format!("the progress document of {partition} is missing"))
}
