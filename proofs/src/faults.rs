//! Hosts are stopped, the primary changes, services restart and connections break, yet every effect is there once and
//! in order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::chance::Chance;
use crate::exactly;
use crate::hosts::{self, Hosts, QUICK_SESSION};
use crate::load::{Amount, Load, Mix};
use crate::replica_set::ReplicaSet;
use crate::run::Run;
use crate::verdict::Verdict;
use rig::instance::Service;
use rig::pipeline::Pipeline;
use rig::proxy::Direction;
use rig::{clock, interrupt};

const PATIENCE: Duration = Duration::from_mins(2);
/// Longer than the group's session, which is 6 s.
const STANDSTILL: Duration = Duration::from_secs(8);
const QUICK_STANDSTILL: Duration = Duration::from_secs(QUICK_SESSION.as_secs() + 1);
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_secs(2);
/// How much longer each message takes while connections are slow.
const DELAY: Duration = Duration::from_millis(100);
/// Bytes that a commit's request contains.
const COMMIT: &[u8] = b"commitTransaction\0";

#[derive(Debug, Clone, Copy)]
enum Fault {
    Standstill,
    LongStandstill,
    Stepdown,
    KafkaRestarts,
    /// A clean restart, by SIGTERM.
    MongodRestarts,
    MongodCrashes,
    Cut,
    Slow,
    CommitReplyLost,
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::Standstill => "hosts stopped past their session",
            Self::LongStandstill => "hosts stopped past max.poll.interval.ms",
            Self::Stepdown => "stepdowns",
            Self::KafkaRestarts => "restarts of Kafka",
            Self::MongodRestarts => "restarts of the primary",
            Self::MongodCrashes => "crashes of the primary",
            Self::Cut => "connections cut",
            Self::Slow => "connections slowed",
            Self::CommitReplyLost => "committed replies lost",
        }
    }

    /// How often each fault happens. The quick form leaves out those that take longest; `outage` restarts Kafka there.
    fn all(quick: bool) -> Vec<Self> {
        let counts = [
            (Self::Standstill, 20, 1),
            (Self::LongStandstill, 1, 0),
            (Self::Stepdown, 10, 1),
            (Self::KafkaRestarts, 10, 0),
            (Self::MongodRestarts, 5, 0),
            (Self::MongodCrashes, 5, 1),
            (Self::Cut, 17, 1),
            (Self::Slow, 16, 1),
            (Self::CommitReplyLost, 17, 1),
        ];
        let times = |(fault, full, few)| std::iter::repeat_n(fault, if quick { few } else { full });
        counts.into_iter().flat_map(times).collect()
    }
}

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let set = ReplicaSet::start(run)?;
    println!("  a replica set of three members, each behind a proxy");
    let pipeline = Pipeline { mongodb: set.uri.clone(), ..run.pipeline().clone() };
    let since = clock::now_ms();
    // The quick form has fewer records, because every record that is sent is also compared.
    let lag = if run.quick { 20 } else { 150 };
    let mut load = Load::start(run, &pipeline, Amount { mix: Mix::Tallied, lag, events: 0, seed: 61 })?;
    let settings = vec![
        ("PROCESSING_BATCH_SIZE", "100".to_owned()),
        ("MONGODB_URI", set.uri.clone()),
        ("WEIR_MAX_POLL_INTERVAL_MS", MAX_POLL_INTERVAL.as_millis().to_string()),
    ];
    let mut hosts = Hosts::new(run, run.handlers(["tallies"])?, hosts::several(run.quick), settings)?;
    hosts.up()?;

    let mut chance = Chance::new(62);
    let mut faults = Fault::all(run.quick);
    chance.shuffle(&mut faults);
    // By kind: how often it happened, and the longest time until all partitions moved again.
    let mut seen: BTreeMap<&str, (u64, f64)> = BTreeMap::new();
    moved(&mut load, &hosts)?;
    for (number, fault) in faults.iter().enumerate() {
        harm(run, *fault, &set, &hosts, &mut chance)?;
        let took = moved(&mut load, &hosts).with_context(|| format!("after {}", fault.name()))?.as_secs_f64();
        println!("  {:>3} of {}: {}; moved on {took:.1} s later", number + 1, faults.len(), fault.name());
        let (count, longest) = seen.entry(fault.name()).or_default();
        *count += 1;
        *longest = longest.max(took);
    }

    load.stop()?;
    let state = load.settled(run, PATIENCE, || hosts.alive())?;
    hosts.stop()?;
    let found = exactly::compare(run, &pipeline, since)?;
    Ok(Verdict {
        holds: found.holds() && found.repeated == state.repeated && found.total() == state.events,
        figure: format!("{} faults; {}", faults.len(), found.figure()),
        bound: "nothing lost, doubled, out of order or parked".to_owned(),
        details: json!({
            "faults_and_longest_seconds": seen,
            "commits": state.commits(),
            "sent": { "events": state.events, "repeated": state.repeated },
            "found": found,
        }),
    })
}

