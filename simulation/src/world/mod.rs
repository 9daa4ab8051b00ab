//! One simulated world: hosts, the group's coordinator, the records produced, and what goes wrong.

mod person;
mod produce;
mod stopping;
mod topic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_core::consumer::action::Change;
use weir_core::consumer::topics::Topics;

use crate::broken::{Broken, Fault};
use crate::host::Process;
use crate::kafka::{Kafka, Records, TOPICS, id, number, number_of};
use crate::kernel::{Kernel, Life, lock};
use crate::kinds::EventKind;
use crate::model::Produced;
use crate::mongo::Mongo;
use crate::stops::Heard;
use crate::wire::{Line, Weather};

pub(crate) const PARTITIONS: usize = 5;
const HOSTS: usize = 3;
const SESSION: Duration = Duration::from_secs(6);
/// How long faults go on.
pub(crate) const STORM: Duration = Duration::from_secs(40);
/// When a restless partition changes hands.
const RESTLESS: std::ops::Range<Duration> = Duration::from_secs(6)..Duration::from_secs(38);
const EVENTS: u64 = 200;
const AGGREGATES: u64 = 4;

pub(crate) type Shared = Arc<Mutex<World>>;

#[derive(Debug, Default)]
struct Member {
    life: u32,
    process: Option<Process>,
    /// When it was paused, if it is.
    paused: Option<Duration>,
    died: Option<Duration>,
}

/// A record with everything that the model needs.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    /// Whether it is a record of a topic that was recreated.
    pub(crate) is_renewed: bool,
    pub(crate) offset: i64,
    pub(crate) produced: Produced,
    pub(crate) at_ms: i64,
}

pub(crate) struct World {
    pub(crate) kernel: Kernel,
    pub(crate) mongo: Arc<Mutex<Mongo>>,
    pub(crate) kafka: Arc<Mutex<Kafka>>,
    pub(crate) line: Line,
    members: Vec<Member>,
    /// The usual weather of this storm.
    usual: Weather,
    /// The owner of each partition, as the coordinator sees it.
    owners: BTreeMap<i32, Life>,
    /// Partitions that a member must give back, or has lost, and how many of these messages it has not answered yet. It
    /// is not assigned them again before that, because its answer would be taken for one about the newer assignment.
    asked_back: BTreeMap<(Life, i32), usize>,
    /// Members that will learn later that they have lost a partition.
    unheard: Vec<(Life, i32)>,
    /// The logs, as the model reads them.
    pub(crate) logs: Vec<Vec<Logged>>,
    numbers: i64,
    deadly: bool,
    /// A partition that changes hands every few seconds, while its handlers take as long.
    restless: Option<i32>,
    topics: Topics,
    /// How long each host wants events to be remembered.
    retentions: BTreeMap<usize, i64>,
    /// An event that another partition may get too, and the partition that has it.
    twin: Option<produce::Twin>,
    /// Many events are about as old as what the ledger forgets, and come in two partitions.
    at_floor: bool,
    /// A partition whose topic is being recreated. No member may own it until that is done.
    renewing: Option<i32>,
    /// Partitions whose progress was set by hand.
    pub(crate) set: BTreeSet<i32>,
    setting: BTreeSet<i32>,
    /// The progress of the partition at the time at which its topic was recreated, if it was.
    renewed_at: Option<i64>,
    /// Partitions whose progress a person is about to set.
    acting: BTreeSet<i32>,
    /// The partition in which records are deleted before they are read.
    to_outrun: Option<i32>,
    /// A fault that was found while it ran.
    pub(crate) wrong: Option<Fault>,
}

/// Returns the number of the partition that a progress document is about.
pub(crate) fn partition_of(progress: &bson::Document) -> Option<i32> {
    let id = progress.get_document("_id").ok()?;
    Some(number_of(id.get_str("topic").ok()?, id.get_i32("partition").ok()?))
}

