//! A handler of its own line misbehaves on one event in twenty. The six reference handlers go on as fast as without it,
//! and once a good version replaces it, each of its events takes effect once and in order.

mod cases;
mod measures;
mod scene;

use std::time::Duration;

use anyhow::{Context, Result};
use rig::clients::World;
use rig::measure::figures::median;
use rig::{clock, interrupt};
use serde::Serialize;
use serde_json::json;

use crate::exactly::{self, Exactly};
use crate::run::Run;
use crate::verdict::Verdict;
use cases::Case;
use measures::{Pace, Replaced, Work};
use scene::{Handlers, Records, Scene};

/// What the six must keep of their throughput.
const KEPT: f64 = 0.9;
/// What the quick form demands of the case `c` on a machine that may be busy. Without isolation, they keep 0.01 of it.
const KEPT_AT_LEAST: f64 = 0.2;
/// How many events the quick form has for it. The first 250 ms, in which the sleeper is waited for, are a part of it.
const QUICK_EVENTS: i64 = 12_000;
/// How many times longer the six may take at `RATE`.
const LONGER: f64 = 1.25;
const CAUGHT_UP: Duration = Duration::from_mins(1);
/// The handler's share of the events.
const SHARE: f64 = 0.05;
/// Events per second at which the time to a document is measured.
const RATE: u32 = 200;
/// How long that goes on. The first ten seconds do not count.
const LENGTH_S: u32 = 60;
const ROUNDS: usize = 3;
/// A run with the handler ends after this many times what the six took without it.
const TIMES: u32 = 4;

/// What was found of one case.
#[derive(Debug, Serialize)]
struct Found {
    case: &'static str,
    what: &'static str,
    /// Without and with the handler, by round.
    throughput: Vec<(Work, Work)>,
    /// The same at a rate.
    latency: Vec<(Pace, Pace)>,
    /// After the last round of each.
    replaced: Vec<Replaced>,
    exactly: Vec<Exactly>,
}

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let cases = cases::chosen(&run.cases)?;
    let scene = Scene::set(run)?;
    if run.quick {
        return quick(&scene, &cases);
    }
    let mut found = Vec::new();
    for case in cases {
        let mut here = Found::new(case);
        throughput(&scene, case, &mut here).with_context(|| format!("case {}, at full load", case.letter))?;
        latency(&scene, case, &mut here).with_context(|| format!("case {}, at a rate", case.letter))?;
        println!("{}", here.in_a_line());
        found.push(here);
    }
    println!("\n{}", table(&found));
    let worst =
        |of: fn(&Found) -> f64, worse: fn(f64, f64) -> f64| found.iter().map(of).reduce(worse).unwrap_or(f64::NAN);
    let held = found.iter().filter(|case| case.holds()).count();
    Ok(Verdict {
        holds: held == found.len(),
        figure: format!(
            "{held} of {} cases hold; the six keep {:.2} of their throughput or more, their p99 at {RATE} events/s is at most \
             {:.2} times as long; caught up within {:.0} s; {} lost, {} doubled, {} out of order",
            found.len(),
            worst(Found::kept, f64::min),
            worst(Found::longer, f64::max),
            worst(Found::caught_up, f64::max),
            sum(&found, |exactly| exactly.tallies.lost),
            sum(&found, |exactly| exactly.tallies.doubled),
            sum(&found, |exactly| exactly.tallies.out_of_order),
        ),
        bound: format!(
            "{KEPT} of the throughput, {LONGER} times the p99, {} s; nothing lost, doubled, out of order or parked, every \
             document of the six right",
            CAUGHT_UP.as_secs()
        ),
        details: json!({ "cases": found }),
    })
}

/// All cases at once for what is right, and one of them alone for whether it holds up the six.
fn quick(scene: &Scene<'_>, cases: &[&'static Case]) -> Result<Verdict> {
    let since = clock::now_ms();
    let hows: Vec<&str> = cases.iter().map(|case| case.how).collect();
    let records = scene.records(700, 2.0 * SHARE, &hows, true)?;
    let site = scene.site(&records, &hows)?;
    let ran = scene.misbehave(&site, Duration::from_secs(5))?;
    let (replaced, exactly) = replace(scene, &site, &records, since)?;
    scene.forget(&site, &records)?;
    let kept = if hows.contains(&"sleep") { Some(kept_beside_a_sleeper(scene)?) } else { None };
    Ok(Verdict {
        holds: exactly.holds()
            && ran > 0.0
            && replaced.seconds.is_some()
            && kept.is_none_or(|kept| kept >= KEPT_AT_LEAST),
        figure: format!(
            "{}{}",
            exactly.figure(),
            kept.map_or(String::new(), |kept| format!("; beside one that sleeps, the six keep {kept:.2}")),
        ),
        bound: format!("nothing lost, doubled, out of order, different or parked; {KEPT_AT_LEAST} of the throughput"),
        details: json!({ "ran": ran, "replaced": replaced, "kept": kept, "found": exactly }),
    })
}

fn kept_beside_a_sleeper(scene: &Scene<'_>) -> Result<f64> {
    let records = scene.records(QUICK_EVENTS, SHARE, &["sleep"], true)?;
    let site = scene.site(&records, &[])?;
    let without = scene.work(&site, Handlers::Six, &records, None)?;
    scene.remove(&site)?;
    let site = scene.site(&records, &["sleep"])?;
    // Longer than the bound, so that a run that falls short shows by how much.
    let limit = without.took().mul_f64(1.5 / KEPT_AT_LEAST);
    let with = scene.work(&site, Handlers::Bad, &records, Some(limit))?;
    scene.forget(&site, &records)?;
    Ok(with.rate() / without.rate())
}

