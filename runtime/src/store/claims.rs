//! Claims: the epoch of a partition, its stored start, and the end of its predecessor's transactions. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::{Bson, Document, doc};

use super::collections::{GROUPS, OWNERS, PROGRESS};
use super::{Claim, Error, LastRecord, PartitionId, Running, Store};

/// Where a partition starts that has no progress yet, and why; stored before the first record is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartDecision {
    /// The offset of the first record to read.
    pub next: i64,
    /// Why there, in words.
    pub because: String,
}

/// What a claim found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The right to commit.
    pub claim: Claim,
    /// The last record that was accounted for, to know the topic again.
    pub last: Option<LastRecord>,
    /// Whether nobody's name stood there: the last owner gave it back.
    pub clean: bool,
}

/// How far a group has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupProgress {
    /// By topic, the highest time of creation that any of its partitions has accounted for, in milliseconds since 1970.
    highest_created_at_ms: BTreeMap<Arc<str>, i64>,
    /// The epoch of each partition.
    pub epochs: Vec<(PartitionId, i64)>,
}

impl GroupProgress {
    /// The highest time of creation that any partition of the topic has accounted for, in milliseconds since 1970. Another
    /// topic's says nothing: its connector may have stood still meanwhile.
    #[must_use]
    pub fn highest_of(&self, topic: &str) -> Option<i64> {
        self.highest_created_at_ms.get(topic).copied()
    }
}