impl World {
    pub(crate) fn new(kernel: &Kernel) -> Shared {
        let mongo = Arc::new(Mutex::new(Mongo::new(kernel.clone())));
        let kafka =
            Arc::new(Mutex::new(Kafka { partitions: vec![Records::default(); PARTITIONS], ..Kafka::default() }));
        let weather = Arc::new(Mutex::new(Weather::default()));
        let (sessions, lingers) = (Arc::default(), Arc::default());
        let heard = Heard::default();
        let line = Line { kernel: kernel.clone(), mongo: Arc::clone(&mongo), weather, lingers, sessions, heard };
        // In a restless world every host has the partition again and again, and none may die.
        let restless = kernel.chance(60).then(|| 1 + i32::try_from(kernel.below(PARTITIONS as u64 - 1)).unwrap_or(0));
        let few = 2 + usize::try_from(kernel.below(HOSTS as u64 - 1)).unwrap_or(0);
        let hosts = if restless.is_some() { HOSTS } else { few };
        let at_floor = kernel.chance(150);
        if at_floor {
            kernel.count("case: many events at the ledger's floor");
        }
        let topics = if kernel.chance(500) {
            kernel.count("case: topics by a pattern");
            Topics::read("^[tu]$").expect("it is a pattern")
        } else {
            Topics::Names(TOPICS.map(str::to_owned).to_vec())
        };
        Arc::new(Mutex::new(Self {
            kernel: kernel.clone(),
            mongo,
            kafka,
            line,
            members: (0..hosts).map(|_| Member::default()).collect(),
            usual: Weather::default(),
            owners: BTreeMap::new(),
            asked_back: BTreeMap::new(),
            unheard: Vec::new(),
            logs: vec![Vec::new(); PARTITIONS],
            numbers: 0,
            twin: None,
            at_floor,
            deadly: restless.is_none() && kernel.chance(150),
            restless,
            topics,
            retentions: BTreeMap::new(),
            renewing: None,
            set: BTreeSet::new(),
            setting: BTreeSet::new(),
            renewed_at: None,
            acting: BTreeSet::new(),
            wrong: None,
            // Not the partition that is recreated.
            to_outrun: kernel.chance(200).then(|| 1 + i32::try_from(kernel.below(PARTITIONS as u64 - 1)).unwrap_or(0)),
        }))
    }

    /// Starts everything.
    pub(crate) fn begin(world: &Shared) {
        let (kernel, hosts) = {
            let world = lock(world);
            (world.kernel.clone(), world.members.len())
        };
        for host in 0..hosts {
            Self::start_host(world, host);
        }
        let extra = kernel.below(60);
        for _ in 0..EVENTS + extra {
            let (world, at) = (Arc::clone(world), kernel.between(0, 30_000));
            kernel.after(at, move || lock(&world).produce());
        }
        Self::coordinate(world);
        Self::disturb(world);
    }

    fn start_host(world: &Shared, host: usize) {
        let mut it = lock(world);
        let member = &mut it.members[host];
        member.life += 1;
        (member.paused, member.died) = (None, None);
        let life = Life { host, life: member.life };
        let (kernel, dying) = (it.kernel.clone(), Arc::clone(world));
        let die = {
            let kernel = kernel.clone();
            Box::new(move || {
                kernel.kill(life);
                let dying = Arc::clone(&dying);
                kernel.after(Duration::ZERO, move || Self::kill(&dying, life));
            })
        };
        let process = Process::start(life, &kernel, &it.line, &it.kafka, &it.topics, die);
        it.note_retention(host, process.retention_ms);
        it.members[host].process = Some(process);
        drop(it);
        Self::turn(world, life);
    }

    fn note_retention(&mut self, host: usize, retention_ms: i64) {
        if self.retentions.insert(host, retention_ms).is_some_and(|before_ms| before_ms != retention_ms) {
            self.kernel.count("fault: a retention changed at a restart");
        }
        if self.retentions.values().any(|other_ms| *other_ms != retention_ms) {
            self.kernel.count("fault: hosts with different retentions");
        }
    }

