//! The ledger's retention is raised, lowered, and different between two groups, while events are repeated or arrive
//! late on both sides of the floor.
//!
//! Times are in hours from a reference some days back, on the border of two of the ledger's buckets. The floor that
//! each step must lead to is relative to it too. Each event has a document of its own, which counts how often it took
//! effect.

mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use rig::instance::{PARTITIONS, ports};
use rig::pipeline::Pipeline;
use rig::weir::Weir;
use rig::{interrupt, process};
use serde_json::json;

use self::services::{Event, Found};
use crate::run::Run;
use crate::verdict::Verdict;

/// How far back the reference is. All events are older than now.
const AGE_HOURS: i64 = 100;
const READY: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(40);

/// A group that reads the topic.
struct Group {
    name: String,
    database: String,
    port: u16,
    host: Option<Weir>,
    /// Events that must have taken effect once.
    done: BTreeSet<String>,
    /// How often each event must have been refused.
    refused: BTreeMap<String, i64>,
}

/// What must become of an event in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It takes effect, for the first time.
    Runs,
    /// It has taken effect before, and is recognised.
    Known,
    /// The ledger can no longer know.
    Refused,
}

/// What must become of a step's events in each group, and where the group's floor must be afterwards.
type Wanted<'a> = [(&'a mut Group, Fate, Option<i64>)];

struct Scene<'a> {
    run: &'a Run<'a>,
    reference_ms: i64,
    /// How many events there are for each time.
    each: i32,
    /// The prefix of the ids of each hour's events.
    kinds: BTreeMap<i64, &'static str>,
    sent: Vec<String>,
    wrong: Vec<String>,
    compared: usize,
}

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let mut scene = Scene::begin(run, if run.quick { 1 } else { 100 })?;
    let ports = ports::more(2)?;
    let Pipeline { group, data, .. } = run.pipeline();
    let mut a = Group::new(group.clone(), data.clone(), ports[0]);
    let mut b = Group::new(format!("{group}-b"), format!("{data}_b"), ports[1]);
    first_group_alone(&mut scene, &mut a)?;
    with_a_new_group(&mut scene, &mut a, &mut b)?;
    a.stop()?;
    b.stop()?;

    for each in scene.wrong.iter().take(10) {
        println!("  {each}");
    }
    let refused = |group: &Group| group.refused.values().sum::<i64>();
    Ok(Verdict {
        holds: scene.wrong.is_empty(),
        figure: format!(
            "{} records, {} events: {} things were wrong; {} records refused in one group and {} in the other",
            scene.sent.len(),
            scene.sent.iter().collect::<BTreeSet<_>>().len(),
            scene.wrong.len(),
            refused(&a),
            refused(&b),
        ),
        bound: "each event once, what may be forgotten refused, nothing refused that a new group reads".to_owned(),
        details: json!({ "wrong": scene.wrong, "compared": scene.compared }),
    })
}

/// One group alone: its retention is raised and lowered again.
fn first_group_alone(scene: &mut Scene<'_>, a: &mut Group) -> Result<()> {
    use Fate::{Known, Refused, Runs};

    a.start(scene.run, 1)?;
    scene.step(&[-30, -20, -12, -5, 0], &mut [(a, Runs, Some(-8))])?;
    a.stop()?;
    println!("  the retention is raised: forgotten events stay forgotten");
    a.start(scene.run, 48)?;
    scene.again(&[-30, -20, -12], &mut [(a, Refused, Some(-8))])?;
    scene.again(&[-5, 0], &mut [(a, Known, Some(-8))])?;
    scene.step_late(&[-13], &mut [(a, Refused, Some(-8))])?;
    scene.step_late(&[-6], &mut [(a, Runs, Some(-8))])?;
    println!("  from then on more events are remembered");
    scene.step(&[1, 10, 20, 30, 40], &mut [(a, Runs, Some(-8))])?;
    scene.again(&[-6, -5, 1, 10], &mut [(a, Known, Some(-8))])?;
    a.stop()?;
    println!("  the retention is lowered: the floor rises");
    a.start(scene.run, 1)?;
    scene.again(&[40], &mut [(a, Known, Some(32))])?;
    scene.again(&[-5, 1, 10, 20, 30], &mut [(a, Refused, Some(32))])?;
    scene.step_late(&[21], &mut [(a, Refused, Some(32))])?;
    scene.step_late(&[33], &mut [(a, Runs, Some(32))])
}

/// A second group on the same ledger, which remembers longer.
fn with_a_new_group(scene: &mut Scene<'_>, a: &mut Group, b: &mut Group) -> Result<()> {
    use Fate::{Known, Refused, Runs};

    println!("  a new group reads all of it");
    b.start(scene.run, 24)?;
    b.done = scene.sent.iter().cloned().collect();
    scene.step(&[], &mut [(b, Runs, None)])?;
    println!("  the new group remembers longer than the first one");
    scene.again(&[1, 10, 20, 30], &mut [(a, Refused, Some(32)), (b, Known, None)])?;
    scene.again(&[33, 40], &mut [(a, Known, Some(32)), (b, Known, None)])?;
    scene.step(&[50, 70], &mut [(a, Runs, Some(40)), (b, Runs, Some(40))])?;
    println!("  events that one group needs are kept for both, and others are forgotten by both");
    scene.again(&[50, 70], &mut [(a, Known, Some(40)), (b, Known, Some(40))])?;
    scene.again(&[-30, 30, 33], &mut [(a, Refused, Some(40)), (b, Refused, Some(40))])?;
    scene.step_late(&[39], &mut [(a, Refused, Some(40)), (b, Refused, Some(40))])?;
    scene.step_late(&[41], &mut [(a, Runs, Some(40)), (b, Runs, Some(40))])
}

