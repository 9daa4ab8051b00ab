//! Which lines are stopped: somebody has paused one of their handlers, or one has tripped. Pure.
//!
//! The deliveries of a line that is stopped are parked without running, as those of a line that is away (`away`), and
//! its lane runs none of them. All hosts know of it through the handler's document, which each reads once a second.
//!
//! A handler trips if it is stopped by the sandbox again and again. So a version that fails for every event costs a few
//! dead letters instead of one for each event. From time to time its lane tries one delivery. If that succeeds, or the
//! handler has another version, the line goes on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::outcome::Failure;
use super::routes::{Identity, Routes};
use crate::seeded::{self, Bug};
use crate::store::{StoppedHandler, Trip};

/// So many failures in a row trip a handler.
pub(super) const IN_A_ROW: u32 = 20;
/// More than half of so many trip it too.
const LAST: usize = 200;
/// How long a handler that has tripped is stopped before one delivery is tried.
const FIRST_TRY: Duration = Duration::from_secs(30);
/// How long at most, because the time doubles with each try that fails.
const LONGEST_TRY: Duration = Duration::from_mins(10);

/// What a lane may try now, besides what is to be discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Everything that is due.
    All,
    /// One delivery, to find out whether the handler that has tripped succeeds again.
    One,
    /// Nothing.
    Nothing,
}

/// Why a handler is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody has paused it.
    Paused,
    /// It has failed too often.
    Tripped,
}

impl Cause {
    /// Returns it as metrics spell it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Tripped => "tripped",
        }
    }
}

/// A change that MongoDB does not know yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// It has tripped.
    Tripped(i32, Trip),
    /// This version of it has succeeded again.
    Recovered(i32, String),
}

impl News {
    fn handler(&self) -> i32 {
        match self {
            Self::Tripped(handler, _) | Self::Recovered(handler, _) => *handler,
        }
    }
}

/// A change of what stops a handler: which one, why, and whether it is stopped now.
pub(super) type Change = (i32, Cause, bool);

/// The handlers that are stopped, and how the last deliveries of each ended.
#[derive(Debug, Default)]
pub(super) struct Stops {
    by_handler: BTreeMap<i32, Stopped>,
    recent: HashMap<i32, Recent>,
    news: Vec<News>,
}

#[derive(Debug)]
struct Stopped {
    line: i32,
    is_paused: bool,
    tripped: Option<Tries>,
}

/// When a handler that has tripped is tried again.
#[derive(Debug)]
struct Tries {
    next: Duration,
    pause: Duration,
    /// The lane has taken a delivery, of which the end is not known yet.
    is_trying: bool,
}

/// How the last deliveries of a handler ended.
#[derive(Debug, Default)]
struct Recent {
    failed: VecDeque<bool>,
    failures: usize,
    in_a_row: u32,
}

impl Recent {
    /// Notes a delivery. Returns whether the handler trips.
    fn note(&mut self, failed: bool) -> bool {
        if self.failed.len() == LAST {
            self.failures -= usize::from(self.failed.pop_front() == Some(true));
        }
        self.failed.push_back(failed);
        self.failures += usize::from(failed);
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        self.in_a_row >= IN_A_ROW || self.failures * 2 > LAST
    }
}

impl Stops {
    /// Whether nothing is stopped.
    pub(super) fn is_empty(&self) -> bool {
        self.by_handler.is_empty()
    }

    /// Whether a line is stopped.
    pub(super) fn has(&self, line: i32) -> bool {
        if seeded::on(Bug::PausedRuns) {
            return false;
        }
        self.by_handler.values().any(|stopped| stopped.line == line)
    }

    /// Returns what the lane of a line may try.
    pub(super) fn turn(&self, line: i32, now: Duration) -> Turn {
        let turn = |stopped: &Stopped| match &stopped.tripped {
            _ if stopped.is_paused && seeded::on(Bug::PausedLaneRuns) => Turn::All,
            _ if stopped.is_paused => Turn::Nothing,
            Some(tries) if now < tries.next => Turn::Nothing,
            _ => Turn::One,
        };
        let mut turns = self.by_handler.values().filter(|stopped| stopped.line == line).map(turn);
        match turns.next() {
            None => Turn::All,
            Some(first) if turns.all(|turn| turn == first) => first,
            Some(_) => Turn::Nothing,
        }
    }

    /// Notes that the lane of a line has taken its one delivery.
    pub(super) fn tries(&mut self, line: i32, now: Duration) {
        for stopped in self.by_handler.values_mut().filter(|stopped| stopped.line == line) {
            if let Some(tries) = &mut stopped.tripped {
                (tries.next, tries.is_trying) = (now + tries.pause, true);
            }
        }
    }

