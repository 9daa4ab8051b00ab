//! One member of the consumer group: what it does with the partitions that Kafka assigns to it.
//!
//! It is a state machine that knows no client, no runtime and no clock. Its driver reports what happened, calls
//! [`Member::turn`], and performs the actions in their order. `weir run` performs them on librdkafka (`reading`), the
//! simulation on a Kafka of its own, so the simulation tests the decisions that `weir run` takes.
//!
//! A partition's life: Kafka assigns it, the member accepts at once and claims it in MongoDB, and reads it from where
//! the claim says. When Kafka revokes it, the member takes no more records of it, waits until the committer holds none
//! and tries none of its parked deliveries,
//! tells Kafka and MongoDB how far it has come, and only then answers the revocation. If another member already has the
//! partition, nothing is handed over, because it is the other's.
//!
//! The danger is an answer that comes too early: the next owner claims the partition while the committer still works
//! under the old claim. The fence makes those transactions fail, so nothing is applied twice, but their work is wasted.
//! An answer that never comes would hold up the group, so every wait is bounded (`returning`).
//!
//! Invariants: a partition is read only under a claim. Kafka's client is never given an assignment while it waits for
//! the answer to a revocation, because it would take one for the other. Changes of the assignment take effect in the
//! order in which Kafka made them.

#[cfg(test)]
#[path = "member_test.rs"]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::action::{Action, Change, Standing};
use super::claiming::Claimed;
use super::claims::Claims;
use super::outbox::Outbox;
use super::partitions::{Assigned, LogEnd, Partitions};
use super::queue::{BatchBounds, Flow};
use super::returning::{Act, Returning};
use crate::delivery::{AtEnd, Entry, Said, Work};
use crate::seeded::{self, Bug};
use crate::store::{GroupProgress, PartitionId};

/// How long to wait before a partition is claimed again that another host took, because that host may own it by right.
const LOST_PAUSE: Duration = Duration::from_millis(500);

/// A member's settings, which never change.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The most that goes into one batch.
    pub batch: BatchBounds,
    /// The bytes of records that may wait for the committer before no more are taken from Kafka's client.
    pub queue_bytes: usize,
    /// How long a stop may wait for the committer before it tells it to give up (`SHUTDOWN_TIMEOUT_SECONDS`).
    pub shutdown_timeout: Duration,
    /// How often to look at the group's progress.
    pub look_every: Duration,
}

/// What the member knows of the rest of the group, and what it has asked.
#[derive(Debug)]
enum Look {
    /// It asks nothing before then.
    At(Duration),
    /// It has asked how far the group has come.
    Progress,
    /// It knows how far the group has come, and has asked where the logs of its partitions end.
    LogEnds(GroupProgress),
}

/// A member. See the module's documentation for its protocol.
#[derive(Debug)]
pub struct Member {
    settings: Settings,
    partitions: Partitions,
    claims: Claims,
    /// Work that waits for the committer.
    outbox: Outbox,
    /// Changes by Kafka that the member has not acted upon.
    changes: VecDeque<Change>,
    /// The partitions that Kafka wants back, one revocation at a time. After [`Member::stop`], all of them.
    returning: Option<Returning>,
    stopping: bool,
    /// The partitions of which the committer may still try parked deliveries, although they go back.
    awaited: BTreeSet<PartitionId>,
    /// Whether the hand-over that the member waits for has ended.
    handed_over: bool,
    look: Look,
    actions: VecDeque<Action>,
}

