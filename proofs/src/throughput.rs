//! How many events Weir processes, compared with what MongoDB allows and what people write by hand, interleaved in one
//! run.

use anyhow::{Context, Result};
use serde_json::json;

use crate::run::Run;
use crate::verdict::Verdict;
use rig::interrupt;
use rig::measure::figures::{Measure, median};
use rig::measure::stage::{Stage, Way};
use rig::measure::{self, QUIET, QUIET_BY_HAND};

const OF_THE_CEILING: f64 = 0.6;
const THREE_OF_ONE: f64 = 0.9;
const BY_HAND: f64 = 30.0;
const MEMORY_MIB: f64 = 200.0;
const EMPTY_CALL_US: f64 = 15.0;

const WAYS: [Way; 4] =
    [Way::Ceiling { hot: true }, Way::Weir { hosts: 1, hot: true }, Way::Weir { hosts: 3, hot: true }, Way::ByHand];

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    // The release build takes minutes, and a quick run holds no time to a bound.
    let stage = Stage::new(run.instance, run.pipeline().clone(), measure::programs(!run.quick)?, &run.handlers([])?)?;
    let (events, by_hand, rounds) = if run.quick { (6_000, 200, 1) } else { (100_000, 2_000, 5) };
    if !run.quick {
        stage.patient_groups()?;
    }
    let backlog = stage.backlog(events, by_hand)?;
    let call = stage.empty_call()?;
    let mut found: [Vec<Measure>; 4] = Default::default();
    for _ in 0..rounds {
        for (measures, way) in found.iter_mut().zip(WAYS) {
            interrupt::check()?;
            let measure = stage.run(way, &backlog)?;
            println!("  {:<8} {:>7.0} events/s", way.name(), measure.rate());
            measures.push(measure);
        }
    }
    let rate = |measures: &[Measure]| median(measures.iter().map(Measure::rate)).unwrap_or(f64::NAN);
    let [ceiling, one, three, by_hand] = &found;
    let (ceiling, one_rate, three_rate, by_hand) = (rate(ceiling), rate(one), rate(three), rate(by_hand));
    let memory = one.iter().chain(three).map(|measure| measure.peak_mib("weir")).reduce(f64::max).context("no run")?;
    let quiet = ceiling >= QUIET && by_hand >= QUIET_BY_HAND;
    let fast = one_rate >= OF_THE_CEILING * ceiling
        && three_rate >= THREE_OF_ONE * one_rate
        && one_rate >= BY_HAND * by_hand
        && (!call.pagemap_scan || call.median_us < EMPTY_CALL_US);
    let void = if run.quick || quiet { "" } else { "VOID, this machine is not quiet: " };
    Ok(Verdict {
        holds: memory < MEMORY_MIB && (run.quick || (quiet && fast)),
        figure: format!(
            "{void}one host {one_rate:.0} events/s, {:.2} of the bare ceiling's {ceiling:.0}; three hosts {:.2} of one; \
             {:.0} times the consumer written by hand ({by_hand:.0}); a host's memory {memory:.0} MiB at most; an empty call \
             {:.1} µs",
            one_rate / ceiling,
            three_rate / one_rate,
            one_rate / by_hand,
            call.median_us
        ),
        bound: format!(
            "{OF_THE_CEILING} of the ceiling, three hosts {THREE_OF_ONE} of one, {BY_HAND} times by hand, {MEMORY_MIB} MiB, \
             {EMPTY_CALL_US} µs where the kernel has PAGEMAP_SCAN; void below {QUIET} for the ceiling and {QUIET_BY_HAND} by hand"
        ),
        details: json!({ "ways": WAYS.map(Way::name), "measures": found, "empty_call": call, "backlog": backlog.events }),
    })
}
