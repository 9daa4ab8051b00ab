//! Which lines are away: the others do not wait for their handlers, because these take too long. Pure.
//!
//! The group's committer runs the handlers of all lines one after another, so the slowest would set the pace of all. It
//! parks the deliveries of a line that is away without running them, and the line's lane runs them in their order. A line
//! that comes back finds its aggregates as they are: those of which something is still parked go on waiting.
//!
//! A line is sent away if one of its deliveries runs for longer than [`PATIENCE`], or if it takes more than its share of
//! the time. It comes back once it has caught up and has not been slow for a while, which is twice as long each time.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long one delivery may run before the others no longer wait for it.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// How long a line stays away at least, the first time.
const STAY: Duration = Duration::from_secs(30);
/// How long it stays away at most once it has caught up.
const LONGEST_STAY: Duration = Duration::from_mins(30);
/// After so long, an earlier stay counts no longer.
const FORGOTTEN: Duration = Duration::from_hours(1);
/// How long the shares of the time are measured.
const WINDOW: Duration = Duration::from_secs(3);
/// The largest share of the time that one line may take, in percent.
const SHARE: u32 = 20;
/// How many times the mean of the other lines' deliveries its own must take besides.
const TIMES: u32 = 4;

/// Why a line is sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// One delivery ran for too long.
    Slow,
    /// Its deliveries took too large a share of the time.
    Expensive,
}

impl Cause {
    /// Returns it as logs spell it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Expensive => "expensive",
        }
    }
}

/// The lines that are away, and what the others take.
#[derive(Debug, Default)]
pub(super) struct Away {
    stays: BTreeMap<i32, Stay>,
    /// When each line came back, and how long it had stayed.
    back: BTreeMap<i32, (Duration, Duration)>,
    window: Window,
    /// Since when the committer has had nothing to do.
    idle_since: Option<Duration>,
}

#[derive(Debug)]
struct Stay {
    /// When it was sent away, or was last slow.
    since: Duration,
    /// How long it stays after that.
    lasts: Duration,
}

/// The time that deliveries have taken since a moment.
#[derive(Debug, Default)]
struct Window {
    begun: Duration,
    /// How long the committer has had nothing to do.
    idle: Duration,
    by_line: BTreeMap<i32, (Duration, u32)>,
}

impl Away {
    pub(super) fn is_empty(&self) -> bool {
        self.stays.is_empty()
    }

    pub(super) fn has(&self, line: i32) -> bool {
        self.stays.contains_key(&line)
    }

    /// Sends a line away. Returns false if it is away already.
    pub(super) fn send(&mut self, line: i32, now: Duration) -> bool {
        if self.has(line) {
            return false;
        }
        let again = self.back.remove(&line).filter(|(back, _)| now.saturating_sub(*back) < FORGOTTEN);
        let lasts = again.map_or(STAY, |(_, stayed)| (stayed * 2).min(LONGEST_STAY));
        self.stays.insert(line, Stay { since: now, lasts });
        self.window.by_line.remove(&line);
        true
    }

    /// Notes how long a delivery has run in its lane.
    pub(super) fn ran_away(&mut self, line: i32, took: Duration, now: Duration) {
        if let Some(stay) = self.stays.get_mut(&line).filter(|_| took > PATIENCE) {
            stay.since = now;
        }
    }

    /// Brings back the lines that have caught up and have not been slow for long enough.
    pub(super) fn bring_back(&mut self, now: Duration, has_caught_up: impl Fn(i32) -> bool) -> Vec<i32> {
        let may = |(line, stay): (&i32, &Stay)| {
            (now.saturating_sub(stay.since) >= stay.lasts && has_caught_up(*line)).then_some((*line, stay.lasts))
        };
        let back: Vec<(i32, Duration)> = self.stays.iter().filter_map(may).collect();
        for (line, stayed) in &back {
            self.stays.remove(line);
            self.back.insert(*line, (now, *stayed));
        }
        back.into_iter().map(|(line, _)| line).collect()
    }

    /// Notes how long a delivery has taken the group's committer.
    pub(super) fn took(&mut self, line: i32, took: Duration) {
        let (all, count) = self.window.by_line.entry(line).or_default();
        *all += took;
        *count += 1;
    }

    /// Notes whether the committer has something to do.
    pub(super) fn is_busy(&mut self, is_busy: bool, now: Duration) {
        match self.idle_since {
            None if !is_busy => self.idle_since = Some(now),
            Some(since) if is_busy => {
                self.window.idle += now.saturating_sub(since.max(self.window.begun));
                self.idle_since = None;
            }
            _ => {}
        }
    }