impl Member {
    /// Creates a member that has been assigned nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            partitions: Partitions::new(settings.queue_bytes),
            claims: Claims::default(),
            outbox: Outbox::default(),
            changes: VecDeque::new(),
            returning: None,
            stopping: false,
            awaited: BTreeSet::new(),
            handed_over: false,
            look: Look::At(settings.look_every),
            actions: VecDeque::new(),
        }
    }

    /// Returns the next action to perform.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether there is work for the committer.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Returns the next work for the committer, which must be given all of it in this order.
    pub fn next_work(&mut self) -> Option<Work> {
        self.outbox.take()
    }

    /// Returns the partitions that the member owns, for metrics and `/readyz`.
    #[must_use]
    pub fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// Whether a partition that Kafka has just assigned has not been claimed yet.
    #[must_use]
    pub fn waits_for_first_claim(&self) -> bool {
        self.claims.wait_for_first()
    }

    /// Whether [`Member::stop`] was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Reports that Kafka has changed the assignment.
    pub fn changed(&mut self, change: Change) {
        self.changes.push_back(change);
    }

    /// Reports that a claim that [`Action::Claim`] asked for has ended.
    pub fn claimed(&mut self, partition: PartitionId, claimed: Claimed) {
        let noted = self.claims.note(partition.clone(), claimed);
        self.hand_over_unwanted(noted.unwanted.into_iter().collect());
        if noted.again {
            self.claim(vec![partition], true, Duration::ZERO);
        }
    }

    /// Reports what the committer has said.
    pub fn said(&mut self, said: Said, now: Duration) {
        match said {
            Said::Wants => self.partitions.wants(),
            Said::Done(done) => self.partitions.done(done, now),
            Said::Rests(partitions) => self.awaited.retain(|partition| !partitions.contains(partition)),
        }
    }

    /// Whether a record at that offset must be given to [`Member::record`]. Any other can be thrown away unread.
    #[must_use]
    pub fn takes(&self, partition: &PartitionId, offset: i64) -> bool {
        self.partitions.takes(partition, offset)
    }

    /// Takes a record.
    pub fn record(&mut self, entry: Entry) {
        let partition = entry.partition().clone();
        if let Some(why) = self.partitions.record(entry) {
            self.actions.push_back(Action::Stop { partition, why, is_read: true });
        }
    }

    /// Whether nothing more should be taken from Kafka's client for now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.partitions.are_full()
    }

    /// Whether the committer waits for a batch and there are enough records for a whole one.
    #[must_use]
    pub fn has_whole_batch(&self) -> bool {
        self.partitions.has_batch_of(self.settings.batch.events)
    }

    /// Reports that a log no longer holds the offset to read. Kafka's client does not say which, so each claim looks at
    /// its log again.
    pub fn offset_out_of_range(&mut self) {
        self.partitions.lose(&self.partitions.owned());
    }

    /// Reports that Kafka's client did not take these partitions of an [`Action::Read`]. They are claimed again, which
    /// tries again.
    pub fn not_read(&mut self, partitions: &[PartitionId]) {
        if seeded::on(Bug::NotReadIgnored) {
            return;
        }
        self.partitions.lose(partitions);
        self.reclaim();
    }

    /// Reports where logs end, as Kafka's client sees it.
    pub fn log_ends(&mut self, log_ends: &HashMap<PartitionId, LogEnd>) {
        self.partitions.log_ends(log_ends);
    }

    /// Reports that no broker is connected. Offsets that were sent may not have arrived and are sent again.
    pub fn disconnected(&mut self) {
        self.partitions.forget_offsets();
    }

    /// Reports that the last hand-over that was asked for has ended, successful or not.
    pub fn handed_over(&mut self) {
        self.handed_over = true;
    }

    /// Reports that Kafka's client was given the answer of an [`Action::Return`]. `taken` says whether it took it. If
    /// not, the answer is given again in the next turn.
    pub fn returned(&mut self, taken: bool, now: Duration) {
        if taken {
            self.returning = None;
            self.turn(now);
        }
    }

    /// Takes the answer to [`Action::AskProgress`], or none if MongoDB did not answer.
    ///
    /// Partitions that a person has set or another host has claimed meanwhile are claimed again.
    pub fn seen_progress(&mut self, seen: Option<GroupProgress>, now: Duration) {
        let Some(seen) = seen else {
            self.look = Look::At(now + self.settings.look_every);
            return;
        };
        self.partitions.compare(&seen.epochs);
        self.look = Look::LogEnds(seen);
        self.actions.push_back(Action::AskLogEnds(self.partitions.owned()));
    }

    /// Takes the answer to [`Action::AskLogEnds`]: the end of each log that Kafka reported.
    ///
    /// Tells the committer which partitions are at their ends.
    pub fn seen_log_ends(&mut self, ends: &[(PartitionId, i64)], now: Duration) {
        let Look::LogEnds(seen) = std::mem::replace(&mut self.look, Look::At(now + self.settings.look_every)) else {
            return;
        };
        let at_end = self.partitions.at_end(ends).map(|(partition, end)| AtEnd {
            partition: partition.clone(),
            end: *end,
            highest_created_at_ms: seen.highest_of(&partition.topic),
        });
        self.actions.push_back(Action::Advise(at_end.collect()));
    }

    /// Looks at what depends on time: offsets for Kafka, the flow, the group's progress. Call it every 100 ms or so.
    pub fn tick(&mut self, now: Duration) {
        if self.stopping {
            return;
        }
        let moved = self.partitions.offsets();
        if !moved.is_empty() {
            self.actions.push_back(Action::CommitOffsets(moved));
        }
        let Flow { pause, resume } = self.partitions.flow(now);
        if !pause.is_empty() {
            self.actions.push_back(Action::Pause(pause));
        }
        if !resume.is_empty() {
            self.actions.push_back(Action::Resume(resume));
        }
        if let Look::At(due) = self.look
            && now >= due
        {
            self.look = Look::Progress;
            self.actions.push_back(Action::AskProgress);
        }
    }

    /// Returns how long nothing has been accounted for although there is lag, if that is too long.
    pub fn stalled(&mut self, now: Duration) -> Option<Duration> {
        self.partitions.stalled(now)
    }

    /// Drains everything, hands it over and leaves, which ends with [`Action::Leave`]. Changes by Kafka no longer have
    /// an effect, and claims that are still being made are left to whoever claims next.
    pub fn stop(&mut self, now: Duration) {
        let partitions = self.partitions.owned();
        self.partitions.close(&partitions);
        self.claims = Claims::default();
        self.changes.clear();
        self.stopping = true;
        self.rest(&partitions);
        self.actions.push_back(Action::GiveUp(false));
        self.returning = Some(Returning::stopping(partitions, now, self.settings.shutdown_timeout));
    }

    /// Decides what follows from all reports. Call it after every report.
    pub fn turn(&mut self, now: Duration) {
        self.go_on_returning(now);
        while self.returning.is_none()
            && let Some(change) = self.changes.pop_front()
        {
            self.change(change, now);
            self.go_on_returning(now);
        }
        if self.returning.is_none() {
            self.take_claims();
        }
        if self.stopping {
            return;
        }
        self.reclaim();
        if self.returning.as_ref().is_some_and(Returning::is_draining) {
            // Further records would keep the committer from draining.
            return;
        }
        if let Some(entries) = self.partitions.batch(self.settings.batch) {
            self.outbox.commit(entries);
        }
    }

    fn change(&mut self, change: Change, now: Duration) {
        match change {
            Change::Assigned(partitions) => {
                self.actions.push_back(Action::Accept);
                self.claim(partitions, true, Duration::ZERO);
            }
            Change::Revoked(partitions) => self.give_back(partitions, true, now),
            Change::Lost(partitions) => self.give_back(partitions, false, now),
        }
    }

    /// Starts to give these back to Kafka: nothing more of them is taken, and the rest goes on while they drain.
    fn give_back(&mut self, partitions: Vec<PartitionId>, orderly: bool, now: Duration) {
        self.partitions.close(&partitions);
        self.rest(&partitions);
        let unwanted = self.claims.give_back(&partitions);
        self.hand_over_unwanted(unwanted);
        self.returning = Some(Returning::new(partitions, orderly, now));
    }

    fn rest(&mut self, partitions: &[PartitionId]) {
        self.awaited = partitions.iter().cloned().collect();
        self.outbox.rest(partitions);
    }

    fn go_on_returning(&mut self, now: Duration) {
        let Some(mut returning) = self.returning.take() else { return };
        loop {
            let rests = self.awaited.is_empty() && self.partitions.is_drained();
            let drained = rests && !self.claims.are_made_of(&returning.partitions) || seeded::on(Bug::HandOverEarly);
            match returning.next(now, drained, self.handed_over) {
                Act::Wait => break,
                Act::GiveUp => self.actions.push_back(Action::GiveUp(true)),
                Act::HandOver => {
                    self.outbox.disown(&returning.partitions);
                    let standing = self.partitions.standing(&returning.partitions);
                    self.handed_over = standing.is_empty();
                    if !standing.is_empty() {
                        self.actions.push_back(Action::HandOver { standing, is_awaited: true });
                    }
                }
                Act::Disown => {
                    // A member that is stopping has nothing left to wait for.
                    self.actions.push_back(Action::GiveUp(self.stopping));
                    self.outbox.disown(&returning.partitions);
                }
                Act::Answer => {
                    self.partitions.remove(&returning.partitions);
                    self.actions.push_back(if self.stopping {
                        Action::Leave { is_clean: returning.is_clean() }
                    } else {
                        Action::Return(returning.partitions.clone())
                    });
                    break;
                }
            }
        }
        self.returning = Some(returning);
    }

    /// Hands over claims that nobody wants any more, because their partitions went back.
    fn hand_over_unwanted(&mut self, standing: Vec<Standing>) {
        if !standing.is_empty() {
            self.actions.push_back(Action::HandOver { standing, is_awaited: false });
        }
    }

    fn claim(&mut self, partitions: Vec<PartitionId>, first: bool, after: Duration) {
        let partitions = self.claims.begin(partitions, first);
        if !partitions.is_empty() {
            self.actions.push_back(Action::Claim { partitions, after });
        }
    }

    /// Claims lost partitions again, except those that go back to Kafka.
    fn reclaim(&mut self) {
        let returning = self.returning.as_ref().map_or(&[][..], |returning| &returning.partitions);
        let lost = self.partitions.to_reclaim().iter().filter(|partition| !returning.contains(partition));
        let lost = lost.cloned().collect();
        self.claim(lost, false, LOST_PAUSE);
    }

    /// Takes the claims that were made, and has their partitions read from where these say.
    fn take_claims(&mut self) {
        let claimed = self.claims.take();
        if claimed.is_empty() {
            return;
        }
        let Assigned { claims, starts, stopped } = self.partitions.claimed(claimed);
        self.outbox.own(claims);
        let stops = stopped.into_iter();
        self.actions.extend(stops.map(|(partition, why)| Action::Stop { partition, why, is_read: false }));
        self.actions.push_back(Action::Read(starts));
    }
}
