//! Whether the process makes progress, and whether it is ready: what it waits for, and which partitions have stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::hint;

/// The process loads its handlers, which takes seconds for each that is large.
pub const HANDLERS: &str = "handlers";
/// The process waits for Kafka.
pub const KAFKA: &str = "kafka";
/// The process waits for MongoDB.
pub const MONGODB: &str = "mongodb";
/// The process waits for the group's first assignment, and for the partitions in it to be claimed.
pub const ASSIGNMENT: &str = "assignment";

/// The process waits for progress, although there are records to account for.
pub const PROGRESS: &str = "progress";

/// The process waits for a person to help with records that Kafka's client cannot read.
pub const RECORDS: &str = "records";

/// The health of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    draining: bool,
    waits: BTreeMap<String, Wait>,
    stopped: BTreeMap<(String, i32), String>,
    loops: BTreeMap<&'static str, Loop>,
}

#[derive(Debug)]
struct Wait {
    why: String,
    since: Instant,
}

#[derive(Debug)]
struct Loop {
    last: Instant,
    bound: Duration,
}

/// Whether the process can take events, and what prevents it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether nothing is waited for, no partition has stopped, and no stop was requested.
    pub ready: bool,
    /// Whether the process is finishing its work in order to stop.
    pub draining: bool,
    /// The things that the process waits for.
    pub waiting_for: Vec<WaitingFor>,
    /// The partitions that have stopped until somebody acts.
    pub stopped: Vec<Stopped>,
}

/// Something that the process waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WaitingFor {
    /// Its name.
    pub what: String,
    /// Why it is missing, in its own words.
    pub why: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How long the process has waited for it.
    pub for_seconds: u64,
}

/// A partition that has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stopped {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// Why it has stopped.
    pub why: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Readiness {
    /// Returns the same without the words of Kafka and MongoDB.
    #[must_use]
    pub fn without_reasons(mut self) -> Self {
        for wait in &mut self.waiting_for {
            "shown only on the host's own machine and in its log".clone_into(&mut wait.why);
            wait.hint = None;
        }
        self
    }
}

impl Health {
    /// Returns the health of a process that has just begun: it waits for [`KAFKA`], [`MONGODB`] and [`ASSIGNMENT`].
    #[must_use]
    pub fn new() -> Self {
        let health = Self { state: Arc::default() };
        for what in [KAFKA, MONGODB, ASSIGNMENT] {
            let wait = Wait { why: "the process has just begun".to_owned(), since: Instant::now() };
            health.lock().waits.insert(what.to_owned(), wait);
        }
        health
    }

    /// Reports that something is missing. The reason may have a hint. Logs that if the thing or the reason is new.
    pub fn waiting_for(&self, what: &str, why: impl Into<String>) {
        let why = why.into();
        let mut state = self.lock();
        let wait = state.waits.get_mut(what);
        if wait.as_ref().is_none_or(|wait| wait.why != why) {
            tracing::warn!(what, %why, "waiting_for");
        }
        match wait {
            Some(wait) => wait.why = why,
            None => drop(state.waits.insert(what.to_owned(), Wait { why, since: Instant::now() })),
        }
    }