    /// Returns a line that takes too large a share, once enough time has passed. Nothing is held up by a committer that
    /// has nothing to do for half of the time.
    pub(super) fn expensive(&mut self, now: Duration) -> Option<i32> {
        let passed = now.saturating_sub(self.window.begun);
        if passed < WINDOW {
            return None;
        }
        let window = std::mem::replace(&mut self.window, Window { begun: now, ..Window::default() });
        let idle =
            window.idle + self.idle_since.map_or(Duration::ZERO, |since| now.saturating_sub(since.max(window.begun)));
        // A line alone holds up no other.
        if idle * 2 > passed || window.by_line.len() < 2 {
            return None;
        }
        let sum = |(all, counts): (Duration, u32), (took, count): &(Duration, u32)| (all + *took, counts + count);
        let mean = |(took, count): (Duration, u32)| took / count.max(1);
        let takes_too_much = |line: i32, of: (Duration, u32)| {
            let others = window.by_line.iter().filter(|(other, _)| **other != line);
            let others = others.map(|(_, of)| of).fold((Duration::ZERO, 0), sum);
            of.0 * 100 > passed * SHARE && mean(of) > mean(others) * TIMES
        };
        let dear = window.by_line.iter().filter(|(line, of)| takes_too_much(**line, **of));
        dear.max_by_key(|(_, of)| mean(**of)).map(|(line, _)| *line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_line_comes_back_once_it_has_caught_up_and_is_not_slow() {
        let mut away = Away::default();
        assert!(away.send(7, s(0)));
        assert!(!away.send(7, s(1)), "it is away");
        away.ran_away(7, PATIENCE * 2, s(10));
        away.ran_away(7, MS, s(20));
        assert!(away.bring_back(s(39), |_| true).is_empty(), "it was slow 29 s ago");
        assert!(away.bring_back(s(40), |_| false).is_empty(), "it has not caught up");
        assert!(away.has(7));
        assert_eq!(away.bring_back(s(40), |_| true), [7]);
        assert!(away.is_empty());
    }

    #[test]
    fn each_stay_is_twice_as_long_until_the_last_one_is_forgotten() {
        let mut away = Away::default();
        let mut now = s(0);
        for stays in [30, 60, 120, 240, 480, 960, 1_800, 1_800] {
            assert!(away.send(7, now));
            assert!(away.bring_back((now + s(stays)).saturating_sub(MS), |_| true).is_empty(), "{stays}");
            now += s(stays);
            assert_eq!(away.bring_back(now, |_| true), [7], "{stays}");
        }
        now += FORGOTTEN;
        assert!(away.send(7, now));
        assert_eq!(away.bring_back(now + s(30), |_| true), [7]);
    }

    #[test]
    fn a_line_is_expensive_by_its_share_and_by_the_mean_of_its_deliveries() {
        // The times of two lines in ms, and how many deliveries they are for.
        let expensive = |one: (u64, u32), other: (u64, u32)| {
            let mut away = Away::default();
            for (line, (ms, count)) in [(1, one), (2, other)] {
                for _ in 0..count {
                    away.took(line, Duration::from_millis(ms) / count);
                }
            }
            assert_eq!(away.expensive(WINDOW.saturating_sub(MS)), None, "it is too early to tell");
            away.expensive(WINDOW)
        };
        assert_eq!(expensive((900, 10), (900, 1_000)), Some(1));
        assert_eq!(expensive((500, 10), (900, 1_000)), None, "a small share");
        assert_eq!(expensive((2_000, 500), (900, 500)), None, "it only has more to do");
        assert_eq!(expensive((2_900, 10), (0, 0)), None, "nobody waits for it");
    }

    #[test]
    fn no_line_is_expensive_for_a_committer_that_is_idle_for_half_of_the_time() {
        let expensive = |idle: &[(Duration, Duration)]| {
            let mut away = Away::default();
            away.took(1, s(1));
            away.took(2, MS);
            for (from, to) in idle {
                away.is_busy(false, *from);
                away.is_busy(true, *to);
            }
            away.expensive(WINDOW)
        };
        assert_eq!(expensive(&[]), Some(1));
        assert_eq!(expensive(&[(s(0), s(1)), (s(2), s(2))]), Some(1), "a third of the time");
        assert_eq!(expensive(&[(s(0), s(1)), (s(2), s(3))]), None, "two thirds");
        let mut away = Away::default();
        away.is_busy(false, s(0));
        away.took(1, s(1));
        away.took(2, MS);
        assert_eq!(away.expensive(WINDOW), None, "it is idle still");
        away.took(1, s(1));
        away.took(2, MS);
        away.is_busy(true, WINDOW + s(1));
        assert_eq!(away.expensive(WINDOW * 2), Some(1), "of the second window it was idle for a third");
    }
}
