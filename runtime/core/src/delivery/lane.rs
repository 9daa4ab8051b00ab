//! A lane: the committer that works off what is parked of one line, beside the group's committer. Pure.
//!
//! A lane owns the partitions that the group's committer of its process owns, for its line. It claims each by a document
//! of its own, so its transactions never wait for the group's, nor the group's for them. A partition is claimed only
//! once something of the line is parked in it. Its keeper claims partitions, and gives them back once the lane rests.
//!
//! What makes a parked delivery take effect once is its document: a transaction commits only if the document is still as
//! it was read. The claim adds what a document cannot: it ends the transactions of a dead owner, settles a commit in
//! doubt, and counts the hosts that died of a delivery. So a lane that is still running after another host has taken its
//! partition does no harm. It loses its claim, and claims again only if the group's claim is still valid.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select;

use super::context::{Context, GivenUp, PAUSE};
use super::hop::{Hop, Later, Said, Work};
use super::retries::{ASK, Retries};
use super::signal::Signal;
use crate::store::{self, BEAT, Claim, Error, PartitionId, StartDecision, Store};

/// How many beats a process waits at most until it can tell who else is dead.
const WAITS: u32 = 6;
/// How long to wait before a partition is claimed again that another owner took.
const LOST_PAUSE: Duration = Duration::from_millis(500);

/// Starts the tasks of lanes.
pub trait Lanes: std::fmt::Debug + Send + Sync {
    /// Runs a lane in a task of its own, beside everything else.
    fn start(&self, lane: Later<'static, ()>);
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) line: i32,
    pub(super) retries: Arc<Retries>,
    state: Mutex<State>,
    /// How long its handlers have computed since it last paused.
    computed: Mutex<Duration>,
    for_committer: Signal,
    for_keeper: Signal,
}

#[derive(Debug, Default)]
struct State {
    /// The partitions of the group's committer, with the epochs of its claims.
    owned: BTreeMap<PartitionId, i64>,
    /// Those that will be given back.
    resting: BTreeSet<PartitionId>,
    /// Those that the lane has claimed.
    claimed: BTreeMap<PartitionId, Claimed>,
    /// The one that it is claiming or giving back.
    moving: Option<PartitionId>,
    /// Work for its committer.
    works: VecDeque<Work>,
    has_ended: bool,
}

/// A partition that a lane has claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claimed {
    /// The epoch of the group's claim.
    under: i64,
    /// The epoch of the lane's own.
    epoch: i64,
    rest: Rest,
}

/// Whether a partition is still worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    No,
    Asked,
    Rests,
}

/// What a keeper does next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Claim a partition that the group owns under this epoch.
    Claim(PartitionId, i64),
    /// Give a partition back that was claimed under this epoch.
    GiveBack(PartitionId, i64),
}

impl State {
    /// Tells the committer about partitions that it must drop or rest, and returns the next step.
    fn next(&mut self, wanted: &BTreeSet<PartitionId>) -> Option<Step> {
        let gone: Vec<PartitionId> = self
            .claimed
            .iter()
            .filter(|(id, it)| self.owned.get(id) != Some(&it.under))
            .map(|(id, _)| id.clone())
            .collect();
        if !gone.is_empty() {
            self.claimed.retain(|id, _| !gone.contains(id));
            self.works.push_back(Work::Disown(gone));
        }
        for (id, claimed) in &mut self.claimed {
            if self.resting.contains(id) && claimed.rest == Rest::No {
                claimed.rest = Rest::Asked;
                self.works.push_back(Work::Rest(vec![id.clone()]));
            }
        }
        let rested = self.claimed.iter().find(|(_, it)| it.rest == Rest::Rests);
        if let Some((id, claimed)) = rested {
            return Some(Step::GiveBack(id.clone(), claimed.epoch));
        }
        let free = |id: &&PartitionId| !self.claimed.contains_key(id) && !self.resting.contains(id);
        let (id, under) = wanted.iter().filter(free).find_map(|id| Some((id, *self.owned.get(id)?)))?;
        Some(Step::Claim(id.clone(), under))
    }
}

