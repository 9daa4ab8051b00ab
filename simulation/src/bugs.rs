//! The seeded bugs: which promise each of them breaks, and whether the simulation notices.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_core::seeded::Bug;

use crate::broken::{Broken, Fault};
use crate::sweep::{self, Swept};
use crate::{Line, kept, run};

/// The promises that a bug breaks. Whatever else goes wrong in its worlds does not count.
fn breaks(bug: Bug) -> &'static [Broken] {
    match bug {
        Bug::ProgressFirst
        | Bug::LedgerOutside
        | Bug::NewPartitionAtEnd
        | Bug::TopicAnew
        | Bug::StartPassed
        | Bug::HalfDone
        | Bug::OlderClaimMoves => &[Broken::Lost],
        Bug::NoLedger
        | Bug::DuplicateInBatch
        | Bug::NoFloor
        | Bug::NoFloorForNew
        | Bug::FloorUnfenced
        | Bug::ClosedBuckets
        | Bug::SweepUnchecked
        | Bug::SweepUnnoticed
        | Bug::ReleasedTwice => &[Broken::Doubled],
        Bug::MaxAsFence => &[Broken::Lost, Broken::Doubled],
        Bug::RetryWithoutFence => &[Broken::Unaccounted, Broken::Doubled],
        Bug::TrialKept => &[Broken::Lost, Broken::Doubled, Broken::OutOfOrder, Broken::Unaccounted],
        Bug::ReadsUnchecked | Bug::FailedCheckPasses => &[Broken::Lost, Broken::Misread],
        Bug::WriteErrorsIgnored
        | Bug::FaultIsFailure
        | Bug::LossIsDeath
        | Bug::SweepEarly
        | Bug::ProbeUnanswered
        | Bug::RefusalForgotten => &[Broken::WronglyDead],
        Bug::SharedCount | Bug::HashIgnored => &[Broken::NotDead],
        Bug::OneMember => &[Broken::WentBack],
        Bug::OvertakesParked | Bug::TrialKeptAfterFailure | Bug::HeldNotRead | Bug::ReleasedUnnoted => {
            &[Broken::OutOfOrder]
        }
        Bug::ReadToIgnored => &[Broken::WronglyStopped],
        Bug::HandOverEarly => &[Broken::HandedOverEarly],
        Bug::PausedLaneRuns | Bug::PausedRuns => &[Broken::RanPaused],
        Bug::SessionsLeft => &[Broken::TooLate],
        // The fault of these is a standstill. The fence keeps them from anything worse.
        Bug::RefusedForEver | Bug::SlowForEver | Bug::CommitForEver | Bug::NotReadIgnored | Bug::ClaimKept => {
            &[Broken::NotSettled]
        }
    }
}

pub(crate) fn named(name: &str) -> Option<Bug> {
    Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name)
}

/// Switches the bugs on in turn. Each must be caught by a promise that it breaks, in a seed that passes without it.
///
/// A bug's search begins with the seed that caught it last time.
pub(crate) fn all(line: &Line) -> anyhow::Result<Value> {
    let seeds: Vec<u64> = (line.from..line.from + line.seeds).collect();
    let mut catchers = kept::catchers()?;
    let (mut caught, mut missed) = (Vec::new(), Vec::new());
    for bug in Bug::ALL.into_iter().filter(|bug| line.bug.as_ref().is_none_or(|name| *name == format!("{bug:?}"))) {
        let name = format!("{bug:?}");
        let last = catchers.get(&name).filter(|seed| seeds.contains(seed));
        let last = last.and_then(|seed| look_for(bug, &[*seed]).ok());
        match last.map_or_else(|| look_for(bug, &seeds), Ok) {
            Ok((seed, why)) => {
                catchers.insert(name.clone(), seed);
                println!("{name}: caught by seed {seed}: {why}");
                caught.push(json!({ "bug": name, "seed": seed, "why": why }));
            }
            Err(why) => {
                println!("{name}: NOT CAUGHT: {why}");
                missed.push(json!({ "bug": name, "why": why }));
            }
        }
    }
    // A proof asks for a report, and changes no file of the clone.
    if line.report.is_none() {
        kept::keep_catchers(&catchers)?;
    }
    Ok(json!({ "holds": missed.is_empty() && !caught.is_empty(), "caught": caught, "missed": missed }))
}

/// Returns a seed that catches the bug, and how.
fn look_for(bug: Bug, seeds: &[u64]) -> Result<(u64, String), String> {
    let counts = |fault: &Fault| breaks(bug).contains(&fault.broken);
    let Swept { failures, .. } = sweep::run(seeds, Some(bug), |faults| faults.iter().any(counts));
    let shown = failures.iter().find_map(|(seed, faults)| Some((*seed, faults.iter().find(|fault| counts(fault))?)));
    let Some((seed, fault)) = shown else {
        let mut others: BTreeMap<Broken, usize> = BTreeMap::new();
        for fault in failures.iter().flat_map(|(_, faults)| faults) {
            *others.entry(fault.broken).or_default() += 1;
        }
        return Err(format!("by {} seeds; {} failed otherwise: {others:?}", seeds.len(), failures.len()));
    };
    weir_core::seeded::set(None);
    match run::seed(seed).faults.first() {
        None => Ok((seed, fault.to_string())),
        Some(without) => Err(format!("seed {seed} fails without it too: {without}")),
    }
}
