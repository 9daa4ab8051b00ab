//! Hosts are killed again and again, and one record in twenty comes twice, yet every effect is there once and in order.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::hosts::Hosts;
use crate::load::{Amount, Load, Mix};
use crate::run::Run;
use crate::verdict::Verdict;
use crate::{deaths, exactly, hosts};
use rig::clock;

const PATIENCE: Duration = Duration::from_mins(2);
/// Few events per batch, so that many batches are open when hosts die.
const BATCH: &str = "100";

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    // Two kills cannot strike at every point.
    let (kills, lag) = if run.quick { (2, 30) } else { (200, 150) };
    let since = clock::now_ms();
    let mut load = Load::start(run, run.pipeline(), Amount { mix: Mix::Tallied, lag, events: 0, seed: 21 })?;
    let settings = vec![("PROCESSING_BATCH_SIZE", BATCH.to_owned())];
    let mut hosts = Hosts::new(run, run.handlers(["tallies"])?, hosts::several(run.quick), settings)?;
    let deaths = deaths::kill(&mut hosts, &mut load, kills, 22)?;
    println!("  {} kills in {:.0} s: {:?}", deaths.total(), deaths.seconds, deaths.by_point);

    load.stop()?;
    let state = load.settled(run, PATIENCE, || hosts.alive())?;
    hosts.stop()?;
    let found = exactly::compare(run, run.pipeline(), since)?;
    Ok(Verdict {
        holds: found.holds() && found.repeated == state.repeated && found.total() == state.events,
        figure: format!("{} kills; {}", deaths.total(), found.figure()),
        bound: format!("{kills} kills, all with records left; nothing lost, doubled, out of order or parked"),
        details: json!({
            "kills": deaths.by_point,
            "kills_seconds": deaths.seconds,
            "most_claims_without_commit": deaths.claims_in_vain,
            "failpoints_taken_away": deaths.disarmed,
            "commits": state.commits(),
            "sent": { "events": state.events, "repeated": state.repeated },
            "found": found,
        }),
    })
}