impl Lane {
    pub(super) fn new(line: i32, retries: Retries) -> Self {
        let (for_committer, for_keeper) = Default::default();
        Self {
            line,
            retries: Arc::new(retries),
            state: Mutex::default(),
            computed: Mutex::default(),
            for_committer,
            for_keeper,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the group's committer owns a partition under this epoch.
    pub(super) fn own(&self, partition: &PartitionId, epoch: i64) {
        let mut state = self.state();
        state.owned.insert(partition.clone(), epoch);
        state.resting.remove(partition);
        drop(state);
        self.for_keeper.give();
    }

    /// Notes that it no longer owns it.
    pub(super) fn disown(&self, partition: &PartitionId) {
        let mut state = self.state();
        state.owned.remove(partition);
        state.resting.remove(partition);
        drop(state);
        self.retries.forget(partition);
        self.for_keeper.give();
    }

    /// Has the lane end its work on partitions and give them back.
    pub(super) fn rest(&self, partitions: &[PartitionId]) {
        self.state().resting.extend(partitions.iter().cloned());
        self.for_keeper.give();
    }

    /// Whether it has done that.
    pub(super) fn has_rested(&self, partitions: &[PartitionId]) -> bool {
        let state = self.state();
        partitions.iter().all(|id| !state.claimed.contains_key(id) && state.moving.as_ref() != Some(id))
    }

    /// Has the lane look for deliveries that are due.
    pub(super) fn wake(&self) {
        let mut state = self.state();
        if state.works.is_empty() {
            // Work without records only wakes its committer.
            state.works.push_back(Work::Commit(Vec::new()));
        }
        drop(state);
        self.for_committer.give();
        self.for_keeper.give();
    }

    /// Notes how long a handler has computed.
    pub(super) fn computed(&self, time: Duration) {
        *self.computed.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    /// Returns how long its handlers have computed since it was last asked.
    pub(super) fn take_computed(&self) -> Duration {
        std::mem::take(&mut *self.computed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the lane's task.
    pub(super) fn end(&self) {
        self.state().has_ended = true;
        self.for_committer.give();
    }

    /// Claims partitions and gives them back, until it is dropped. `group` is the store of the group's committer, and
    /// `context` has the lane's own.
    pub(super) async fn keep(&self, context: &Context, group: &Store) {
        loop {
            let step = {
                let mut state = self.state();
                let step = state.next(&self.retries.partitions());
                state.moving = step.as_ref().map(|(Step::Claim(id, _) | Step::GiveBack(id, _))| id.clone());
                step
            };
            self.for_committer.give();
            let pause = match step {
                Some(Step::Claim(id, under)) => match claim(context, group, &id, under).await {
                    Ok(claim) => self.claimed(&id, under, claim),
                    Err(error) => match context.wait(PAUSE, &error.to_string()).await {
                        Ok(()) => Duration::ZERO,
                        Err(GivenUp) => PAUSE,
                    },
                },
                Some(Step::GiveBack(id, epoch)) => {
                    // If this fails, the next claim finds the name and ends what has already ended.
                    if let Err(error) = context.store.release(&[(&id, epoch)]).await {
                        tracing::debug!(%error, "lane_not_given_back");
                    }
                    let mut state = self.state();
                    state.claimed.remove(&id);
                    state.works.push_back(Work::Disown(vec![id]));
                    Duration::ZERO
                }
                None => ASK,
            };
            self.state().moving = None;
            if !pause.is_zero() {
                select(pin!(self.for_keeper.given()), context.clock.sleep(pause)).await;
            }
        }
    }

    /// Notes the end of a claim. Returns how long to wait before the next step.
    fn claimed(&self, id: &PartitionId, under: i64, claim: Option<Claim>) -> Duration {
        let Some(claim) = claim else { return LOST_PAUSE };
        let mut state = self.state();
        state.claimed.insert(id.clone(), Claimed { under, epoch: claim.epoch, rest: Rest::No });
        state.works.push_back(Work::Own(vec![(id.clone(), claim)]));
        Duration::ZERO
    }
}

/// Claims a partition for a line. Returns none if the group's claim of it is no longer valid.
async fn claim(context: &Context, group: &Store, id: &PartitionId, under: i64) -> Result<Option<Claim>, Error> {
    let stands = group.progress(id).await?.is_some_and(|progress| progress.epoch == under);
    if !stands {
        return Ok(None);
    }
    let store = &context.store;
    let start = StartDecision { next: 0, because: "a lane moves no offset".to_owned() };
    store.store_start(id, &start).await?;
    if let Some(progress) = store.progress(id).await? {
        // As for the group's claim: without this, a crash loop of young processes would never be recognized.
        let mut waits = 0;
        while !store.can_tell_the_dead(&progress) && waits < WAITS && !context.gives_up() {
            context.clock.sleep(BEAT).await;
            waits += 1;
        }
    }
    Ok(store.claim_under(id, under).await?.map(|store::Claimed { claim, .. }| claim))
}

impl Hop for Lane {
    fn next(&self) -> Later<'_, Option<Work>> {
        Box::pin(async {
            loop {
                {
                    let mut state = self.state();
                    if state.has_ended {
                        return None;
                    }
                    if let Some(work) = state.works.pop_front() {
                        return Some(work);
                    }
                }
                self.for_committer.given().await;
            }
        })
    }

    fn say(&self, said: Said) -> Later<'_, ()> {
        let mut state = self.state();
        match said {
            Said::Wants => {}
            Said::Rests(partitions) => {
                for id in partitions {
                    if let Some(claimed) = state.claimed.get_mut(&id).filter(|claimed| claimed.rest == Rest::Asked) {
                        claimed.rest = Rest::Rests;
                    }
                }
            }
            Said::Done(done) => {
                for (id, epoch) in done.lost {
                    if state.claimed.get(&id).is_some_and(|claimed| claimed.epoch == epoch) {
                        state.claimed.remove(&id);
                    }
                }
            }
        }
        drop(state);
        self.for_keeper.give();
        Box::pin(ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(partition: i32) -> PartitionId {
        PartitionId { topic: "t".into(), partition }
    }

    fn works(state: &mut State) -> Vec<String> {
        state.works.drain(..).map(|work| format!("{work:?}").chars().take_while(|c| *c != '(').collect()).collect()
    }

    #[test]
    fn a_partition_is_claimed_only_if_something_is_parked_in_it() {
        let mut state = State::default();
        state.owned.extend([(id(0), 7), (id(1), 8)]);
        assert_eq!(state.next(&BTreeSet::new()), None);
        assert_eq!(state.next(&BTreeSet::from([id(1), id(2)])), Some(Step::Claim(id(1), 8)));
        state.claimed.insert(id(1), Claimed { under: 8, epoch: 1, rest: Rest::No });
        assert_eq!(state.next(&BTreeSet::from([id(1), id(2)])), None);
    }

    #[test]
    fn a_partition_is_given_back_once_its_work_has_ended() {
        let mut state = State::default();
        let wanted = BTreeSet::from([id(0)]);
        state.owned.insert(id(0), 7);
        state.claimed.insert(id(0), Claimed { under: 7, epoch: 3, rest: Rest::No });
        state.resting.insert(id(0));
        assert_eq!(state.next(&wanted), None);
        assert_eq!(state.next(&wanted), None, "it is asked once");
        assert_eq!(works(&mut state), ["Rest"]);
        state.claimed.get_mut(&id(0)).expect("claimed").rest = Rest::Rests;
        assert_eq!(state.next(&wanted), Some(Step::GiveBack(id(0), 3)));
        state.claimed.clear();
        assert_eq!(state.next(&wanted), None, "nothing is claimed that will be given back");
    }

    #[test]
    fn a_partition_that_the_group_has_claimed_again_is_claimed_again() {
        let mut state = State::default();
        let wanted = BTreeSet::from([id(0)]);
        state.owned.insert(id(0), 8);
        state.claimed.insert(id(0), Claimed { under: 7, epoch: 3, rest: Rest::No });
        assert_eq!(state.next(&wanted), Some(Step::Claim(id(0), 8)));
        assert_eq!(works(&mut state), ["Disown"]);
        state.owned.clear();
        assert_eq!(state.next(&wanted), None);
    }
}