/// The six at full load without and with the handler, in turn.
fn throughput(scene: &Scene<'_>, case: &Case, found: &mut Found) -> Result<()> {
    let since = clock::now_ms();
    let records = scene.records(60_000, SHARE, &[case.how], true)?;
    for round in 1..=ROUNDS {
        let site = scene.site(&records, &[case.how])?;
        let without = scene.work(&site, Handlers::Six, &records, None)?;
        scene.remove(&site)?;
        let site = scene.site(&records, &[case.how])?;
        let with = scene.work(&site, Handlers::Bad, &records, Some(without.took() * TIMES))?;
        println!("  {}: {:.0} and {:.0} events/s", case.letter, without.rate(), with.rate());
        found.throughput.push((without, with));
        if round < ROUNDS {
            scene.remove(&site)?;
        } else {
            found.add(replace(scene, &site, &records, since)?);
            scene.forget(&site, &records)?;
        }
    }
    Ok(())
}

/// The same at a rate, from records to documents.
fn latency(scene: &Scene<'_>, case: &Case, found: &mut Found) -> Result<()> {
    let paced = |handlers| {
        let records = scene.records(i64::from(LENGTH_S * RATE), SHARE, &[case.how], false)?;
        let site = scene.site(&records, &[case.how])?;
        let pace = scene.pace(&site, handlers, &records, RATE)?;
        anyhow::Ok((records, site, pace))
    };
    for round in 1..=ROUNDS {
        let (records, site, without) = paced(Handlers::Six)?;
        scene.forget(&site, &records)?;
        let since = clock::now_ms();
        let (records, site, with) = paced(Handlers::Bad)?;
        println!("  {}: p99 {:.1} and {:.1} ms", case.letter, without.p99_ms, with.p99_ms);
        found.latency.push((without, with));
        if round == ROUNDS {
            found.add(replace(scene, &site, &records, since)?);
        }
        scene.forget(&site, &records)?;
    }
    Ok(())
}

/// Replaces the handler, and compares everything.
fn replace(scene: &Scene<'_>, site: &World, records: &Records, since: u128) -> Result<(Replaced, Exactly)> {
    interrupt::check()?;
    let replaced = scene.replace(site, records)?;
    Ok((replaced, exactly::compare(scene.run, &site.pipeline, since)?))
}

impl Found {
    fn new(case: &Case) -> Self {
        let (throughput, latency, replaced, exactly) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { case: case.letter, what: case.what, throughput, latency, replaced, exactly }
    }

    fn add(&mut self, (replaced, exactly): (Replaced, Exactly)) {
        self.replaced.push(replaced);
        self.exactly.push(exactly);
    }

    /// Returns what the six keep of their throughput, the median of the rounds.
    fn kept(&self) -> f64 {
        median(self.throughput.iter().map(|(without, with)| with.rate() / without.rate())).unwrap_or(f64::NAN)
    }

    /// Returns how many times as long the p99 is, the median of the rounds.
    fn longer(&self) -> f64 {
        median(self.latency.iter().map(|(without, with)| with.p99_ms / without.p99_ms)).unwrap_or(f64::NAN)
    }

    /// Returns the lowest and the highest p99 without the handler. If they differ much, the machine is not quiet.
    fn alone(&self) -> String {
        let p99 = || self.latency.iter().map(|(without, _)| without.p99_ms);
        format!("{:.0}-{:.0}", p99().fold(f64::INFINITY, f64::min), p99().fold(0.0, f64::max))
    }

    /// Returns the seconds after which the handler had caught up, the longer of both.
    fn caught_up(&self) -> f64 {
        self.replaced.iter().map(|replaced| replaced.seconds.unwrap_or(f64::INFINITY)).fold(0.0, f64::max)
    }

    fn holds(&self) -> bool {
        self.exactly.iter().all(Exactly::holds)
            && self.kept() >= KEPT
            && self.longer() <= LONGER
            && self.caught_up() <= CAUGHT_UP.as_secs_f64()
    }

    fn in_a_line(&self) -> String {
        let total = |of: fn(&Exactly) -> u64| self.exactly.iter().map(of).sum::<u64>();
        format!(
            "  {} {:<28} {:>10.2} {:>8.2} {:>12} {:>10.1} {:>5} {:>7} {:>12} {:>11}  {}",
            self.case,
            self.what,
            self.kept(),
            self.longer(),
            self.alone(),
            self.caught_up(),
            total(|exactly| exactly.tallies.lost),
            total(|exactly| exactly.tallies.doubled),
            total(|exactly| exactly.tallies.out_of_order),
            total(|exactly| exactly.differences),
            if self.holds() { "holds" } else { "FALLS SHORT" },
        )
    }
}

fn table(found: &[Found]) -> String {
    let head = format!(
        "  {:<30} {:>10} {:>8} {:>12} {:>10} {:>5} {:>7} {:>12} {:>11}",
        "the handler", "throughput", "p99", "alone, ms", "caught up", "lost", "doubled", "out of order", "differences"
    );
    let lines = found.iter().map(Found::in_a_line);
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

fn sum(found: &[Found], of: fn(&Exactly) -> u64) -> u64 {
    found.iter().flat_map(|case| &case.exactly).map(of).sum()
}
