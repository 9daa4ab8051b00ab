//! The record of a process in `owners`: its sessions, whether it lives, and which handler it is running. Pure.
//!
//! A process that ends in an orderly way says so, and one whose host code has panicked says that. Of all others, those are
//! dead that have not beaten while this process has, several times: a MongoDB that answers nobody makes nobody dead, and
//! one that was only paused counts as alive again once it beats.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bson::{Bson, Document, doc};

use super::collections::OWNERS;
use super::deaths::Lost;
use super::{DEATHS_THAT_COUNT, Error, PartitionId, Store};

/// How often a process says that it lives.
pub const BEAT: Duration = Duration::from_secs(1);
/// How many beats of this process another one has to miss until it is dead.
const MISSED: usize = 4;

/// The name under which partitions are claimed, another one after each session that was given up; and what this process
/// knows of its own record.
#[derive(Debug)]
pub(super) struct Owner {
    name: String,
    sessions: AtomicU32,
    record: Mutex<Record>,
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct Record {
    /// The sessions that stand in it.
    sessions: Vec<Document>,
    /// When MongoDB has heard the last beats, in milliseconds since 1970.
    beats_ms: VecDeque<i64>,
}

impl Owner {
    pub(super) fn new(name: String) -> Self {
        Self { name, sessions: AtomicU32::new(0), record: Mutex::default(), ended: AtomicBool::new(false) }
    }

    /// The name of its process.
    pub(super) fn process(&self) -> &str {
        &self.name
    }

    /// The name in progress of what it has claimed.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.name, self.sessions.load(Ordering::Relaxed))
    }

    /// What a session has left in doubt is another owner's: the next claim ends that session as it would end a dead
    /// predecessor's.
    pub(super) fn rename(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beaten(&self, at_ms: i64) {
        let beats_ms = &mut self.record().beats_ms;
        beats_ms.push_back(at_ms);
        if beats_ms.len() > MISSED {
            beats_ms.pop_front();
        }
    }

    /// Who has not beaten since then is dead, in milliseconds since 1970; none as long as this process has not lived long
    /// enough to tell.
    fn dead_since_ms(&self) -> Option<i64> {
        let record = self.record();
        record.beats_ms.front().copied().filter(|_| record.beats_ms.len() == MISSED)
    }
}

/// The process of an owner's name: what stands before the number of its session.
pub(super) fn process(owner: &str) -> &str {
    owner.rsplit_once('.').map_or(owner, |(process, _)| process)
}

/// What a process was running when it was last heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunningThere {
    pub(super) offset: i64,
    pub(super) handler: i32,
}

/// What the record says that the process is running of this partition.
pub(super) fn running(record: &Document, group: &str, partition: &PartitionId) -> Option<RunningThere> {
    let running = record.get_document("running").ok()?;
    let of = running.get_document("of").ok()?;
    (*of == partition.progress_id(group)).then_some(())?;
    Some(RunningThere { offset: running.get_i64("offset").ok()?, handler: running.get_i32("handler").ok()? })
}

/// Whether its process is dead, by its record.
fn is_dead(record: &Document, dead_since_ms: Option<i64>) -> bool {
    if record.get_bool("crashed").unwrap_or(false) {
        return true;
    }
    let seen_ms = record.get_datetime("seen_at").ok().map(|time| time.timestamp_millis());
    let silent = dead_since_ms.zip(seen_ms).is_some_and(|(since_ms, seen_ms)| seen_ms < since_ms);
    silent && !record.get_bool("ended").unwrap_or(false)
}

impl Store {
    /// Stores the id of a session of this process, before it is used.
    pub(super) async fn record_session(&self, session: &Document) -> Result<(), Error> {
        let entry = doc! { "owner": self.owner.name(), "id": session };
        self.enter(vec![entry.clone()]).await?;
        self.owner.record().sessions.push(entry);
        Ok(())
    }

    async fn enter(&self, sessions: Vec<Document>) -> Result<(), Error> {
        self.change_record(
            doc! {
                "$addToSet": { "sessions": { "$each": sessions } },
                "$setOnInsert": { "group": &*self.group },
                "$currentDate": { "started_at": true, "seen_at": true },
            },
            true,
        )
        .await
        .map(drop)
    }

