//! A simulated process: Weir's own partitions, claims and committer, turned by a loop as the real consumer turns them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir::clock::Clock;
use weir::config::{OffsetReset, Topics};
use weir::consumer::Partitions;
use weir::consumer::claiming::{Claimed, Claiming};
use weir::consumer::queue::BatchBounds;
use weir::delivery::hop::Later;
use weir::delivery::{Committer, Entry, Hop, Ledger, Said, Work};
use weir::store::{BEAT, GroupProgress, Options, PartitionId, Store};
use weir::telemetry::health::Health;
use weir::telemetry::metrics::Metrics;

use crate::command::clock_ms;
use crate::handlers::Simulated;
use crate::kafka::{Asking, Kafka, TOPICS, id, number};
use crate::kernel::{Kernel, Life, Slot, lock};
use crate::wire::Line;

pub(crate) const GROUP: &str = "g";
/// For how long a process wants events to be remembered: each life has one of these.
const RETENTIONS_MS: [i64; 3] = [LEAST_RETENTION_MS, 8 * 3_600_000, 24 * 3_600_000];
pub(crate) const LEAST_RETENTION_MS: i64 = 4 * 3_600_000;

const TICK: Duration = Duration::from_millis(10);
const DRAIN: Duration = Duration::from_secs(5);
const GIVE_UP: Duration = Duration::from_secs(6);
const IDLE: Duration = Duration::from_secs(3);

/// What the group's coordinator tells a member.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    Lost(Vec<i32>),
}

/// A clock that is wrong by a while.
#[derive(Debug)]
struct Skewed {
    kernel: Kernel,
    by_ms: i64,
}

impl Clock for Skewed {
    fn now_ms(&self) -> i64 {
        clock_ms(self.kernel.now()) + self.by_ms
    }

    fn elapsed(&self) -> Duration {
        self.kernel.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.kernel.sleep(duration))
    }

    fn random(&self) -> u64 {
        self.kernel.random()
    }
}

/// The hop between the loop and the committer.
#[derive(Default)]
struct Channel {
    works: Mutex<(VecDeque<Work>, Option<Slot<()>>)>,
    said: Mutex<VecDeque<Said>>,
}

impl Channel {
    fn send(&self, work: Work) {
        let mut works = lock(&self.works);
        works.0.push_back(work);
        if let Some(waiting) = works.1.take() {
            drop(works);
            waiting.fill(());
        }
    }
}

struct CommitterEnd(Arc<Channel>);

impl Hop for CommitterEnd {
    fn next(&self) -> Later<'_, Option<Work>> {
        Box::pin(async {
            loop {
                let waiting = {
                    let mut works = lock(&self.0.works);
                    if let Some(work) = works.0.pop_front() {
                        return Some(work);
                    }
                    let slot = Slot::default();
                    works.1 = Some(slot.clone());
                    slot
                };
                waiting.await;
            }
        })
    }

    fn say(&self, said: Said) -> Later<'_, ()> {
        lock(&self.0.said).push_back(said);
        Box::pin(async {})
    }
}

struct Draining {
    partitions: Vec<i32>,
    orderly: bool,
    since: Duration,
    given_up: Option<Duration>,
    handing: Option<Slot<()>>,
}

/// One life of a process.
pub(crate) struct Process {
    pub(crate) life: Life,
    kernel: Kernel,
    kafka: Arc<Mutex<Kafka>>,
    store: Store,
    claiming: Claiming,
    channel: Arc<Channel>,
    partitions: Partitions,
    pub(crate) changes: VecDeque<Change>,
    claims: Option<Slot<Vec<(PartitionId, Claimed)>>>,
    positions: BTreeMap<i32, i64>,
    draining: Option<Draining>,
    /// What was drained and given back, for the coordinator.
    pub(crate) returned: Vec<i32>,
    /// What stands still until somebody acts, and why.
    pub(crate) stopped: BTreeMap<i32, String>,
    give_up: Arc<AtomicBool>,
    idle: Option<Slot<Option<(GroupProgress, Vec<(PartitionId, i64)>)>>>,
    looked: Duration,
    batch: usize,
    retention_ms: i64,
    metrics: Metrics,
    /// How many transactions were begun anew because what a delivery had read was another now.
    changed: u64,
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Process")
            .field("life", &self.life)
            .field("positions", &self.positions)
            .field("changes", &self.changes)
            .field("claiming", &self.claims.is_some())
            .field("drained", &self.partitions.is_drained())
            .field("draining", &self.draining.as_ref().map(|draining| &draining.partitions))
            .field("stopped", &self.stopped)
            .finish()
    }
}