impl<'a> Scene<'a> {
    fn begin(run: &'a Run<'a>, each: i32) -> Result<Self> {
        let reference_ms = services::begin(run, AGE_HOURS)?;
        Ok(Self { run, reference_ms, each, kinds: BTreeMap::new(), sent: Vec::new(), wrong: Vec::new(), compared: 0 })
    }

    /// Sends new events: some of each hour for every partition.
    fn step(&mut self, hours: &[i64], groups: &mut Wanted<'_>) -> Result<()> {
        self.kinds.extend(hours.iter().map(|hour| (*hour, "")));
        self.again(hours, groups)
    }

    /// Sends events that were never sent before and are late.
    fn step_late(&mut self, hours: &[i64], groups: &mut Wanted<'_>) -> Result<()> {
        self.kinds.extend(hours.iter().map(|hour| (*hour, "late-")));
        self.again(hours, groups)
    }

    /// Sends the events of these hours, whether or not they were sent before, and compares what is there afterwards.
    fn again(&mut self, hours: &[i64], groups: &mut Wanted<'_>) -> Result<()> {
        let mut events = Vec::new();
        for hour in hours {
            let kind = self.kinds.get(hour).context("an hour of which no event was sent: the proof is wrong")?;
            for number in 0..self.each * i32::from(PARTITIONS) {
                let id = format!("{kind}{hour}-{number}");
                for (group, fate, _) in groups.iter_mut() {
                    group.expects(&id, *fate);
                }
                self.sent.push(id.clone());
                events.push(Event { id, hours: *hour, partition: number % i32::from(PARTITIONS) });
            }
        }
        services::send(self.run, self.reference_ms, &events)?;
        for (group, _, floor) in groups.iter() {
            let found = services::found(self.run, self.reference_ms, &group.name, &group.database, *floor)?;
            self.compare(group, *floor, &found);
        }
        Ok(())
    }

    fn compare(&mut self, group: &Group, floor: Option<i64>, found: &Found) {
        let wanted: BTreeMap<&String, i64> = group.done.iter().map(|id| (id, 1)).collect();
        let effects: BTreeMap<&String, i64> = found.effects.iter().map(|(id, count)| (id, *count)).collect();
        self.compared += wanted.len();
        let name = &group.name;
        let mut wrong = Vec::new();
        for id in wanted.keys().chain(effects.keys()).collect::<BTreeSet<_>>() {
            if wanted.get(*id) != effects.get(*id) {
                let times = |of: &BTreeMap<&String, i64>| of.get(*id).copied().unwrap_or(0);
                wrong.push(format!("{name}: {id} took effect {} times instead of {}", times(&effects), times(&wanted)));
            }
        }
        for id in group.refused.keys().chain(found.refused.keys()).collect::<BTreeSet<_>>() {
            let times = |of: &BTreeMap<String, i64>| of.get(id).copied().unwrap_or(0);
            let (wanted, refused) = (times(&group.refused), times(&found.refused));
            if wanted != refused {
                wrong.push(format!("{name}: {id} was refused {refused} times instead of {wanted}"));
            }
        }
        wrong.extend(found.others.iter().map(|other| format!("{name}: {other}")));
        if found.floor_ms != floor.map(|hours| hours * 3_600_000) {
            wrong.push(format!("{name}: the floor is at {:?} ms instead of {floor:?} h", found.floor_ms));
        }
        self.wrong.extend(wrong);
    }
}

impl Group {
    fn new(name: String, database: String, port: u16) -> Self {
        Self { name, database, port, host: None, done: BTreeSet::new(), refused: BTreeMap::new() }
    }

    fn expects(&mut self, id: &str, fate: Fate) {
        match fate {
            Fate::Runs => drop(self.done.insert(id.to_owned())),
            Fate::Known => {}
            Fate::Refused => *self.refused.entry(id.to_owned()).or_default() += 1,
        }
    }

    /// Starts its host with a retention, and waits until it is ready.
    fn start(&mut self, run: &Run<'_>, retention_hours: i64) -> Result<()> {
        let handlers = run.handlers(["tallies"])?;
        let mut command = run.command(&handlers);
        command.envs([
            ("KAFKA_GROUP_ID", self.name.as_str()),
            ("MONGODB_DATABASE", self.database.as_str()),
            ("KAFKA_AUTO_OFFSET_RESET", "earliest"),
            ("WEIR_SWEEP_MS", "100"),
        ]);
        command.env("LEDGER_RETENTION_HOURS", retention_hours.to_string());
        let host = Weir::launch(run.daemon(&self.name), self.port, &mut command)?;
        host.ready(READY)?;
        self.host = Some(host);
        Ok(())
    }

    /// Stops its host, which must end cleanly.
    fn stop(&mut self) -> Result<()> {
        let host = self.host.take().context("it was not started")?;
        host.signal(Signal::SIGTERM)?;
        let begun = Instant::now();
        loop {
            match host.ended() {
                Some(WaitStatus::Exited(_, 0)) => return Ok(()),
                None if begun.elapsed() < STOP => interrupt::sleep(Duration::from_millis(10))?,
                ended => bail!("{} did not stop cleanly, {ended:?}:\n{}", self.name, process::tail(&host.log())),
            }
        }
    }
}