    /// Returns how many deliveries of a handler have failed in a row.
    pub(super) fn in_a_row(&self, handler: i32) -> u32 {
        self.recent.get(&handler).map_or(0, |recent| recent.in_a_row)
    }

    /// Notes the end of a delivery that has run and is committed. `failure` is what the sandbox stopped it for, if it
    /// did. Returns what changes.
    pub(super) fn ended(
        &mut self,
        handler: &Identity,
        failure: Option<&Failure>,
        (now, now_ms): (Duration, i64),
    ) -> Option<Change> {
        let id = handler.id;
        if failure.is_none() && !self.recent.contains_key(&id) && self.by_handler.is_empty() {
            return None;
        }
        // Only a delivery of the handler itself tells whether it succeeds again. The next one of the line may be its.
        let others =
            self.by_handler.iter_mut().filter(|(other, stopped)| **other != id && stopped.line == handler.line);
        for tries in others.filter_map(|(_, stopped)| stopped.tripped.as_mut()).filter(|tries| tries.is_trying) {
            (tries.next, tries.is_trying) = (now, false);
        }
        let is_too_often = self.recent.entry(id).or_default().note(failure.is_some());
        let tripped = self.by_handler.get_mut(&id).and_then(|stopped| stopped.tripped.as_mut());
        match (failure, tripped) {
            // What was under way when the handler tripped is no try.
            (_, Some(tries)) if !tries.is_trying => None,
            (Some(_), Some(tries)) => {
                tries.pause = (tries.pause * 2).min(LONGEST_TRY);
                (tries.next, tries.is_trying) = (now + tries.pause, false);
                None
            }
            (Some(failure), None) if is_too_often => {
                let trip = Trip {
                    at_ms: now_ms,
                    version: handler.version.to_string(),
                    reason: failure.reason.to_owned(),
                    message: failure.message.clone(),
                };
                self.news.push(News::Tripped(id, trip));
                self.set(handler, |stopped| stopped.tripped = Some(Tries::begin(now)))
            }
            (None, Some(_)) => {
                self.news.push(News::Recovered(id, handler.version.to_string()));
                self.set(handler, |stopped| stopped.tripped = None)
            }
            _ => None,
        }
    }

    /// Takes the changes that MongoDB does not know yet.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Puts back changes that MongoDB did not take.
    pub(super) fn put_back(&mut self, mut news: Vec<News>) {
        news.append(&mut self.news);
        self.news = news;
    }

    /// Takes over what MongoDB says. What it has not been told yet still counts. Returns what changes.
    pub(super) fn hear(&mut self, found: &[StoppedHandler], routes: &Routes, now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        for handler in routes.all() {
            let stop = found.iter().find(|found| found.id == handler.id).map(|found| &found.stopped);
            if stop.is_none() && !self.by_handler.contains_key(&handler.id) {
                continue;
            }
            let is_paused = stop.is_some_and(|stop| stop.paused.is_some());
            let trip = stop.and_then(|stop| stop.tripped.as_ref());
            let is_own = trip.is_some_and(|trip| *trip.version == *handler.version);
            let is_known = self.news.iter().all(|news| news.handler() != handler.id);
            changes.extend(self.set(handler, |stopped| stopped.is_paused = is_paused));
            if is_known {
                changes.extend(self.set(handler, |stopped| {
                    let tries = stopped.tripped.take();
                    stopped.tripped = match tries {
                        // Another version that trips too ends nothing.
                        Some(tries) => trip.map(|_| tries),
                        None => is_own.then(|| Tries::begin(now)),
                    };
                }));
            }
        }
        changes
    }

    fn set(&mut self, handler: &Identity, set: impl FnOnce(&mut Stopped)) -> Option<Change> {
        let entry = self.by_handler.entry(handler.id);
        let stopped = entry.or_insert_with(|| Stopped { line: handler.line, is_paused: false, tripped: None });
        let before = (stopped.is_paused, stopped.tripped.is_some());
        set(stopped);
        let after = (stopped.is_paused, stopped.tripped.is_some());
        if after == (false, false) {
            self.by_handler.remove(&handler.id);
        }
        if before.1 && !after.1 {
            // It begins anew.
            self.recent.remove(&handler.id);
        }
        if before.0 != after.0 {
            return Some((handler.id, Cause::Paused, after.0));
        }
        (before.1 != after.1).then_some((handler.id, Cause::Tripped, after.1))
    }
}

impl Tries {
    fn begin(now: Duration) -> Self {
        Self { next: now + FIRST_TRY, pause: FIRST_TRY, is_trying: false }
    }
}

#[cfg(test)]
#[path = "stops_test.rs"]
mod tests;
