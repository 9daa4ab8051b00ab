//! A handler that reads a document, changes it and writes it back loses no update. The reference mix needs no
//! transaction for a single event.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::hosts::Hosts;
use crate::load::{Amount, Load, Mix};
use crate::run::Run;
use crate::verdict::Verdict;
use crate::{deaths, exactly, hosts};
use rig::{clock, interrupt};

const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let (least, kills, after) = if run.quick { (500, 1, 200) } else { (50_000, 20, 10_000) };
    let since = clock::now_ms();
    let lag = if run.quick { 20 } else { 100 };
    let mut load = Load::start(run, run.pipeline(), Amount { mix: Mix::Counters, lag, events: 0, seed: 41 })?;
    let settings = vec![("PROCESSING_BATCH_SIZE", "50".to_owned())];
    let mut hosts = Hosts::new(run, run.handlers(["counter"])?, hosts::several(run.quick), settings)?;
    let deaths = deaths::kill(&mut hosts, &mut load, kills, 42)?;
    println!("  {} kills in {:.0} s: {:?}", deaths.total(), deaths.seconds, deaths.by_point);
    hosts.ready()?;
    while load.state()?.events < least {
        hosts.alive()?;
        interrupt::sleep(Load::STEP)?;
    }
    load.stop()?;
    let state = load.settled(run, PATIENCE, || hosts.alive())?;
    drop(load);

    let amount = Amount { mix: Mix::Reference, lag: 100, events: after, seed: 43 };
    Load::start(run, run.pipeline(), amount)?.settled(run, PATIENCE, || hosts.alive())?;
    let (mut deliveries, mut escalated) = (0.0, 0.0);
    for host in &hosts.all {
        let of_the_six = |name: &str| -> Result<f64> {
            let counts = host.weir()?.metrics(name)?;
            Ok(counts.iter().filter(|(handler, _)| *handler != "counter").map(|(_, count)| count).sum())
        };
        deliveries += of_the_six("weir_deliveries_total")?;
        escalated += of_the_six("weir_escalations_total")?;
    }
    hosts.stop()?;
    let found = exactly::compare(run, run.pipeline(), since)?;
    #[allow(clippy::cast_precision_loss, reason = "counts of this size are whole numbers of a double")]
    let wanted = after as f64;
    ensure!(deliveries >= wanted, "the hosts count {deliveries} deliveries of the reference mix, of {after} events");
    let exactly::Counters { documents, updates, lost, doubled } = &found.counters;
    Ok(Verdict {
        holds: found.holds() && *updates == state.events && escalated == 0.0,
        figure: format!(
            "{updates} updates of {documents} documents by reading and writing back, {lost} lost and {doubled} doubled, \
             with {} kills; {escalated} of {deliveries} deliveries of the reference mix escalated",
            deaths.total()
        ),
        bound: format!("at least {least} updates, 0 lost, 0 doubled; 0 escalated"),
        details: json!({
            "kills": deaths.by_point,
            "kills_seconds": deaths.seconds,
            "most_claims_without_commit": deaths.claims_in_vain,
            "reference": { "deliveries": deliveries, "escalated": escalated },
            "found": found,
        }),
    })
}