impl Store {
    /// The number of partitions that the topic had at the group's first claim; `now` is stored where this is it.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn partitions_at_first_claim(&self, topic: &str, now: i32) -> Result<i32, Error> {
        let reply = self
            .own(doc! {
                "findAndModify": GROUPS,
                "query": { "_id": { "group": &*self.group, "topic": topic } },
                "update": { "$setOnInsert": { "partitions": now } },
                "upsert": true, "new": true, "writeConcern": { "w": "majority" },
            })
            .await?;
        Ok(reply.get_document("value").and_then(|value| value.get_i32("partitions")).unwrap_or(now))
    }

    /// Whether the group has started with this pattern of topics before.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn has_started_with(&self, pattern: &str) -> Result<bool, Error> {
        let id = doc! { "group": &*self.group, "pattern": pattern };
        Ok(self.first(GROUPS, doc! { "_id": id }, None).await?.is_some())
    }

    /// Notes that the group has started with this pattern: of each topic that it held, the number of partitions is
    /// stored.
    ///
    /// # Errors
    /// What MongoDB answers.
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

    /// The partition's progress, where it has any.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn progress(&self, partition: &PartitionId) -> Result<Option<Document>, Error> {
        self.first(PROGRESS, doc! { "_id": partition.progress_id(&self.group) }, None).await
    }

    /// The progress of all partitions of the group.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn all_progress(&self) -> Result<Vec<Document>, Error> {
        let filter = doc! { "_id.group": &*self.group };
        self.all(PROGRESS, filter, Some(doc! { "_id": 1 }), i64::from(i32::MAX)).await
    }

    /// How far the group has come.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn group_progress(&self) -> Result<GroupProgress, Error> {
        let mut found = GroupProgress::default();
        for progress in self.all_progress().await? {
            let of = || {
                let id = progress.get_document("_id").ok()?;
                let (topic, partition) = (id.get_str("topic").ok()?.into(), id.get_i32("partition").ok()?);
                Some((PartitionId { topic, partition }, progress.get_i64("epoch").ok()?))
            };
            let Some((id, epoch)) = of() else { continue };
            if let Ok(time) = progress.get_datetime("highest_created_at") {
                let highest = found.highest_created_at_ms.entry(Arc::clone(&id.topic)).or_insert(i64::MIN);
                *highest = time.timestamp_millis().max(*highest);
            }
            found.epochs.push((id, epoch));
        }
        Ok(found)
    }

    /// Stores where a partition starts, unless that is decided already.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn store_start(&self, partition: &PartitionId, start: &StartDecision) -> Result<(), Error> {
        self.own(doc! {
            "update": PROGRESS,
            "updates": [{
                "q": { "_id": partition.progress_id(&self.group) },
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

    /// Claims the partition: from here on no transaction of an earlier owner commits for it. Ends the transactions
    /// that a dead predecessor may have left open, which would block this owner's for a minute or more.
    ///
    /// `taken_over`: Kafka has assigned the partition to this process, so that an owner whose name still stands died, or
    /// hangs. One that claims again what another took from it knows nothing of the kind.
    ///
    /// # Errors
    /// What MongoDB answers; a partition without a stored start is a [`Error::Fault`].
    pub async fn claim(&self, partition: &PartitionId, taken_over: bool) -> Result<Claimed, Error> {
        loop {
            let progress = self.progress(partition).await?.ok_or_else(|| no_progress(partition))?;
            let epoch = progress.get_i64("epoch").map_err(|_| no_progress(partition))?;
            let predecessor = progress.get_str("owner").ok().filter(|name| *name != self.owner());
            if let Some(predecessor) = predecessor {
                self.kill_sessions_of(predecessor).await?;
            }
            let died = taken_over && predecessor.is_some_and(|name| process(name) != self.owner.name);
            let reply = self
                .own(doc! {
                    "findAndModify": PROGRESS,
                    "query": { "_id": partition.progress_id(&self.group), "epoch": epoch },
                    "update": self.step(&progress, died),
                    "new": true, "writeConcern": { "w": "majority" },
                })
                .await?;
            // Somebody else has claimed meanwhile: their sessions are to be ended too.
            let Ok(value) = reply.get_document("value") else { continue };
            return read(value, predecessor.is_none()).ok_or_else(|| no_progress(partition));
        }
    }

    /// What a claim changes. A predecessor whose name still stands did not give the partition back: it died, or hangs.
    fn step(&self, progress: &Document, unclean: bool) -> Document {
        let mut rise = doc! { "epoch": 1_i64 };
        if unclean {
            rise.insert("unclean", 1);
            let running = progress.get_document("running").and_then(|running| running.get_i64("offset"));
            if running.ok() == progress.get_i64("next").ok() {
                rise.insert("running.deaths", 1);
            }
        }
        doc! { "$inc": rise, "$set": { "owner": self.owner() } }
    }

    /// Notes that the partition's next event is about to run, singly; where the process dies of it, the next claim
    /// counts that. False where the claim no longer holds.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn note_running(&self, partition: &PartitionId, claim: &Claim) -> Result<bool, Error> {
        let deaths = claim.running.map_or(0, |running| running.deaths);
        let reply = self
            .own(doc! {
                "update": PROGRESS,
                "updates": [{
                    "q": { "_id": partition.progress_id(&self.group), "epoch": claim.epoch, "next": claim.next },
                    "u": { "$set": { "running": { "offset": claim.next, "deaths": deaths } } },
                }],
                "writeConcern": { "w": "majority" },
            })
            .await?;
        Ok(reply.get_i32("n").is_ok_and(|n| n == 1))
    }

    /// Raises the highest time of creation of a partition that has been read to its end, so that an idle one does not
    /// keep the ledger's old buckets: what comes to it now was emitted after what others hold. Does nothing where the
    /// claim no longer holds, or the partition has moved.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn raise_highest(&self, partition: &PartitionId, claim: &Claim, to_ms: i64) -> Result<(), Error> {
        self.own(doc! {
            "update": PROGRESS,
            "updates": [{
                "q": { "_id": partition.progress_id(&self.group), "epoch": claim.epoch, "next": claim.next },
                "u": { "$max": { "highest_created_at": bson::DateTime::from_millis(to_ms) } },
            }],
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Sets where a partition goes on, by hand; makes its progress where it has none. Every claim of before is void.
    /// False where somebody has claimed it meanwhile, so that nothing was set.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn set_next(&self, partition: &PartitionId, next: i64, because: &str) -> Result<bool, Error> {
        let fresh = StartDecision { next, because: because.to_owned() };
        self.store_start(partition, &fresh).await?;
        let progress = self.progress(partition).await?.ok_or_else(|| no_progress(partition))?;
        let epoch = progress.get_i64("epoch").map_err(|_| no_progress(partition))?;
        // Named by the epoch that was seen: a command that comes late sets nothing back.
        let reply = self
            .own(doc! {
                "update": PROGRESS,
                "updates": [{
                    "q": { "_id": partition.progress_id(&self.group), "epoch": epoch },
                    "u": {
                        "$set": { "next": next, "start": next, "start_because": because },
                        "$unset": { "last": "", "running": "", "unclean": "" },
                        "$inc": { "epoch": 1_i64, "commits": 1_i64 },
                    },
                }],
                "writeConcern": { "w": "majority" },
            })
            .await?;
        Ok(reply.get_i32("n").is_ok_and(|n| n == 1))
    }

    /// Takes this owner's name out of the progress of partitions, each with the epoch of its claim: it has drained,
    /// nothing of it is open.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn release(&self, claims: &[(&PartitionId, i64)]) -> Result<(), Error> {
        let statements = claims.iter().map(|(partition, epoch)| {
            let id = partition.progress_id(&self.group);
            Bson::Document(doc! {
                "q": { "_id": id, "epoch": *epoch },
                "u": { "$unset": { "owner": "", "unclean": "", "running": "" } },
            })
        });
        self.own(doc! {
            "update": PROGRESS,
            "updates": statements.collect::<Vec<_>>(),
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Stores the ids of this process's sessions, before any of them is used.
    pub(super) async fn record_session(&self, session: &Document) -> Result<(), Error> {
        self.own(doc! {
            "update": OWNERS,
            "updates": [{
                "q": { "_id": &self.owner.name },
                "u": {
                    "$addToSet": { "sessions": { "owner": self.owner(), "id": session } },
                    "$setOnInsert": { "group": &*self.group },
                    "$currentDate": { "started_at": true },
                },
                "upsert": true,
            }],
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Removes this process's owner record, after everything of it has ended.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn retire(&self) -> Result<(), Error> {
        self.own(doc! {
            "delete": OWNERS, "deletes": [{ "q": { "_id": &self.owner.name }, "limit": 1 }],
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Ends every session of the owner's process, but those of this process that are in use.
    async fn kill_sessions_of(&self, owner: &str) -> Result<(), Error> {
        let record = self.first(OWNERS, doc! { "_id": process(owner) }, None).await?;
        let recorded = record.as_ref().and_then(|record| record.get_array("sessions").ok());
        let current = self.owner();
        let sessions: Vec<Bson> = recorded
            .into_iter()
            .flatten()
            .filter_map(Bson::as_document)
            .filter(|session| session.get_str("owner").ok() != Some(current.as_str()))
            .filter_map(|session| session.get("id").cloned())
            .collect();
        if !sessions.is_empty() {
            self.run("admin", &doc! { "killSessions": sessions }).await?;
            tracing::info!(predecessor = owner, "predecessor_sessions_killed");
        }
        Ok(())
    }
}

/// The process of an owner's name: what stands before the number of its session.
fn process(owner: &str) -> &str {
    owner.rsplit_once('.').map_or(owner, |(process, _)| process)
}

/// The claim as the progress document has it.
fn read(progress: &Document, clean: bool) -> Option<Claimed> {
    let running = progress.get_document("running").ok().and_then(|running| {
        Some(Running { offset: running.get_i64("offset").ok()?, deaths: running.get_i32("deaths").unwrap_or(0) })
    });
    let claim = Claim {
        epoch: progress.get_i64("epoch").ok()?,
        next: progress.get_i64("next").ok()?,
        highest_created_at_ms: progress.get_datetime("highest_created_at").ok().map(|time| time.timestamp_millis()),
        unclean: progress.get_i32("unclean").unwrap_or(0),
        running,
    };
    let last = progress.get_document("last").ok().and_then(LastRecord::read);
    Some(Claimed { claim, last, clean })
}

fn no_progress(partition: &PartitionId) -> Error {
    Error::Fault(format!("the progress document of {partition} is missing or has another form"))
}
