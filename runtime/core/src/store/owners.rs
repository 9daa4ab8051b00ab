//! The record of a process in `owners`: its sessions, whether it is alive, and which handler it is running. Pure.
//!
//! A process that shuts down cleanly notes this, and so does one whose host code has panicked. Any other process is
//! dead if it has sent no heartbeat while this process has sent several. So nobody counts as dead just because MongoDB
//! answers nobody, and a process that was only paused counts as alive again with its next heartbeat.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bson::{Bson, Document, doc};
use serde::{Deserialize, Serialize};

use super::collections::OWNERS;
use super::deaths::{Lost, RunningThere};
use super::progress::ProgressId;
use super::typed::{self, optional_date};
use super::{DEATHS_THAT_COUNT, Error, Ownership, PartitionId, Progress, Store};
use crate::seeded::{self, Bug};

/// How often a process sends a heartbeat.
pub const BEAT: Duration = Duration::from_secs(1);
/// How many heartbeats of this process another process must miss to be dead.
const MISSED: usize = 4;

/// The name under which a committer claims partitions, which changes after each abandoned session, and what its process
/// knows of its own record.
#[derive(Debug)]
pub(super) struct Owner {
    process: Arc<ProcessOf>,
    /// Tells the committers of the process apart: that of the group has an empty tag.
    tag: String,
}

/// What the committers of one process share.
#[derive(Debug)]
struct ProcessOf {
    name: String,
    record: Mutex<Record>,
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct Record {
    sessions: Vec<SessionOf>,
    /// How many sessions each committer has abandoned, by its tag.
    abandoned: BTreeMap<String, u32>,
    /// When MongoDB received the last heartbeats, in milliseconds since 1970.
    beats_ms: VecDeque<i64>,
}

impl Owner {
    pub(super) fn new(name: String) -> Self {
        let process = ProcessOf { name, record: Mutex::default(), ended: AtomicBool::new(false) };
        Self { process: Arc::new(process), tag: String::new() }
    }

    /// Returns the owner of a line's committer in the same process.
    pub(super) fn of_line(&self, line: i32) -> Self {
        Self { process: Arc::clone(&self.process), tag: format!("{line}:") }
    }

    pub(super) fn process(&self) -> &str {
        &self.process.name
    }

    /// Returns the owner's name in the documents of the partitions that it has claimed.
    pub(super) fn name(&self) -> String {
        self.name_of(&self.tag)
    }

    /// Returns the present name of the committer of this process that has this tag.
    fn name_of(&self, tag: &str) -> String {
        format!("{}.{tag}{}", self.process.name, self.record().abandoned.get(tag).copied().unwrap_or(0))
    }

    /// Whether a claim that finds this predecessor must end that session. The group's claim ends all sessions of the
    /// predecessor's process, and what concerns a line only that line's. Of this process, only those are ended that a
    /// committer has abandoned.
    fn ends(&self, predecessor: &str, session: &SessionOf) -> bool {
        let of = tag(&session.owner);
        process(predecessor) == process(&session.owner)
            && (tag(predecessor).is_empty() || tag(predecessor) == of)
            && (process(predecessor) != self.process.name || session.owner != self.name_of(of))
    }

    /// Attributes to another owner what a session has left in doubt. The next claim ends that session as it would end a
    /// dead predecessor's.
    pub(super) fn rename(&self) {
        *self.record().abandoned.entry(self.tag.clone()).or_default() += 1;
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.process.record.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Returns the process of an owner's name: the part before its committer and session.
pub(super) fn process(owner: &str) -> &str {
    owner.rsplit_once('.').map_or(owner, |(process, _)| process)
}

/// Returns the tag of the committer in an owner's name.
fn tag(owner: &str) -> &str {
    let session = owner.rsplit_once('.').map_or("", |(_, session)| session);
    session.find(':').map_or("", |colon| &session[..=colon])
}

/// A document of `owners`: what a process says of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct OwnerDocument {
    #[serde(rename = "_id")]
    process: String,
    #[serde(default)]
    sessions: Vec<SessionOf>,
    /// When it sent its last heartbeat, in milliseconds since 1970.
    #[serde(default, rename = "seen_at", with = "optional_date")]
    seen_at_ms: Option<i64>,
    running: Option<Running>,
    /// It shut down cleanly.
    #[serde(default)]
    ended: bool,
    /// Its own code panicked.
    #[serde(default)]
    crashed: bool,
}

/// A session, and the owner in whose name it was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SessionOf {
    owner: String,
    /// The id, as `killSessions` takes it.
    id: Document,
}

/// A note that a handler is about to run an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    of: ProgressId,
    offset: i64,
    handler: i32,
    /// The delivery was parked before.
    #[serde(default)]
    retried: bool,
}

