//! A simulated process: Weir's own member and committer, with the member's decisions performed on the simulated Kafka.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_core::clock::Clock;
use weir_core::consumer::action::{Action, Change, Standing};
use weir_core::consumer::claiming::{Claimed, Claiming};
use weir_core::consumer::member::{self, Member};
use weir_core::consumer::queue::BatchBounds;
use weir_core::consumer::topics::{OffsetReset, Topics};
use weir_core::delivery::hop::Later;
use weir_core::delivery::{Committer, CommitterSettings, Decoder, Handlers, Lanes, Ledger, Work};
use weir_core::store::{BEAT, GroupProgress, Options, PartitionId, Store};
use weir_core::telemetry::Telemetry;
use weir_core::telemetry::health::Health;
use weir_core::telemetry::metrics::Metrics;

use crate::broken::{Broken, Fault};
use crate::channel::{Channel, CommitterEnd};
use crate::client::{Client, OutOfRange};
use crate::command::clock_ms;
use crate::handlers::Simulated;
use crate::kafka::{Asking, Kafka, number};
use crate::kernel::{Kernel, Life, Slot, lock};
use crate::stops::Heard;
use crate::wire::Line;

pub(crate) const GROUP: &str = "g";
/// How long a process wants events to be remembered. Each life has one of these.
const RETENTIONS_MS: [i64; 3] = [LEAST_RETENTION_MS, 8 * 3_600_000, 24 * 3_600_000];
pub(crate) const LEAST_RETENTION_MS: i64 = 4 * 3_600_000;

const TICK: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_secs(3);
/// What the committer's own metrics tell.
const COUNTED: [&str; 2] = ["outcome: a read was changed", "outcome: a read ended a batch"];
/// How often Kafka's client reports where logs end.
const VIEW: Duration = Duration::from_secs(1);

/// A clock that is wrong by some time.
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

/// Does what `weir run` does before it joins the group.
async fn join(kernel: Kernel, claiming: Claiming, has_joined: Arc<AtomicBool>) {
    let has_started = async || match &claiming.topics {
        Topics::Pattern(pattern) => claiming.first_start_with(pattern).await,
        Topics::Names(names) => {
            for topic in names {
                if claiming.first_start(topic).await.is_none() {
                    return false;
                }
            }
            true
        }
    };
    while !has_started().await {
        kernel.sleep(Duration::from_secs(1)).await;
    }
    has_joined.store(true, Ordering::Relaxed);
}

/// What the committer of a process is made of.
struct Committing {
    store: Store,
    handlers: Arc<dyn Handlers>,
    decoder: Arc<dyn Decoder>,
    settings: CommitterSettings,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
    give_up: Arc<AtomicBool>,
    lanes: Tasks,
}

/// Runs each lane of a process in a task of its own.
#[derive(Debug)]
struct Tasks {
    kernel: Kernel,
    life: Life,
}

impl Lanes for Tasks {
    fn start(&self, lane: Later<'static, ()>) {
        self.kernel.count("outcome: a lane started");
        self.kernel.spawn(Some(self.life), lane);
    }
}

impl Committing {
    /// Runs the committer once MongoDB has given it a session.
    async fn run(self, end: CommitterEnd) {
        let Self { store, handlers, decoder, settings, clock, telemetry, give_up, lanes } = self;
        let shared = (give_up, Arc::new(lanes) as Arc<dyn Lanes>);
        let session = loop {
            match store.session().await {
                Ok(session) => break session,
                Err(_) => clock.sleep(Duration::from_millis(250)).await,
            }
        };
        let committer = Committer::new(store, session, (handlers, decoder), &settings, clock, telemetry, shared);
        committer.run(&end).await;
    }
}

/// Says at intervals that the process is alive.
async fn beat(kernel: Kernel, store: Store) {
    loop {
        let _ = store.beat().await;
        kernel.sleep(BEAT).await;
    }
}

fn member(kernel: &Kernel, batch_size: usize) -> Member {
    Member::new(member::Settings {
        batch: BatchBounds { events: batch_size, bytes: 8 << 20 },
        // Some have so little room that they pause what they read.
        queue_bytes: if kernel.chance(300) { 2_000 } else { 16 << 20 },
        shutdown_timeout: Duration::from_secs(5),
        look_every: LOOK,
    })
}

/// A claim that was made.
type Made = (PartitionId, Claimed);