    fn turn(world: &Shared, life: Life) {
        let mut it = lock(world);
        let kernel = it.kernel.clone();
        let member = &mut it.members[life.host];
        let paused = member.paused.is_some();
        let Some(process) = member.process.as_mut().filter(|process| process.life == life) else { return };
        let pause = if paused { Duration::from_millis(50) } else { process.turn() };
        let (has_left, wrong, told) = (process.has_left, process.take_wrong(), std::mem::take(&mut process.told));
        let wrong = wrong.or_else(|| it.not_durable(life, &told));
        it.wrong = it.wrong.take().or(wrong);
        drop(it);
        let world = Arc::clone(world);
        if has_left {
            Self::leave(&world, life);
        } else {
            kernel.after(pause, move || Self::turn(&world, life));
        }
    }

    /// Checks that a majority has the progress that a process has sent to Kafka, unless a person has set it.
    fn not_durable(&self, life: Life, told: &[(i32, i64)]) -> Option<Fault> {
        if told.is_empty() {
            return None;
        }
        let mongo = lock(&self.mongo);
        let stored = |progress: &bson::Document| {
            let of = |name| progress.get_i64(name).unwrap_or(-1);
            Some((partition_of(progress)?, of("next").max(of("read_to"))))
        };
        let durable: BTreeMap<i32, i64> = mongo.progress_of_majority().filter_map(stored).collect();
        let beyond = |(partition, next): &&(i32, i64)| {
            !self.set.contains(partition) && durable.get(partition).is_some_and(|durable| next > durable)
        };
        let (partition, next) = told.iter().find(beyond)?;
        let what = format!("{life:?} told Kafka of {next} in partition {partition}, and a majority has {durable:?}");
        Some(Fault::new(Broken::WentBack, what))
    }

    /// Handles a member that has left the group and whose process has ended. It is restarted.
    fn leave(world: &Shared, life: Life) {
        let mut it = lock(world);
        let kernel = it.kernel.clone();
        it.members[life.host].process = None;
        it.owners.retain(|_, owner| *owner != life);
        it.unheard.retain(|(member, _)| *member != life);
        kernel.kill(life);
        drop(it);
        let again = Arc::clone(world);
        kernel.after(kernel.between(200, 4_000), move || Self::start_host(&again, life.host));
    }

    fn kill(world: &Shared, life: Life) {
        let mut it = lock(world);
        let kernel = it.kernel.clone();
        let now = kernel.now();
        let member = &mut it.members[life.host];
        if member.process.as_ref().is_none_or(|process| process.life != life) {
            return;
        }
        member.process = None;
        member.died = Some(now);
        kernel.kill(life);
        kernel.count("fault: host killed");
        drop(it);
        let again = Arc::clone(world);
        kernel.after(kernel.between(200, 8_000), move || Self::start_host(&again, life.host));
    }

    fn pause(world: &Shared, host: usize) {
        let mut it = lock(world);
        let kernel = it.kernel.clone();
        let member = &mut it.members[host];
        let Some(life) = member.process.as_ref().map(|process| process.life) else { return };
        if member.paused.is_some() {
            return;
        }
        member.paused = Some(kernel.now());
        kernel.pause(life);
        kernel.count("fault: host stopped");
        drop(it);
        let later = Arc::clone(world);
        kernel.after(kernel.between(100, 15_000), move || {
            let mut it = lock(&later);
            let member = &mut it.members[life.host];
            if member.process.as_ref().is_some_and(|process| process.life == life) {
                member.paused = None;
                it.kernel.resume(life);
            }
        });
    }