fn ids(partitions: &[i32]) -> Vec<PartitionId> {
    partitions.iter().map(|partition| id(*partition)).collect()
}

impl Process {
    /// Starts a life: the committer has no session until MongoDB has heard of it.
    pub(crate) fn start(
        life: Life,
        kernel: &Kernel,
        line: &Line,
        kafka: &Arc<Mutex<Kafka>>,
        die: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let options = Options {
            database: "data".to_owned(),
            own_database: "weir".to_owned(),
            group: GROUP.to_owned(),
            owner: format!("host{}-{}", life.host, life.life),
        };
        let store = Store::new(Arc::new(line.clone()), &options);
        let by_ms = i64::try_from(kernel.below(7_200_000)).unwrap_or(0) - 3_600_000;
        let clock: Arc<dyn Clock> = Arc::new(Skewed { kernel: kernel.clone(), by_ms });
        let give_up = Arc::new(AtomicBool::new(false));
        let (metrics, health) = (Metrics::new(), Health::new());
        let channel = Arc::new(Channel::default());
        let batch = usize::try_from(kernel.below(60) + 2).unwrap_or(2);
        let retention_ms = RETENTIONS_MS[usize::try_from(kernel.below(RETENTIONS_MS.len() as u64)).unwrap_or(0)];
        let committing = {
            let (store, clock, give_up) = (store.clone(), Arc::clone(&clock), Arc::clone(&give_up));
            let (channel, seen) = (Arc::clone(&channel), (metrics.clone(), health.clone()));
            let handlers = Arc::new(Simulated::new(kernel.clone(), die));
            async move {
                let session = loop {
                    match store.session().await {
                        Ok(session) => break session,
                        Err(_) => clock.sleep(Duration::from_millis(250)).await,
                    }
                };
                let ledger = Ledger { group: GROUP.into(), source: "s".into(), retention_ms };
                let committer = Committer::new((store, session), handlers, (ledger, batch), clock, seen, give_up);
                committer.run(&CommitterEnd(channel)).await;
            }
        };
        kernel.spawn(Some(life), committing);
        kernel.spawn(Some(life), {
            let (store, kernel) = (store.clone(), kernel.clone());
            async move {
                loop {
                    let _ = store.beat().await;
                    kernel.sleep(BEAT).await;
                }
            }
        });
        let broker = Asking { kernel: kernel.clone(), kafka: Arc::clone(kafka), deaf: 30 };
        Self {
            life,
            kernel: kernel.clone(),
            kafka: Arc::clone(kafka),
            claiming: Claiming {
                store: store.clone(),
                broker: Arc::new(broker),
                clock,
                health,
                topics: Topics::Names(TOPICS.map(str::to_owned).to_vec()),
                reset: OffsetReset::Earliest,
                give_up: Arc::clone(&give_up),
            },
            store,
            channel,
            partitions: Partitions::default(),
            changes: VecDeque::new(),
            claims: None,
            positions: BTreeMap::new(),
            draining: None,
            returned: Vec::new(),
            stopped: BTreeMap::new(),
            give_up,
            idle: None,
            looked: Duration::ZERO,
            batch,
            retention_ms,
            metrics,
            changed: 0,
        }
    }

