//! The record of a process in `owners`: its sessions, whether it is alive, and which handler it is running. Pure.
//!
//! A process that shuts down cleanly notes this, and so does one whose host code has panicked. Any other process is
//! dead if it has sent no heartbeat while this process has sent several. So nobody counts as dead just because MongoDB
//! answers nobody, and a process that was only paused counts as alive again with its next heartbeat.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bson::{Bson, Document, doc};

use super::collections::OWNERS;
use super::deaths::Lost;
use super::{DEATHS_THAT_COUNT, Error, PartitionId, Store};

/// How often a process sends a heartbeat.
pub const BEAT: Duration = Duration::from_secs(1);
/// How many heartbeats of this process another process must miss to be dead.
const MISSED: usize = 4;

/// The name under which partitions are claimed, which changes after each abandoned session, and what this process knows
/// of its own record.
#[derive(Debug)]
pub(super) struct Owner {
    name: String,
    sessions: AtomicU32,
    record: Mutex<Record>,
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct Record {
    sessions: Vec<Document>,
    /// When MongoDB received the last heartbeats, in milliseconds since 1970.
    beats_ms: VecDeque<i64>,
}

impl Owner {
    pub(super) fn new(name: String) -> Self {
        Self { name, sessions: AtomicU32::new(0), record: Mutex::default(), ended: AtomicBool::new(false) }
    }

    pub(super) fn process(&self) -> &str {
        &self.name
    }

    /// Returns the owner's name in the progress of the partitions that it has claimed.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.name, self.sessions.load(Ordering::Relaxed))
    }

    /// Attributes to another owner what a session has left in doubt. The next claim ends that session as it would end a
    /// dead predecessor's.
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

    /// Returns the time since when a process must have sent a heartbeat to be alive, in milliseconds since 1970. None
    /// until this process has lived long enough to tell.
    fn dead_since_ms(&self) -> Option<i64> {
        let record = self.record();
        record.beats_ms.front().copied().filter(|_| record.beats_ms.len() == MISSED)
    }
}

/// Returns the process of an owner's name: the part before the session number.
pub(super) fn process(owner: &str) -> &str {
    owner.rsplit_once('.').map_or(owner, |(process, _)| process)
}

/// The delivery that a process was running according to its last note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunningThere {
    pub(super) offset: i64,
    pub(super) handler: i32,
}

/// Returns the delivery of this partition that the process is running, according to its record.
pub(super) fn running(record: &Document, group: &str, partition: &PartitionId) -> Option<RunningThere> {
    let running = record.get_document("running").ok()?;
    let of = running.get_document("of").ok()?;
    (*of == partition.progress_id(group)).then_some(())?;
    Some(RunningThere { offset: running.get_i64("offset").ok()?, handler: running.get_i32("handler").ok()? })
}

/// Returns whether the process of this record is dead.
fn is_dead(record: &Document, dead_since_ms: Option<i64>) -> bool {
    if record.get_bool("crashed").unwrap_or(false) {
        return true;
    }
    let seen_ms = record.get_datetime("seen_at").ok().map(|time| time.timestamp_millis());
    let silent = dead_since_ms.zip(seen_ms).is_some_and(|(since_ms, seen_ms)| seen_ms < since_ms);
    silent && !record.get_bool("ended").unwrap_or(false)
}

impl Store {
    /// Stores the id of a session of this process before the session is used.
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

    /// Sends a heartbeat.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
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
            // The record was removed because it was silent for days.
            None => {
                let sessions = self.owner.record().sessions.clone();
                self.enter(sessions).await?;
            }
        }
        Ok(())
    }

    /// Notes that this handler is about to run an event of the partition. If the process dies now, this is the cause.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn note_running(&self, partition: &PartitionId, offset: i64, handler: i32) -> Result<(), Error> {
        let running = doc! { "of": partition.progress_id(&self.group), "offset": offset, "handler": handler };
        self.change_record(doc! { "$set": { "running": running } }, false).await.map(drop)
    }

    /// Notes that the handler has ended.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn note_ran(&self) -> Result<(), Error> {
        self.change_record(doc! { "$unset": { "running": "" } }, false).await.map(drop)
    }

    /// Removes this process's record after everything that it had open has ended.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn retire(&self) -> Result<(), Error> {
        self.owner.ended.store(true, Ordering::Relaxed);
        self.own(doc! {
            "delete": OWNERS, "deletes": [{ "q": { "_id": self.owner.process() }, "limit": 1 }],
            "writeConcern": { "w": "majority" },
        })
        .await?;
        Ok(())
    }

    /// Notes that this process shuts down cleanly although it may still have something open, which its successors must
    /// end.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn leave(&self) -> Result<(), Error> {
        self.owner.ended.store(true, Ordering::Relaxed);
        self.change_record(doc! { "$set": { "ended": true }, "$unset": { "running": "" } }, false).await.map(drop)
    }

    /// Notes that this process ends because its own code has panicked, so nobody has to wait until it is silent.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
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

    /// Ends every session of the owner's process, except those that this process is using. Returns the process's
    /// record.
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

    /// Returns whether this process has lived long enough to tell which of a partition's lost owners are dead, if that
    /// can make a difference.
    #[must_use]
    pub fn can_tell_the_dead(&self, progress: &Document) -> bool {
        let standing = progress.get_str("owner").is_ok_and(|owner| process(owner) != self.owner.process());
        let lost = Lost::read(progress).count() + i32::from(standing);
        lost < DEATHS_THAT_COUNT || self.owner.dead_since_ms().is_some()
    }

    /// Returns which of these processes are dead, as far as this process can tell now. A process without a record has
    /// shut down cleanly.
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