    /// Chooses what goes wrong from now on, and what happens once.
    fn disturb(world: &Shared) {
        let kernel = lock(world).kernel.clone();
        let share = |most: u64| kernel.below(most + 1);
        let weather = Weather { before: share(15), late: share(8), after: share(15), slow: share(10) };
        {
            let mut it = lock(world);
            it.usual = weather;
            *lock(&it.line.weather) = weather;
        }
        let times = 4 + kernel.below(10);
        for _ in 0..times {
            let at = kernel.between(500, 38_000);
            let world = Arc::clone(world);
            kernel.after(at, move || Self::fault(&world));
        }
        for _ in 0..kernel.below(12) {
            let asked = Arc::clone(world);
            kernel.after(kernel.between(5_000, 39_000), move || lock(&asked).ask());
        }
        Self::stop_handlers(world);
        if kernel.chance(200) {
            let renewed = Arc::clone(world);
            kernel.after(kernel.between(12_000, 25_000), move || Self::renew_topic(&renewed));
        }
        let to_outrun = lock(world).to_outrun;
        if let Some(partition) = to_outrun {
            let outrun = Arc::clone(world);
            kernel.after(kernel.between(2_000, 20_000), move || Self::outrun(&outrun, partition));
        }
        let restless = lock(world).restless;
        if let Some(partition) = restless {
            let unsettled = Arc::clone(world);
            kernel.after(RESTLESS.start, move || Self::unsettle(&unsettled, partition));
        }
        let calm = Arc::clone(world);
        kernel.after(STORM, move || *lock(&lock(&calm).line.weather) = Weather::default());
    }

    fn fault(world: &Shared) {
        let (kernel, hosts) = {
            let world = lock(world);
            (world.kernel.clone(), world.members.len() as u64)
        };
        let host = usize::try_from(kernel.below(hosts)).unwrap_or(0);
        match kernel.below(11) {
            0..=2 => {
                let it = lock(world);
                let life = it.members[host].process.as_ref().map(|process| process.life);
                let may_die = it.restless.is_none();
                drop(it);
                if let Some(life) = life.filter(|_| may_die) {
                    Self::kill(world, life);
                }
            }
            3 | 4 => Self::pause(world, host),
            5 => Self::fail_over(world, kernel.now() + Duration::from_secs(1)),
            6 => {
                kernel.count("fault: mongodb away");
                let line = lock(world).line.clone();
                *lock(&line.weather) = Weather { before: 1_000, ..Weather::default() };
                let (back, weather) = (Arc::clone(world), Arc::clone(&line.weather));
                kernel.after(kernel.between(500, 7_000), move || {
                    let world = lock(&back);
                    let calm = world.kernel.now() >= STORM;
                    *lock(&weather) = if calm { Weather::default() } else { world.usual };
                });
            }
            7 => {
                let mut it = lock(world);
                let partition = i32::try_from(kernel.below(it.logs.len() as u64)).unwrap_or(0);
                it.assign_twice(host, partition);
            }
            8 => lock(world).grow(),
            9 => {
                if let Some(process) = &mut lock(world).members[host].process {
                    process.stop();
                }
            }
            _ => lock(world).truncate(),
        }
    }

    /// Loses the primary as soon as it has something that no majority has, and no later than `latest`.
    fn fail_over(world: &Shared, latest: Duration) {
        let it = lock(world);
        let kernel = it.kernel.clone();
        let mut mongo = lock(&it.mongo);
        if mongo.clock() > mongo.majority() || kernel.now() >= latest {
            kernel.count("fault: failover");
            mongo.fail_over();
            return;
        }
        let again = Arc::clone(world);
        kernel.after(Duration::from_millis(1), move || Self::fail_over(&again, latest));
    }