    /// One turn of the loop; gives when the next is due.
    pub(crate) fn turn(&mut self) -> Duration {
        self.hear();
        if self.draining.is_some() {
            self.drain();
            return TICK;
        }
        if let Some(claimed) = self.claims.as_ref().and_then(Slot::take) {
            self.claimed(claimed);
        }
        if self.claims.is_none() {
            match self.changes.pop_front() {
                Some(Change::Assigned(partitions)) => self.claim(ids(&partitions), Duration::ZERO),
                Some(Change::Revoked(partitions)) => self.begin_drain(partitions, true),
                Some(Change::Lost(partitions)) => self.begin_drain(partitions, false),
                None if !self.partitions.to_reclaim().is_empty() => {
                    let again = self.partitions.to_reclaim().to_vec();
                    self.kernel.count("outcome: claimed anew");
                    self.claim(again, Duration::from_millis(500));
                }
                None => {}
            }
        }
        self.poll();
        if let Some(entries) = self.partitions.batch(BatchBounds { events: self.batch, bytes: 8 << 20 }) {
            self.channel.send(Work::Commit(entries));
        }
        for (partition, next) in self.partitions.offsets() {
            if self.kernel.chance(900) {
                lock(&self.kafka).committed.insert(number(&partition), next);
            }
        }
        self.look_at_idle();
        TICK
    }

    /// Whether anything of the partition is still here.
    pub(crate) fn holds(&self, partition: i32) -> bool {
        let assigned = self.changes.iter().any(|change| match change {
            Change::Assigned(partitions) | Change::Revoked(partitions) | Change::Lost(partitions) => {
                partitions.contains(&partition)
            }
        });
        let draining = self.draining.as_ref().is_some_and(|draining| draining.partitions.contains(&partition));
        assigned || draining || self.claims.is_some() || self.partitions.owned().contains(&id(partition))
    }

    fn hear(&mut self) {
        let said = std::mem::take(&mut *lock(&self.channel.said));
        for said in said {
            match said {
                Said::Wants => self.partitions.wants(),
                Said::Done(done) => {
                    self.partitions.done(done, self.kernel.now());
                    for lost in self.partitions.to_reclaim() {
                        self.positions.remove(&number(lost));
                    }
                    let changed = self.metrics.transactions_redone("changed");
                    let before = std::mem::replace(&mut self.changed, changed);
                    self.kernel.count_more("outcome: a read was changed", changed - before);
                }
            }
        }
    }

    fn claim(&mut self, partitions: Vec<PartitionId>, rest: Duration) {
        let slot = Slot::default();
        let (claiming, filled, kernel) = (self.claiming.clone(), slot.clone(), self.kernel.clone());
        self.kernel.spawn(Some(self.life), async move {
            kernel.sleep(rest).await;
            filled.fill(claiming.all(partitions).await);
        });
        self.claims = Some(slot);
    }

    fn claimed(&mut self, claimed: Vec<(PartitionId, Claimed)>) {
        self.claims = None;
        let assigned = self.partitions.claimed(claimed);
        for (partition, why) in assigned.stopped {
            self.stop(number(&partition), why);
        }
        for (partition, start) in assigned.starts {
            match start {
                Some(start) => {
                    self.stopped.remove(&number(&partition));
                    self.positions.insert(number(&partition), start);
                }
                None => drop(self.positions.remove(&number(&partition))),
            }
        }
        self.channel.send(Work::Own(assigned.claims));
    }

    fn stop(&mut self, partition: i32, why: String) {
        self.kernel.count("outcome: partition stopped");
        self.positions.remove(&partition);
        self.stopped.insert(partition, why);
    }

    fn poll(&mut self) {
        let positions: Vec<(i32, i64)> = self.positions.iter().map(|(partition, from)| (*partition, *from)).collect();
        for (partition, from) in positions {
            if self.kernel.chance(300) {
                continue;
            }
            let most = usize::try_from(self.kernel.below(20) + 1).unwrap_or(1);
            let Some(records) = lock(&self.kafka).fetch(partition, from, most) else {
                self.positions.remove(&partition);
                self.partitions.lose(&[id(partition)]);
                continue;
            };
            for (offset, stored) in records {
                self.positions.insert(partition, offset + 1);
                let entry =
                    Entry { partition: id(partition), offset, item: stored.item, raw: stored.raw, begun_ms: None };
                if let Some(why) = self.partitions.record(entry) {
                    self.stop(partition, why);
                    break;
                }
            }
        }
    }