/// One life of a process.
pub(crate) struct Process {
    pub(crate) life: Life,
    kernel: Kernel,
    kafka: Arc<Mutex<Kafka>>,
    store: Store,
    claiming: Claiming,
    has_joined: Arc<AtomicBool>,
    channel: Arc<Channel>,
    member: Member,
    client: Client,
    /// Partitions that were assigned and not yet given back.
    assigned: BTreeSet<i32>,
    /// Claims in flight, by partition.
    claims: BTreeMap<i32, usize>,
    made: Arc<Mutex<VecDeque<Made>>>,
    handing_over: Option<Slot<()>>,
    progress: Option<Slot<Option<GroupProgress>>>,
    log_ends: Option<Slot<Vec<(PartitionId, i64)>>>,
    viewed: Duration,
    /// Partitions that were drained and given back, for the coordinator.
    pub(crate) returned: Vec<i32>,
    /// Partitions that stay stopped until somebody acts, and why.
    pub(crate) stopped: BTreeMap<i32, String>,
    /// Whether it has left the group, after which the process ends.
    pub(crate) has_left: bool,
    give_up: Arc<AtomicBool>,
    /// The offsets that it has sent to Kafka since the last turn.
    pub(crate) told: Vec<(i32, i64)>,
    /// A promise that it broke.
    wrong: Option<Fault>,
    heard: Heard,
    pub(crate) retention_ms: i64,
    metrics: Metrics,
    /// How often each of [`COUNTED`] has happened.
    counted: [u64; COUNTED.len()],
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Process")
            .field("life", &self.life)
            .field("client", &self.client)
            .field("claims", &self.claims)
            .field("member", &self.member)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

impl Process {
    /// Starts a life. The committer has no session until MongoDB has answered.
    pub(crate) fn start(
        life: Life,
        kernel: &Kernel,
        line: &Line,
        kafka: &Arc<Mutex<Kafka>>,
        topics: &Topics,
        die: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let options = Options {
            database: "data".to_owned(),
            own_database: "weir".to_owned(),
            group: GROUP.to_owned(),
            owner: life.name(),
        };
        let line = Line { heard: Heard::default(), ..line.clone() };
        let store = Store::new(Arc::new(line.clone()), &options);
        let by_ms = i64::try_from(kernel.below(7_200_000)).unwrap_or(0) - 3_600_000;
        let clock: Arc<dyn Clock> = Arc::new(Skewed { kernel: kernel.clone(), by_ms });
        let give_up = Arc::new(AtomicBool::new(false));
        let telemetry = Telemetry { metrics: Metrics::new(), health: Health::new() };
        let channel = Arc::new(Channel::default());
        let batch_size = usize::try_from(kernel.below(60) + 2).unwrap_or(2);
        let retention_ms = RETENTIONS_MS[usize::try_from(kernel.below(RETENTIONS_MS.len() as u64)).unwrap_or(0)];
        let ledger = Ledger { group: GROUP.into(), source: "s".into(), retention_ms };
        let broker = Asking { kernel: kernel.clone(), kafka: Arc::clone(kafka), deaf: 30 };
        let committing = Committing {
            store: store.clone(),
            handlers: Arc::new(Simulated::new(kernel.clone(), Arc::clone(&line.lingers), line.heard.clone(), die)),
            decoder: Arc::new(broker.clone()),
            settings: CommitterSettings { ledger, batch_size },
            clock: Arc::clone(&clock),
            telemetry: telemetry.clone(),
            give_up: Arc::clone(&give_up),
            lanes: Tasks { kernel: kernel.clone(), life },
        };
        kernel.spawn(Some(life), committing.run(CommitterEnd(Arc::clone(&channel))));
        kernel.spawn(Some(life), beat(kernel.clone(), store.clone()));
        let Telemetry { metrics, health } = telemetry;
        let claiming = Claiming {
            store: store.clone(),
            broker: Arc::new(Asking { kernel: kernel.clone(), kafka: Arc::clone(kafka), deaf: 30 }),
            clock,
            health,
            topics: topics.clone(),
            reset: OffsetReset::Earliest,
            give_up: Arc::clone(&give_up),
        };
        let has_joined = Arc::new(AtomicBool::new(false));
        kernel.spawn(Some(life), join(kernel.clone(), claiming.clone(), Arc::clone(&has_joined)));
        Self {
            life,
            kernel: kernel.clone(),
            kafka: Arc::clone(kafka),
            claiming,
            has_joined,
            store,
            channel,
            member: member(kernel, batch_size),
            client: Client::default(),
            assigned: BTreeSet::new(),
            claims: BTreeMap::new(),
            made: Arc::default(),
            handing_over: None,
            progress: None,
            log_ends: None,
            viewed: Duration::ZERO,
            returned: Vec::new(),
            stopped: BTreeMap::new(),
            has_left: false,
            give_up,
            told: Vec::new(),
            wrong: None,
            heard: line.heard,
            retention_ms,
            metrics,
            counted: [0; COUNTED.len()],
        }
    }