fn harm(run: &Run<'_>, fault: Fault, set: &ReplicaSet<'_>, hosts: &Hosts<'_>, chance: &mut Chance) -> Result<()> {
    match fault {
        Fault::Standstill if run.quick => stand_still(hosts, chance, QUICK_STANDSTILL),
        Fault::Standstill => stand_still(hosts, chance, STANDSTILL),
        Fault::LongStandstill => stand_still(hosts, chance, MAX_POLL_INTERVAL + Duration::from_secs(2)),
        Fault::Stepdown => set.stepdown(),
        Fault::KafkaRestarts => run.instance.stop(Service::Kafka).and_then(|()| run.instance.start(Service::Kafka)),
        Fault::MongodRestarts => set.restart_primary(Signal::SIGTERM),
        Fault::MongodCrashes => set.restart_primary(Signal::SIGKILL),
        Fault::Cut => {
            ensure!(set.proxy.cut() > 0, "no host has a connection that could be cut");
            Ok(())
        }
        Fault::Slow => {
            for direction in [Direction::ToServer, Direction::ToClient] {
                set.proxy.delay(direction, DELAY);
            }
            let slept = interrupt::sleep(SLOW);
            set.proxy.open();
            slept
        }
        Fault::CommitReplyLost => lose_a_commit(set),
    }
}

fn stand_still(hosts: &Hosts<'_>, chance: &mut Chance, duration: Duration) -> Result<()> {
    let weir = hosts.all[chance.index(hosts.all.len())].weir()?;
    weir.signal(Signal::SIGSTOP)?;
    let slept = interrupt::sleep(duration);
    weir.signal(Signal::SIGCONT)?;
    slept
}

fn lose_a_commit(set: &ReplicaSet<'_>) -> Result<()> {
    let before = set.proxy.lost();
    set.proxy.lose_reply_to(COMMIT);
    let begin = Instant::now();
    while set.proxy.lost() == before {
        ensure!(begin.elapsed() < PATIENCE, "no host has committed anything for {} s", PATIENCE.as_secs());
        interrupt::sleep(Duration::from_millis(5))?;
    }
    Ok(())
}

/// Waits until every partition has committed something from now on, and returns how long that took.
fn moved(load: &mut Load, hosts: &Hosts<'_>) -> Result<Duration> {
    let begin = Instant::now();
    let before = load.fresh()?;
    loop {
        let state = load.state()?;
        let commits = before.partitions.iter().zip(&state.partitions);
        if commits.clone().all(|(before, now)| before.commits < now.commits) {
            return Ok(begin.elapsed());
        }
        hosts.alive()?;
        let stuck: Vec<_> = commits.filter(|(before, now)| before.commits == now.commits).map(|(_, now)| now).collect();
        ensure!(
            begin.elapsed() < PATIENCE,
            "nothing was committed for {} s in some partitions: {stuck:?}",
            PATIENCE.as_secs()
        );
        interrupt::sleep(Duration::from_millis(20))?;
    }
}
