//! Kills hosts again and again, at named points and at any time, always with records left and a batch open.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use crate::chance::Chance;
use crate::hosts::Hosts;
use crate::load::Load;
use rig::interrupt;
use rig::progress::Progress;

/// The points at which a host kills itself, and the range of passes from which the fatal one is drawn. A host passes a
/// batch's points some dozen times per second, and those of a delivery or a record often in each batch.
const FAILPOINTS: [(&str, u64, u64); 6] = [
    ("after-poll", 10, 300),
    ("after-finds", 3, 40),
    ("in-handler", 60, 1_500),
    ("before-commit", 3, 40),
    ("after-commit", 3, 40),
    ("before-offsets", 3, 40),
];
/// How many kills by SIGKILL there are for each round of the points.
const AT_ANY_TIME: usize = 2;
const ANY_TIME: &str = "any time";

/// After this many claims without a commit in between, no host is killed until there is a commit.
const CALM: i64 = 2;
/// After this many, failpoints that have not struck yet are removed.
const DISARM: i64 = 3;
/// The most that may happen. Weir must tell an event that kills its host from one that hosts merely happen to die at.
const MOST: i64 = 5;
/// How long a host may process without passing its failpoint.
const BOUND: Duration = Duration::from_mins(1);
const STARTS: Duration = Duration::from_mins(2);

/// How a host should die.
#[derive(Debug, Clone, Copy)]
enum Death {
    None,
    At(&'static str, u64),
    AnyTime(Duration),
}

/// What became of the hosts.
#[derive(Debug, Default)]
pub(crate) struct Deaths {
    /// How many died at which point.
    pub(crate) by_point: BTreeMap<&'static str, u64>,
    /// The most claims of a partition without a commit in between.
    pub(crate) claims_in_vain: i64,
    /// Failpoints that were removed, so that no host dies at the same event again.
    pub(crate) disarmed: u64,
    pub(crate) seconds: f64,
}

impl Deaths {
    pub(crate) fn total(&self) -> u64 {
        self.by_point.values().sum()
    }
}

/// Starts the hosts, kills one that many times and restarts it each time. If that is enough for all points, it goes on
/// until each has struck. At the end no host has a failpoint.
pub(crate) fn kill(hosts: &mut Hosts<'_>, load: &mut Load, kills: u64, seed: u64) -> Result<Deaths> {
    let begin = Instant::now();
    let mut killing = Killing {
        chance: Chance::new(seed),
        bag: Vec::new(),
        deaths: Deaths::default(),
        kills,
        plans: vec![Death::None; hosts.all.len()],
        started: vec![Instant::now(); hosts.all.len()],
    };
    for index in 0..hosts.all.len() {
        killing.plans[index] = killing.draw();
        killing.begin(hosts, index)?;
    }
    let mut progress = Progress::default();
    while !killing.finished() {
        let state = load.state()?;
        let in_vain = state.claims_in_vain();
        killing.deaths.claims_in_vain = killing.deaths.claims_in_vain.max(in_vain);
        ensure!(in_vain <= MOST, "a partition was claimed {in_vain} times without a commit: {:?}", state.partitions);
        for index in 0..hosts.all.len() {
            killing.look_at(hosts, index, in_vain)?;
        }
        let (done, events, left) = (killing.deaths.total(), state.events, state.left());
        progress.show(&[format!("  killed {done} of {kills}, {events} events, {left} records left")]);
        interrupt::sleep(Duration::from_millis(50))?;
    }
    progress.done();
    for index in 0..hosts.all.len() {
        if let Death::At(..) = killing.plans[index] {
            killing.disarm(hosts, index, Death::None)?;
        }
    }
    killing.deaths.seconds = begin.elapsed().as_secs_f64();
    Ok(killing.deaths)
}

struct Killing {
    chance: Chance,
    bag: Vec<Death>,
    deaths: Deaths,
    kills: u64,
    plans: Vec<Death>,
    started: Vec<Instant>,
}

impl Killing {
    /// Returns the next death: each of the points once and some at any time, in random order, and then all of them
    /// again.
    fn draw(&mut self) -> Death {
        if self.bag.is_empty() {
            let chance = &mut self.chance;
            self.bag.extend(FAILPOINTS.map(|(name, least, most)| Death::At(name, chance.between(least, most))));
            for _ in 0..AT_ANY_TIME {
                self.bag.push(Death::AnyTime(Duration::from_millis(chance.between(0, 2_500))));
            }
            chance.shuffle(&mut self.bag);
        }
        self.bag.pop().unwrap_or(Death::None)
    }