    /// Says that this process lives.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn beat(&self) -> Result<(), Error> {
        let reply = self
            .own(doc! {
                "findAndModify": OWNERS,
                "query": { "_id": self.owner.process() },
                "update": { "$currentDate": { "seen_at": true } },
                "new": true, "writeConcern": { "w": 1 },
            })
            .await?;
        let seen = reply.get_document("value").ok().and_then(|record| record.get_datetime("seen_at").ok());
        match seen {
            Some(at) => self.owner.beaten(at.timestamp_millis()),
            None if self.owner.ended.load(Ordering::Relaxed) => {}
            // Somebody has removed it: it was silent for days.
            None => {
                let sessions = self.owner.record().sessions.clone();
                self.enter(sessions).await?;
            }
        }
        Ok(())
    }

    /// Notes that this handler is about to run an event of the partition: if the process dies now, it died of that.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn note_running(&self, partition: &PartitionId, offset: i64, handler: i32) -> Result<(), Error> {
        let running = doc! { "of": partition.progress_id(&self.group), "offset": offset, "handler": handler };
        self.change_record(doc! { "$set": { "running": running } }, false).await.map(drop)
    }

    /// Notes that the handler has come to its end.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn note_ran(&self) -> Result<(), Error> {
        self.change_record(doc! { "$unset": { "running": "" } }, false).await.map(drop)
    }

    /// Removes this process's record, after everything of it has ended.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn retire(&self) -> Result<(), Error> {
        self.owner.ended.store(true, Ordering::Relaxed);
        self.own(doc! {
            "delete": OWNERS, "deletes": [{ "q": { "_id": self.owner.process() }, "limit": 1 }],
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Says that this process ends in an orderly way although something of it may still be open, which its successors
    /// are to end.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn leave(&self) -> Result<(), Error> {
        self.owner.ended.store(true, Ordering::Relaxed);
        self.change_record(doc! { "$set": { "ended": true }, "$unset": { "running": "" } }, false).await.map(drop)
    }

    /// Says that this process ends since its own code has panicked: nobody has to wait until it is silent.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn crash(&self) -> Result<(), Error> {
        self.owner.ended.store(true, Ordering::Relaxed);
        self.change_record(doc! { "$set": { "crashed": true } }, false).await.map(drop)
    }

    async fn change_record(&self, update: Document, upsert: bool) -> Result<Document, Error> {
        self.own(doc! {
            "update": OWNERS,
            "updates": [{ "q": { "_id": self.owner.process() }, "u": update, "upsert": upsert }],
            "writeConcern": { "w": "majority" },
        })
        .await
    }

    /// Ends every session of the owner's process, but those of this process that are in use; gives the process's record.
    pub(super) async fn end_sessions_of(&self, owner: &str) -> Result<Option<Document>, Error> {
        let record = self.first(OWNERS, doc! { "_id": process(owner) }, None).await?;
        let recorded = record.as_ref().and_then(|record| record.get_array("sessions").ok());
        let current = self.owner.name();
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
        Ok(record)
    }

    /// Whether this process has lived long enough to tell which of a partition's lost owners are dead, if that may count.
    #[must_use]
    pub fn can_tell_the_dead(&self, progress: &Document) -> bool {
        let standing = progress.get_str("owner").is_ok_and(|owner| process(owner) != self.owner.process());
        let lost = Lost::read(progress).count() + i32::from(standing);
        lost < DEATHS_THAT_COUNT || self.owner.dead_since_ms().is_some()
    }

    /// Those of these processes that are dead, as far as can be told now. One without a record has ended in an orderly way.
    pub(super) async fn dead(&self, processes: &BTreeSet<&str>) -> Result<BTreeSet<String>, Error> {
        if processes.is_empty() {
            return Ok(BTreeSet::new());
        }
        let ids: Vec<Bson> = processes.iter().map(|process| Bson::from(*process)).collect();
        let records = self.all(OWNERS, doc! { "_id": { "$in": ids } }, None, i64::from(i32::MAX)).await?;
        let dead_since_ms = self.owner.dead_since_ms();
        let dead = records.iter().filter(|record| is_dead(record, dead_since_ms));
        Ok(dead.filter_map(|record| record.get_str("_id").ok().map(str::to_owned)).collect())
    }
}

#[cfg(test)]
mod tests {
    use bson::DateTime;

    use super::*;

    fn seen(at_ms: i64) -> Document {
        doc! { "_id": "o", "seen_at": DateTime::from_millis(at_ms) }
    }

    #[test]
    fn who_missed_several_beats_is_dead() {
        let owner = Owner::new("me".to_owned());
        for at_ms in [1_000, 2_000, 3_000] {
            owner.beaten(at_ms);
            assert!(!is_dead(&seen(0), owner.dead_since_ms()), "this process has not lived long enough to tell");
        }
        owner.beaten(4_000);
        assert!(is_dead(&seen(999), owner.dead_since_ms()));
        assert!(!is_dead(&seen(1_000), owner.dead_since_ms()));
        owner.beaten(5_000);
        assert!(is_dead(&seen(1_000), owner.dead_since_ms()));
    }

    #[test]
    fn nobody_is_dead_because_mongodb_answered_nobody() {
        let owner = Owner::new("me".to_owned());
        for at_ms in [1_000, 2_000, 3_000, 4_000, 90_000] {
            owner.beaten(at_ms);
        }
        assert!(!is_dead(&seen(4_100), owner.dead_since_ms()));
    }

    #[test]
    fn what_a_record_says_goes_before_its_silence() {
        let with = |name: &str| {
            let mut record = seen(0);
            record.insert(name, true);
            record
        };
        assert!(is_dead(&with("crashed"), None));
        assert!(!is_dead(&with("ended"), Some(1_000)));
        assert!(!is_dead(&doc! { "_id": "of a version without beats" }, Some(1_000)));
    }

    #[test]
    fn a_record_tells_what_runs_of_a_partition() {
        let id = |partition| PartitionId { topic: "t".into(), partition };
        let record = doc! { "running": { "of": id(2).progress_id("g"), "offset": 7_i64, "handler": 3 } };
        assert_eq!(running(&record, "g", &id(2)), Some(RunningThere { offset: 7, handler: 3 }));
        assert_eq!(running(&record, "g", &id(1)), None);
        assert_eq!(running(&record, "h", &id(2)), None);
    }
}