impl OwnerDocument {
    /// Returns the delivery of this partition that the process is running, according to its note.
    pub(super) fn running_of(&self, by: &Ownership, partition: &PartitionId) -> Option<RunningThere> {
        let running = self.running.as_ref().filter(|running| running.of == partition.owned_id(by))?;
        Some(RunningThere { offset: running.offset, handler: running.handler, retried: running.retried })
    }

    fn is_dead(&self, dead_since_ms: Option<i64>) -> bool {
        let silent = dead_since_ms.zip(self.seen_at_ms).is_some_and(|(since_ms, seen_ms)| seen_ms < since_ms);
        self.crashed || (silent && !self.ended)
    }
}

impl Store {
    /// Stores the id of a session of this process before the session is used.
    pub(super) async fn record_session(&self, session: &Document) -> Result<(), Error> {
        let entry = SessionOf { owner: self.owner.name(), id: session.clone() };
        self.enter(std::slice::from_ref(&entry)).await?;
        self.owner.record().sessions.push(entry);
        Ok(())
    }

    async fn enter(&self, sessions: &[SessionOf]) -> Result<(), Error> {
        self.change_record(
            doc! {
                "$addToSet": { "sessions": { "$each": typed::bson(&sessions) } },
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
        let record: Option<OwnerDocument> = typed::value(OWNERS, reply)?;
        match record.and_then(|record| record.seen_at_ms) {
            Some(at_ms) => self.owner.beaten(at_ms),
            None if self.owner.process.ended.load(Ordering::Relaxed) => {}
            // The record was removed because it was silent for days.
            None => {
                let sessions = self.owner.record().sessions.clone();
                self.enter(&sessions).await?;
            }
        }
        Ok(())
    }

    /// Notes that this handler is about to run an event of the partition. If the process dies now, this is the cause.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn note_running(
        &self,
        partition: &PartitionId,
        (offset, handler): (i64, i32),
        retried: bool,
    ) -> Result<(), Error> {
        let running = Running { of: partition.owned_id(&self.ownership), offset, handler, retried };
        self.change_record(doc! { "$set": { "running": typed::bson(&running) } }, false).await.map(drop)
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
        self.owner.process.ended.store(true, Ordering::Relaxed);
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
        self.owner.process.ended.store(true, Ordering::Relaxed);
        self.change_record(doc! { "$set": { "ended": true }, "$unset": { "running": "" } }, false).await.map(drop)
    }

    /// Notes that this process ends because its own code has panicked, so nobody has to wait until it is silent.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn crash(&self) -> Result<(), Error> {
        self.owner.process.ended.store(true, Ordering::Relaxed);
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

    /// Ends the sessions that these predecessors may have left. Returns the records of their processes.
    pub(super) async fn end_sessions_of(&self, owners: &BTreeSet<&str>) -> Result<Vec<OwnerDocument>, Error> {
        let processes: BTreeSet<&str> = owners.iter().map(|owner| process(owner)).collect();
        let processes: Vec<&str> = processes.into_iter().collect();
        let records: Vec<OwnerDocument> = self.all(OWNERS, doc! { "_id": { "$in": processes } }, None).await?;
        let is_left = |session: &&SessionOf| owners.iter().any(|owner| self.owner.ends(owner, session));
        let left = records.iter().flat_map(|record| &record.sessions).filter(is_left);
        let left: Vec<&Document> = left.map(|session| &session.id).collect();
        if !left.is_empty() && !seeded::on(Bug::SessionsLeft) {
            self.run("admin", &doc! { "killSessions": left }).await?;
            tracing::info!(predecessors = ?owners, "predecessor_sessions_killed");
        }
        Ok(records)
    }

    /// Returns whether this process has lived long enough to tell which of a partition's lost owners are dead, if that
    /// can make a difference.
    #[must_use]
    pub fn can_tell_the_dead(&self, progress: &Progress) -> bool {
        let standing = progress.owner.as_deref().is_some_and(|owner| process(owner) != self.owner.process());
        let lost = Lost::of(progress).count() + i32::from(standing);
        lost < DEATHS_THAT_COUNT || self.owner.dead_since_ms().is_some()
    }

    /// Returns which of these processes are dead, as far as this process can tell now. A process without a record has
    /// shut down cleanly.
    pub(super) async fn dead(&self, processes: &BTreeSet<&str>) -> Result<BTreeSet<String>, Error> {
        if processes.is_empty() {
            return Ok(BTreeSet::new());
        }
        let ids: Vec<Bson> = processes.iter().map(|process| Bson::from(*process)).collect();
        let records: Vec<OwnerDocument> = self.all(OWNERS, doc! { "_id": { "$in": ids } }, None).await?;
        let dead_since_ms = self.owner.dead_since_ms();
        let dead = records.into_iter().filter(|record| record.is_dead(dead_since_ms) || seeded::on(Bug::LossIsDeath));
        Ok(dead.map(|record| record.process).collect())
    }
}

#[cfg(test)]
mod tests {
    use bson::DateTime;

