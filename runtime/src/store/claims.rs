//! Claims: the epoch of a partition, its stored start, and the end of its predecessor's transactions.

use bson::{Bson, Document, doc};

use super::collections::{GROUPS, OWNERS, PROGRESS};
use super::{Claim, Error, PartitionId, Store};

/// Where a partition starts that has no progress yet, and why; stored before the first record is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartDecision {
    /// The offset of the first record to read.
    pub next: i64,
    /// Why there, in words.
    pub because: String,
}

impl Store {
    /// The number of partitions that the topic had at the group's first claim; `now` is stored where this is it.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn partitions_at_first_claim(&self, topic: &str, now: i32) -> Result<i32, Error> {
        let reply = self
            .own
            .run_command(doc! {
                "findAndModify": GROUPS,
                "query": { "_id": { "group": &*self.group, "topic": topic } },
                "update": { "$setOnInsert": { "partitions": now } },
                "upsert": true, "new": true, "writeConcern": { "w": "majority" },
            })
            .await?;
        Ok(reply.get_document("value").and_then(|value| value.get_i32("partitions")).unwrap_or(now))
    }

    /// The partition's progress, where it has any.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn progress(&self, partition: &PartitionId) -> Result<Option<Document>, Error> {
        let id = partition.progress_id(&self.group);
        Ok(self.own.collection::<Document>(PROGRESS).find_one(doc! { "_id": id }).await?)
    }

    /// Stores where a partition starts, unless that is decided already.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn store_start(&self, partition: &PartitionId, start: &StartDecision) -> Result<(), Error> {
        let id = partition.progress_id(&self.group);
        self.own
            .run_command(doc! {
                "update": PROGRESS,
                "updates": [{
                    "q": { "_id": id },
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
    /// # Errors
    /// What MongoDB answers; a partition without a stored start is a [`Error::Fault`].
    pub async fn claim(&self, partition: &PartitionId) -> Result<Claim, Error> {
        let progress = self.progress(partition).await?;
        let predecessor = progress.as_ref().and_then(|progress| progress.get_str("owner").ok());
        if let Some(predecessor) = predecessor.filter(|name| *name != &*self.owner) {
            self.kill_sessions_of(predecessor).await?;
        }
        let id = partition.progress_id(&self.group);
        let reply = self
            .own
            .run_command(doc! {
                "findAndModify": PROGRESS,
                "query": { "_id": id },
                "update": { "$inc": { "epoch": 1_i64 }, "$set": { "owner": &*self.owner } },
                "new": true, "writeConcern": { "w": "majority" },
            })
            .await?;
        let value = reply.get_document("value").map_err(|_| no_progress(partition))?;
        let number = |name| value.get_i64(name).map_err(|_| no_progress(partition));
        Ok(Claim { epoch: number("epoch")?, next: number("next")? })
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
                "q": { "_id": id, "owner": &*self.owner, "epoch": *epoch }, "u": { "$unset": { "owner": "" } },
            })
        });
        self.own
            .run_command(doc! {
                "update": PROGRESS,
                "updates": statements.collect::<Vec<_>>(),
                "writeConcern": { "w": "majority" },
            })
            .await?;
        Ok(())
    }

    /// Stores the ids of this process's sessions, before any of them is used.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub(super) async fn record_session(&self, session: &Document) -> Result<(), Error> {
        self.own
            .run_command(doc! {
                "update": OWNERS,
                "updates": [{
                    "q": { "_id": &*self.owner },
                    "u": {
                        "$addToSet": { "sessions": session },
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
        self.own.collection::<Document>(OWNERS).delete_one(doc! { "_id": &*self.owner }).await?;
        Ok(())
    }

    async fn kill_sessions_of(&self, owner: &str) -> Result<(), Error> {
        let record = self.own.collection::<Document>(OWNERS).find_one(doc! { "_id": owner }).await?;
        let sessions = record.as_ref().and_then(|record| record.get_array("sessions").ok());
        let Some(sessions) = sessions.filter(|sessions| !sessions.is_empty()) else { return Ok(()) };
        let sessions: Vec<Bson> = sessions.clone();
        self.admin(doc! { "killSessions": sessions }).await?;
        tracing::info!(predecessor = owner, "predecessor_sessions_killed");
        Ok(())
    }
}

fn no_progress(partition: &PartitionId) -> Error {
    Error::Fault(format!("the progress document of {partition} is missing or has another form"))
}