    /// Lets the group's coordinator check its members.
    fn coordinate(world: &Shared) {
        let mut it = lock(world);
        let (kernel, now) = (it.kernel.clone(), it.kernel.now());
        it.hear_returned();
        it.free_lost(now);
        let calm = now >= STORM;
        let unheard = std::mem::take(&mut it.unheard);
        for (life, partition) in unheard {
            if calm || kernel.chance(100) {
                it.tell(life, Change::Lost(vec![id(partition)]));
            } else {
                it.unheard.push((life, partition));
            }
        }
        let count = i32::try_from(lock(&it.kafka).partitions.len()).unwrap_or(0);
        for partition in 0..count {
            if it.renewing == Some(partition) {
                if let Some(life) = it.owners.get(&partition).copied() {
                    it.tell(life, Change::Revoked(vec![id(partition)]));
                }
                continue;
            }
            let owner = it.owners.get(&partition).copied();
            let moves = kernel.chance(10) && !calm;
            if owner.is_some() && !moves {
                continue;
            }
            let alive: Vec<Life> = it.alive();
            if alive.is_empty() {
                continue;
            }
            let to = alive[usize::try_from(kernel.below(alive.len() as u64)).unwrap_or(0)];
            match owner {
                // It is assigned once it has come back.
                Some(from) if from != to => it.tell(from, Change::Revoked(vec![id(partition)])),
                Some(_) => {}
                None if it.asked_back.contains_key(&(to, partition)) => {}
                None => {
                    it.owners.insert(partition, to);
                    it.unheard.retain(|(life, lost)| (*life, *lost) != (to, partition));
                    it.tell(to, Change::Assigned(vec![id(partition)]));
                }
            }
        }
        it.look_at_stopped(world);
        drop(it);
        let again = Arc::clone(world);
        kernel.after(Duration::from_millis(300), move || Self::coordinate(&again));
    }

    fn alive(&self) -> Vec<Life> {
        let running = self.members.iter().filter(|member| member.paused.is_none());
        let joined = running.filter_map(|member| member.process.as_ref().filter(|process| process.has_joined()));
        joined.map(|process| process.life).collect()
    }

    fn tell(&mut self, life: Life, change: Change) {
        if let Change::Revoked(partitions) | Change::Lost(partitions) = &change {
            for partition in partitions {
                *self.asked_back.entry((life, number(partition))).or_default() += 1;
            }
        }
        let member = &mut self.members[life.host];
        if let Some(process) = member.process.as_mut().filter(|process| process.life == life) {
            process.change(change);
        }
    }

    fn hear_returned(&mut self) {
        for member in &mut self.members {
            let Some(process) = member.process.as_mut() else { continue };
            let life = process.life;
            for partition in std::mem::take(&mut process.returned) {
                if let Some(messages) = self.asked_back.get_mut(&(life, partition)) {
                    *messages -= 1;
                    if *messages == 0 {
                        self.asked_back.remove(&(life, partition));
                    }
                }
                if self.owners.get(&partition) == Some(&life) {
                    self.owners.remove(&partition);
                }
            }
        }
    }

    /// Takes the partitions from members that are dead or have been paused too long.
    fn free_lost(&mut self, now: Duration) {
        let mut gone = Vec::new();
        for (partition, life) in &self.owners {
            let member = &self.members[life.host];
            let alive = member.process.as_ref().is_some_and(|process| process.life == *life);
            let silent = member.paused.or(member.died).map_or(SESSION, |since| now.saturating_sub(since));
            if (!alive || member.paused.is_some()) && silent >= SESSION {
                gone.push((*partition, *life, alive));
            }
        }
        for (partition, life, alive) in gone {
            self.owners.remove(&partition);
            if alive {
                if self.kernel.chance(400) {
                    self.kernel.count("fault: callback lost");
                    self.unheard.push((life, partition));
                } else {
                    self.tell(life, Change::Lost(vec![id(partition)]));
                }
            }
        }
    }

    /// Returns whether the process of an owner's name runs.
    pub(crate) fn is_alive(&self, name: &str) -> bool {
        let lives = self.members.iter().filter_map(|member| Some(member.process.as_ref()?.life));
        lives.into_iter().any(|life| life.name() == name)
    }