    use super::*;

    fn silent_since(at_ms: i64) -> OwnerDocument {
        OwnerDocument { seen_at_ms: Some(at_ms), ..OwnerDocument::default() }
    }

    #[test]
    fn who_missed_several_beats_is_dead() {
        let owner = Owner::new("me".to_owned());
        for at_ms in [1_000, 2_000, 3_000] {
            owner.beaten(at_ms);
            assert!(!silent_since(0).is_dead(owner.dead_since_ms()), "this process has not lived long enough to tell");
        }
        owner.beaten(4_000);
        assert!(silent_since(999).is_dead(owner.dead_since_ms()));
        assert!(!silent_since(1_000).is_dead(owner.dead_since_ms()));
        owner.beaten(5_000);
        assert!(silent_since(1_000).is_dead(owner.dead_since_ms()));
    }

    #[test]
    fn nobody_is_dead_because_mongodb_answered_nobody() {
        let owner = Owner::new("me".to_owned());
        for at_ms in [1_000, 2_000, 3_000, 4_000, 90_000] {
            owner.beaten(at_ms);
        }
        assert!(!silent_since(4_100).is_dead(owner.dead_since_ms()));
    }

    #[test]
    fn what_a_record_says_goes_before_its_silence() {
        let silent = silent_since(0);
        assert!(OwnerDocument { crashed: true, ..silent.clone() }.is_dead(None));
        assert!(!OwnerDocument { ended: true, ..silent }.is_dead(Some(1_000)));
        let old: OwnerDocument = typed::read(OWNERS, doc! { "_id": "of a version without beats" }).expect("an owner");
        assert!(!old.is_dead(Some(1_000)));
    }

    #[test]
    fn a_record_tells_what_runs_of_a_partition() {
        let id = |partition| PartitionId { topic: "t".into(), partition };
        let by = |group: &str, line| Ownership { group: group.into(), line };
        let running = Running { of: id(2).owned_id(&by("g", None)), offset: 7, handler: 3, retried: false };
        let document = doc! { "_id": "o", "running": typed::bson(&running), "seen_at": DateTime::from_millis(5) };
        let record: OwnerDocument = typed::read(OWNERS, document).expect("an owner");
        assert_eq!(record.seen_at_ms, Some(5));
        let there = Some(RunningThere { offset: 7, handler: 3, retried: false });
        assert_eq!(record.running_of(&by("g", None), &id(2)), there);
        assert_eq!(record.running_of(&by("g", None), &id(1)), None);
        assert_eq!(record.running_of(&by("h", None), &id(2)), None);
        assert_eq!(record.running_of(&by("g", Some(4)), &id(2)), None);
    }

    #[test]
    fn a_claim_ends_what_a_predecessor_has_left_and_nothing_that_is_in_use() {
        let group = Owner::new("me".to_owned());
        let line = group.of_line(7);
        line.rename();
        assert_eq!((group.name(), line.name()), ("me.0".to_owned(), "me.7:1".to_owned()));
        let ends = |predecessor: &str, owner: &str| {
            let session = SessionOf { owner: owner.to_owned(), id: Document::new() };
            let ends = group.ends(predecessor, &session);
            assert_eq!(line.ends(predecessor, &session), ends, "whoever claims");
            ends
        };
        assert!(ends("other.2", "other.0") && ends("other.2", "other.7:0"), "the process has lost the partition");
        assert!(ends("other.7:2", "other.7:0"));
        assert!(!ends("other.7:2", "other.8:0") && !ends("other.7:2", "other.2"), "the process may be alive");
        assert!(!ends("other.2", "another.2"));
        assert!(!ends("me.0", "me.0"), "the group's committer uses it");
        assert!(!ends("me.7:0", "me.7:1") && !ends("me.0", "me.7:1"), "the line's committer uses it");
        assert!(ends("me.7:0", "me.7:0") && ends("me.0", "me.7:0"), "the line's committer has abandoned it");
        group.rename();
        assert!(ends("me.0", "me.0"));
    }
}