    /// Applies a change of the assignment by the group's coordinator.
    pub(crate) fn change(&mut self, change: Change) {
        match &change {
            Change::Assigned(partitions) => self.assigned.extend(partitions.iter().map(number)),
            Change::Revoked(_) => {}
            Change::Lost(_) => self.kernel.count("outcome: lost to another member"),
        }
        self.member.changed(change);
    }

    /// Whether it is a member of the group, which may assign partitions to it.
    pub(crate) fn has_joined(&self) -> bool {
        self.has_joined.load(Ordering::Relaxed)
    }

    /// Asks it to stop.
    pub(crate) fn stop(&mut self) {
        if !self.member.is_stopping() {
            self.kernel.count("fault: host asked to stop");
            self.member.stop(self.kernel.now());
        }
    }

    /// Returns whether the process still holds anything of the partition.
    pub(crate) fn holds(&self, partition: i32) -> bool {
        // A committer that the member gave up on may still commit what it holds.
        let commits = !self.member.partitions().is_drained();
        commits || self.assigned.contains(&partition) || self.claims.contains_key(&partition)
    }

    /// Runs one turn of the loop. Returns when the next is due.
    pub(crate) fn turn(&mut self) -> Duration {
        let now = self.kernel.now();
        self.hear(now);
        if !self.member.is_stopping() && !self.member.is_full() {
            self.poll();
        }
        if now.saturating_sub(self.viewed) >= VIEW {
            self.viewed = now;
            let log_ends = self.client.log_ends(&lock(&self.kafka));
            self.member.log_ends(&log_ends);
        }
        self.member.tick(now);
        self.member.turn(now);
        while let Some(action) = self.member.next_action() {
            self.perform(action);
        }
        if self.channel.hand_on(&mut self.member) {
            self.kernel.count("outcome: the committer took nothing");
        }
        TICK
    }

    /// Tells the member what has arrived since the last turn.
    fn hear(&mut self, now: Duration) {
        let said = self.channel.said();
        // A committer that held nothing has done nothing.
        if !said.is_empty() || self.channel.held() > 0 {
            self.count();
        }
        for said in said {
            self.member.said(said, now);
        }
        for (partition, claimed) in std::mem::take(&mut *lock(&self.made)) {
            let number = number(&partition);
            if let Some(claims) = self.claims.get_mut(&number) {
                *claims -= 1;
                if *claims == 0 {
                    self.claims.remove(&number);
                }
            }
            self.member.claimed(partition, claimed);
        }
        if self.handing_over.as_ref().and_then(Slot::take).is_some() {
            self.handing_over = None;
            self.member.handed_over();
        }
        if let Some(seen) = self.progress.as_ref().and_then(Slot::take) {
            self.progress = None;
            self.member.seen_progress(seen, now);
        }
        if let Some(ends) = self.log_ends.as_ref().and_then(Slot::take) {
            self.log_ends = None;
            self.member.seen_log_ends(&ends, now);
        }
    }

    /// Counts what the committer has counted since the last time.
    fn count(&mut self) {
        let metrics = &self.metrics;
        let counted = [metrics.transactions_redone("changed"), metrics.batches_cut("a read of what is pending")];
        let before = std::mem::replace(&mut self.counted, counted);
        for (what, (now, before)) in COUNTED.into_iter().zip(counted.into_iter().zip(before)) {
            self.kernel.count_more(what, now - before);
        }
    }

    fn poll(&mut self) {
        let polled = self.client.poll(&self.kernel, &lock(&self.kafka));
        match polled {
            Ok(entries) => {
                for entry in entries {
                    if self.member.takes(entry.partition(), entry.offset()) {
                        self.member.record(entry);
                    }
                }
            }
            Err(OutOfRange) => {
                self.kernel.count("fault: offset out of range");
                self.member.offset_out_of_range();
            }
        }
    }