    /// Lets a partition change hands again and again.
    fn unsettle(world: &Shared, partition: i32) {
        let mut it = lock(world);
        let (kernel, line) = (it.kernel.clone(), it.line.clone());
        if kernel.now() > RESTLESS.end {
            *lock(&line.lingers) = None;
            return;
        }
        *lock(&line.lingers) = Some(partition);
        let others: Vec<usize> =
            it.alive().iter().filter(|life| it.owners.get(&partition) != Some(*life)).map(|life| life.host).collect();
        if let Some(host) = others.get(usize::try_from(kernel.below(others.len() as u64)).unwrap_or(0)) {
            it.assign_twice(*host, partition);
        }
        let again = Arc::clone(world);
        drop(it);
        kernel.after(kernel.between(1_500, 3_500), move || Self::unsettle(&again, partition));
    }

    /// Assigns a partition to a second member before the first learns of it.
    fn assign_twice(&mut self, host: usize, partition: i32) {
        let Some(to) = self.members[host].process.as_ref().map(|process| process.life) else { return };
        let Some(from) = self.owners.get(&partition).copied().filter(|from| *from != to) else { return };
        if self.renewing == Some(partition) || self.asked_back.contains_key(&(to, partition)) {
            return;
        }
        self.kernel.count("fault: assigned to two");
        self.unheard.push((from, partition));
        self.owners.insert(partition, to);
        self.unheard.retain(|(life, lost)| (*life, *lost) != (to, partition));
        self.tell(to, Change::Assigned(vec![id(partition)]));
    }

    fn grow(&mut self) {
        if self.logs.len() > PARTITIONS {
            return;
        }
        self.kernel.count("fault: partitions grew");
        self.logs.push(Vec::new());
        lock(&self.kafka).partitions.push(Records::default());
        self.repeat_old();
        for _ in 0..5 {
            let produced = self.event(PARTITIONS, EventKind::Count);
            self.append(PARTITIONS, produced, 0);
        }
    }

    /// Returns the progress documents as MongoDB has them now.
    pub(crate) fn progress(&self) -> Vec<(i32, Arc<bson::Document>)> {
        let all = lock(&self.mongo).all("weir.progress");
        all.into_iter().filter_map(|document| Some((partition_of(&document)?, document))).collect()
    }

    /// Returns whether a record is accounted for if progress is at `next`.
    pub(crate) fn is_accounted_for(&self, partition: usize, logged: &Logged, next: i64) -> bool {
        let Some(renewed_at) = self.renewed_at.filter(|_| partition == topic::RENEWED) else {
            return logged.offset < next;
        };
        // Until a person has set progress for the recreated topic, it is that of the old one.
        let is_set = !self.setting.contains(&i32::try_from(partition).unwrap_or(-1)) || next > renewed_at;
        !logged.is_renewed || (is_set && logged.offset < next)
    }

    /// Returns whether every record is accounted for.
    pub(crate) fn is_settled(&self) -> bool {
        let read_to = |progress: &bson::Document| {
            let of = |name| progress.get_i64(name).unwrap_or(-1);
            of("next").max(of("read_to"))
        };
        let progress: BTreeMap<i32, i64> = self.progress().iter().map(|(number, it)| (*number, read_to(it))).collect();
        let kafka = lock(&self.kafka);
        self.setting.is_empty()
            && self.renewing.is_none()
            && self.nothing_is_due()
            && kafka.partitions.iter().enumerate().all(|(at, log)| {
                let number = i32::try_from(at).unwrap_or(0);
                log.end == 0 || progress.get(&number).is_some_and(|read_to| *read_to >= log.after_last())
            })
    }

    /// Describes what does not move, and why, for a run that does not end.
    pub(crate) fn standing(&self) -> String {
        let hosts: Vec<String> = self.members.iter().map(|member| format!("{:?}", member.process)).collect();
        let ends: Vec<i64> = lock(&self.kafka).partitions.iter().map(|log| log.end).collect();
        let progress: Vec<String> =
            self.progress().iter().map(|(number, it)| format!("{number}: {:?}", it.get("next"))).collect();
        let waits = self.waits();
        format!("ends {ends:?}, progress {progress:?}, {waits}, owners {:?}, hosts {hosts:?}", self.owners)
    }
}