    fn look_at_idle(&mut self) {
        if let Some(seen) = self.idle.as_ref().and_then(Slot::take) {
            self.idle = None;
            if let Some((seen, ends)) = seen {
                let at_end = self.partitions.at_end(&ends).into_iter();
                let highest = at_end.filter_map(|id| seen.highest_of(&id.topic).map(|highest_ms| (id, highest_ms)));
                self.channel.send(Work::AtEnd(highest.collect()));
                self.partitions.compare(&seen.epochs);
            }
        }
        if self.idle.is_some() || self.kernel.now().saturating_sub(self.looked) < IDLE {
            return;
        }
        self.looked = self.kernel.now();
        let slot = Slot::default();
        let (filled, store, kafka, owned) =
            (slot.clone(), self.store.clone(), Arc::clone(&self.kafka), self.partitions.owned());
        let retention_ms = self.retention_ms;
        self.kernel.spawn(Some(self.life), async move {
            let _ = store.sweep_ledger(retention_ms).await;
            let seen = store.group_progress().await.ok();
            let ends = || {
                let kafka = lock(&kafka);
                let end = |id: &PartitionId| Some(kafka.partitions.get(usize::try_from(number(id)).ok()?)?.end);
                owned.iter().filter_map(|id| Some((id.clone(), end(id)?))).collect()
            };
            filled.fill(seen.map(|seen| (seen, ends())));
        });
        self.idle = Some(slot);
    }

    fn begin_drain(&mut self, partitions: Vec<i32>, orderly: bool) {
        self.partitions.close(&ids(&partitions));
        let since = self.kernel.now();
        self.draining = Some(Draining { partitions, orderly, since, given_up: None, handing: None });
    }

    /// Goes on with what is being given back, as the consumer does: nothing else happens meanwhile.
    fn drain(&mut self) {
        let Some(mut draining) = self.draining.take() else { return };
        let (now, ids) = (self.kernel.now(), ids(&draining.partitions));
        if let Some(handing) = &draining.handing {
            if handing.take().is_none() && now.saturating_sub(draining.since) < DRAIN + GIVE_UP {
                self.draining = Some(draining);
                return;
            }
        } else if !self.partitions.is_drained() {
            match draining.given_up {
                None if now.saturating_sub(draining.since) > DRAIN => {
                    self.give_up.store(true, Ordering::Relaxed);
                    draining.given_up = Some(now);
                    draining.orderly = false;
                }
                Some(since) if now.saturating_sub(since) > GIVE_UP => return self.end_drain(&draining, &ids),
                _ => {}
            }
            self.draining = Some(draining);
            return;
        } else if draining.orderly {
            self.channel.send(Work::Disown(ids.clone()));
            let (slot, store, kafka) = (Slot::default(), self.store.clone(), Arc::clone(&self.kafka));
            let (filled, owned) = (slot.clone(), self.partitions.standing(&ids));
            self.kernel.spawn(Some(self.life), async move {
                for (id, _, next) in &owned {
                    lock(&kafka).committed.insert(number(id), *next);
                }
                let claims: Vec<_> = owned.iter().map(|(id, epoch, _)| (id, *epoch)).collect();
                let _ = store.release(&claims).await;
                filled.fill(());
            });
            draining.handing = Some(slot);
            self.draining = Some(draining);
            return;
        }
        self.end_drain(&draining, &ids);
    }

    fn end_drain(&mut self, draining: &Draining, ids: &[PartitionId]) {
        self.give_up.store(false, Ordering::Relaxed);
        if draining.handing.is_none() {
            self.channel.send(Work::Disown(ids.to_vec()));
        }
        self.partitions.remove(ids);
        for partition in &draining.partitions {
            self.positions.remove(partition);
            self.stopped.remove(partition);
        }
        self.returned.extend(draining.partitions.iter().copied());
        self.kernel.count("outcome: given back");
    }
}