    /// Reports that something is no longer missing.
    pub fn found(&self, what: &str) {
        if let Some(wait) = self.lock().waits.remove(what) {
            let waited_ms = u64::try_from(wait.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(what, waited_ms, "found");
        }
    }

    /// Reports that a partition has stopped until somebody acts. The reason may have a hint.
    pub fn partition_stopped(&self, topic: &str, partition: i32, why: impl Into<String>) {
        self.lock().stopped.insert((topic.to_owned(), partition), why.into());
    }

    /// Reports that a partition goes on, or now belongs to another process.
    pub fn partition_resumed(&self, topic: &str, partition: i32) {
        self.lock().stopped.remove(&(topic.to_owned(), partition));
    }

    /// Reports that a stop was requested: the process is no longer ready, and lives until it has finished.
    pub fn draining(&self) {
        self.lock().draining = true;
    }

    /// Returns whether a stop was requested.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Watches a loop, which must report progress at least once in `bound`. A loop that ended without
    /// [`Heartbeat::end`] counts as one that hangs.
    #[must_use]
    pub fn heartbeat(&self, name: &'static str, bound: Duration) -> Heartbeat {
        self.lock().loops.insert(name, Loop { last: Instant::now(), bound });
        Heartbeat { health: self.clone(), name }
    }

    /// Checks that every loop makes progress.
    ///
    /// # Errors
    /// The loops that do not, and for how long.
    pub fn live(&self) -> Result<(), String> {
        self.live_at(Instant::now())
    }

    fn live_at(&self, now: Instant) -> Result<(), String> {
        let state = self.lock();
        let hangs = |(name, one): (&&str, &Loop)| {
            let silent = now.saturating_duration_since(one.last);
            let (silent_s, bound_s) = (silent.as_secs_f64(), one.bound.as_secs_f64());
            (silent > one.bound)
                .then(|| format!("loop {name} has made no progress for {silent_s:.1} s (bound {bound_s:.1} s)"))
        };
        let hanging: Vec<_> = state.loops.iter().filter_map(hangs).collect();
        if hanging.is_empty() { Ok(()) } else { Err(hanging.join("; ")) }
    }

    /// Returns whether the process can take events, and what prevents it.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let state = self.lock();
        let waiting_for: Vec<_> = (state.waits.iter())
            .map(|(what, wait)| {
                let (why, hint) = hint::split(&wait.why);
                WaitingFor { what: what.clone(), why, hint, for_seconds: wait.since.elapsed().as_secs() }
            })
            .collect();
        let stopped: Vec<_> = (state.stopped.iter())
            .map(|((topic, partition), why)| {
                let (why, hint) = hint::split(why);
                Stopped { topic: topic.clone(), partition: *partition, why, hint }
            })
            .collect();
        let ready = !state.draining && waiting_for.is_empty() && stopped.is_empty();
        Readiness { ready, draining: state.draining, waiting_for, stopped }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

/// The watched loop's side of the watch.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    health: Health,
    name: &'static str,
}

impl Heartbeat {
    /// Reports progress. The loop must call this within its bound whatever it waits for, outages included.
    pub fn beat(&self) {
        if let Some(one) = self.health.lock().loops.get_mut(self.name) {
            one.last = Instant::now();
        }
    }

    /// Reports that the loop has ended as it should.
    pub fn end(self) {
        self.health.lock().loops.remove(self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_nothing_is_waited_for_and_nothing_stands_still() {
        let health = Health::new();
        let waits: Vec<_> = health.readiness().waiting_for.into_iter().map(|wait| wait.what).collect();
        assert_eq!(waits, [ASSIGNMENT, KAFKA, MONGODB]);
        for what in [KAFKA, MONGODB, ASSIGNMENT] {
            assert!(!health.readiness().ready);
            health.found(what);
        }
        assert!(health.readiness().ready);

        health.waiting_for(MONGODB, "connection refused");
        assert_eq!(health.readiness().waiting_for[0].why, "connection refused");
        health.found(MONGODB);
        health.partition_stopped("t", 3, "the topic was made anew");
        assert!(!health.readiness().ready);
        health.partition_resumed("t", 3);
        assert!(health.readiness().ready);
        health.draining();
        assert!(!health.readiness().ready);
    }

    #[test]
    fn it_lives_while_every_loop_beats_within_its_bound() {
        let health = Health::new();
        let quick = health.heartbeat("quick", Duration::from_hours(1));
        let slow = health.heartbeat("slow", Duration::from_hours(9));
        let later = |hours| Instant::now() + Duration::from_hours(hours);
        let why = health.live_at(later(2)).expect_err("quick has been silent for longer than its bound");
        assert!(why.starts_with("loop quick has made no progress for 7200.0 s"), "{why}");
        assert!(!why.contains("slow"), "{why}");
        quick.beat();
        assert_eq!(health.live(), Ok(()));
        drop(quick.clone());
        assert!(health.live_at(later(2)).is_err(), "a copy that goes is no beat");
        quick.end();
        assert_eq!(health.live_at(later(2)), Ok(()));
        slow.end();
        assert_eq!(health.live_at(later(10)), Ok(()));
    }
}