    /// Returns whether enough have died, and at least one at each point if there were enough kills for that.
    fn finished(&self) -> bool {
        let struck = FAILPOINTS.iter().all(|(name, ..)| self.deaths.by_point.contains_key(name));
        self.deaths.total() >= self.kills && (struck || self.kills < FAILPOINTS.len() as u64)
    }

    fn look_at(&mut self, hosts: &mut Hosts<'_>, index: usize, in_vain: i64) -> Result<()> {
        let host = &mut hosts.all[index];
        let plan = self.plans[index];
        if host.killed()? {
            let Death::At(name, _) = plan else { anyhow::bail!("{} was killed by somebody else", host.name()) };
            return self.died(hosts, index, name, in_vain);
        }
        host.look()?;
        let busy_for = host.busy_since.map(|since| since.elapsed());
        ensure!(
            busy_for.is_some() || self.started[index].elapsed() < STARTS,
            "{} has processed nothing in {} s",
            host.name(),
            STARTS.as_secs()
        );
        match (plan, busy_for) {
            (Death::AnyTime(after), Some(busy_for)) if busy_for >= after && host.busy() && in_vain < CALM => {
                host.kill()?;
                self.died(hosts, index, ANY_TIME, in_vain)
            }
            (Death::At(name, pass), Some(busy_for)) => {
                ensure!(
                    busy_for < BOUND,
                    "{} has processed for {} s and was not killed by {name}:{pass}",
                    host.name(),
                    BOUND.as_secs()
                );
                if in_vain < DISARM {
                    return Ok(());
                }
                self.deaths.disarmed += 1;
                self.bag.push(plan);
                let next = Death::AnyTime(Duration::from_millis(self.chance.between(0, 2_500)));
                self.disarm(hosts, index, next)
            }
            _ => Ok(()),
        }
    }

    /// Counts a death and begins the next life.
    fn died(&mut self, hosts: &mut Hosts<'_>, index: usize, of: &'static str, in_vain: i64) -> Result<()> {
        *self.deaths.by_point.entry(of).or_default() += 1;
        self.plans[index] = if self.finished() {
            Death::None
        } else if in_vain >= CALM {
            Death::AnyTime(Duration::ZERO)
        } else {
            self.draw()
        };
        self.begin(hosts, index)
    }

    fn begin(&mut self, hosts: &mut Hosts<'_>, index: usize) -> Result<()> {
        self.started[index] = Instant::now();
        let failpoint = match self.plans[index] {
            Death::At(name, pass) => Some((name, pass)),
            Death::None | Death::AnyTime(_) => None,
        };
        hosts.start(index, failpoint)
    }

    /// Stops a host as an operator would and restarts it without its failpoint, which may strike meanwhile.
    fn disarm(&mut self, hosts: &mut Hosts<'_>, index: usize, next: Death) -> Result<()> {
        let plan = std::mem::replace(&mut self.plans[index], next);
        let weir = hosts.all[index].weir()?;
        // This fails if the failpoint struck first. How the host ended is checked below.
        let _ = weir.signal(Signal::SIGTERM);
        while weir.alive().is_ok() {
            interrupt::sleep(Duration::from_millis(20))?;
        }
        match (hosts.all[index].killed(), plan) {
            (Ok(true), Death::At(name, _)) => *self.deaths.by_point.entry(name).or_default() += 1,
            _ => hosts.all[index].stopped()?,
        }
        self.begin(hosts, index)
    }
}