    /// Returns a promise that the process has broken.
    pub(crate) fn take_wrong(&mut self) -> Option<Fault> {
        let paused = || Some(Fault::new(Broken::RanPaused, self.heard.wrong()?));
        self.wrong.take().or_else(paused)
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Accept => {}
            Action::Claim { partitions, after } => self.claim(partitions, after),
            Action::Read(starts) => self.read(&starts),
            Action::Stop { partition, why, .. } => {
                self.kernel.count("outcome: partition stopped");
                self.client.forget(&partition);
                self.stopped.insert(number(&partition), why);
            }
            Action::Pause(partitions) => {
                self.kernel.count("outcome: paused");
                self.client.pause(&partitions);
            }
            Action::Resume(partitions) => {
                self.kernel.count("outcome: resumed");
                self.client.resume(&partitions);
            }
            Action::CommitOffsets(offsets) => {
                self.told.extend(offsets.iter().map(|(partition, next)| (number(partition), *next)));
                for (partition, next) in offsets {
                    if self.kernel.chance(900) {
                        lock(&self.kafka).committed.insert(number(&partition), next);
                    }
                }
            }
            Action::GiveUp(give_up) => {
                if give_up {
                    self.kernel.count("outcome: told to give up");
                }
                self.give_up.store(give_up, Ordering::Relaxed);
            }
            Action::HandOver { standing, is_awaited } => {
                let held = self.channel.held();
                if is_awaited && held > 0 {
                    let what = format!("{:?} handed over {standing:?} while {held} records were held", self.life);
                    self.wrong.get_or_insert(Fault::new(Broken::HandedOverEarly, what));
                }
                let slot = self.hand_over(standing);
                if is_awaited {
                    self.handing_over = Some(slot);
                } else {
                    self.kernel.count("outcome: a claim came too late");
                }
            }
            Action::Return(partitions) => self.give_back(&partitions),
            Action::AskProgress => self.ask_progress(),
            Action::AskLogEnds(partitions) => {
                let kafka = lock(&self.kafka);
                let ends = partitions.into_iter().map(|id| {
                    let end = kafka.end(number(&id));
                    (id, end)
                });
                let slot = Slot::default();
                slot.fill(ends.collect());
                drop(kafka);
                self.log_ends = Some(slot);
            }
            Action::Advise(at_end) => self.channel.advise(Work::AtEnd(at_end), &self.member),
            Action::Leave { is_clean } => {
                self.kernel.count(if is_clean { "outcome: stopped cleanly" } else { "outcome: stopped uncleanly" });
                self.has_left = true;
            }
        }
    }

    fn claim(&mut self, partitions: Vec<PartitionId>, after: Duration) {
        if !after.is_zero() {
            self.kernel.count("outcome: claimed anew");
        }
        for partition in partitions {
            *self.claims.entry(number(&partition)).or_default() += 1;
            let (claiming, made, kernel) = (self.claiming.clone(), Arc::clone(&self.made), self.kernel.clone());
            self.kernel.spawn(Some(self.life), async move {
                kernel.sleep(after).await;
                let claimed = claiming.all(vec![partition]).await;
                lock(&made).extend(claimed);
            });
        }
    }

    fn read(&mut self, starts: &[(PartitionId, Option<i64>)]) {
        let mut refused = Vec::new();
        for (partition, start) in starts {
            self.client.read(partition, *start);
            if start.is_some() {
                self.stopped.remove(&number(partition));
            }
            if self.kernel.chance(5) {
                self.kernel.count("fault: kafka's client takes no assignment");
                self.client.forget(partition);
                refused.push(partition.clone());
            }
        }
        self.member.not_read(&refused);
    }

    /// Does what `weir run` does: it commits the offsets first, and releases nothing if Kafka does not accept them.
    fn hand_over(&self, standing: Vec<Standing>) -> Slot<()> {
        let (slot, store, kafka) = (Slot::default(), self.store.clone(), Arc::clone(&self.kafka));
        let fails = self.kernel.chance(100);
        if fails {
            self.kernel.count("fault: a hand-over's offsets are not committed");
        }
        let ended = slot.clone();
        self.kernel.spawn(Some(self.life), async move {
            if !fails {
                for it in &standing {
                    lock(&kafka).committed.insert(number(&it.partition), it.next);
                }
                let claims: Vec<_> = standing.iter().map(|it| (&it.partition, it.epoch)).collect();
                let _ = store.release(&claims).await;
            }
            ended.fill(());
        });
        slot
    }

    fn give_back(&mut self, partitions: &[PartitionId]) {
        let taken = !self.kernel.chance(20);
        if taken {
            for partition in partitions {
                self.client.forget(partition);
                self.assigned.remove(&number(partition));
                self.stopped.remove(&number(partition));
                self.returned.push(number(partition));
            }
            self.kernel.count("outcome: given back");
        } else {
            self.kernel.count("fault: kafka's client takes no answer");
        }
        self.member.returned(taken, self.kernel.now());
    }

    fn ask_progress(&mut self) {
        let slot = Slot::default();
        let (filled, store, retention_ms) = (slot.clone(), self.store.clone(), self.retention_ms);
        self.kernel.spawn(Some(self.life), async move {
            let _ = store.sweep_ledger(retention_ms).await;
            filled.fill(store.group_progress().await.ok());
        });
        self.progress = Some(slot);
    }
}
