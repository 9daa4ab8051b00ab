//! Kafka, and then MongoDB, is stopped while rows come in.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::counts;
use crate::run::Run;
use crate::verdict::Verdict;
use rig::instance::Service;
use rig::progress::Progress;
use rig::rows::Rows;
use rig::weir::{Stats, Weir};
use rig::{clock, comparison, interrupt};

const RATE: u64 = 100;
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let away = Duration::from_secs(if run.quick { 3 } else { 60 });
    let around = Duration::from_secs(if run.quick { 1 } else { 15 });

    let since = clock::now_ms();
    let weir = run.host(&run.handlers([])?)?;
    let mut progress = Progress::default();
    let mut inserted = 0;
    let mut outages = Vec::new();
    for (service, seed) in [(Service::Kafka, 11), (Service::Mongod, 12)] {
        // Rows come in before, during and after the outage, and while the service restarts.
        let events = (2 * around + away).as_secs() * RATE + if run.quick { 200 } else { 3_000 };
        let mut rows = Rows::insert(run.instance, run.pipeline(), events, RATE, seed)?;
        watch(&weir, &mut rows, around, &mut progress)?;
        outages.push(outage(run, service, away, &weir, &mut rows, &mut progress)?);
        while !rows.done()? {
            watch(&weir, &mut rows, Duration::from_millis(500), &mut progress)?;
        }
        inserted += events;
    }
    let events = inserted;
    let stats = weir.settled(events, PATIENCE, &mut progress)?;
    let records = run.settled(events, PATIENCE)?;

    weir.stop()?;

    let compared = comparison::compare(run.instance, run.pipeline(), since)?;
    let parked = counts::parked(run)?;
    ensure!(parked.is_empty(), "deliveries were parked: {}", serde_json::to_string(&parked)?);
    ensure!(stats.total_errors == 0, "weir counts {} errors", stats.total_errors);
    Ok(Verdict {
        holds: true,
        figure: format!(
            "{events} rows, {} documents equal to the model, 0 deliveries parked or dead; {} s without Kafka and {} s \
             without MongoDB",
            compared.total(),
            away.as_secs(),
            away.as_secs()
        ),
        bound: "every document equal, no attempt counted".to_owned(),
        details: json!({ "outages": outages, "records": records, "documents": compared.documents }),
    })
}

/// Stops a service for a while, restarts it, and waits until events are accounted for again.
fn outage(
    run: &Run<'_>,
    service: Service,
    away: Duration,
    weir: &Weir,
    rows: &mut Rows,
    progress: &mut Progress,
) -> Result<Value> {
    let inserted = rows.inserted();
    progress.done();
    println!("  stopping {service:?}");
    run.instance.stop(service)?;
    // Events that were in flight when the service went away may still be counted.
    watch(weir, rows, Duration::from_secs(1), progress)?;
    let before = weir.stats()?.total_processed;
    watch(weir, rows, away.saturating_sub(Duration::from_secs(1)), progress)?;
    let during = rows.inserted() - inserted;
    ensure!(during > 0, "no rows came in while {service:?} was away: the proof shows nothing");
    let at_end = weir.stats()?.total_processed;
    progress.done();
    println!("  starting {service:?}; {during} rows came in during the outage");
    let begin = Instant::now();
    run.instance.start(service)?;
    let started = begin.elapsed().as_secs_f64();
    while weir.stats()?.total_processed <= at_end {
        ensure!(
            begin.elapsed() < PATIENCE,
            "nothing was processed within {} s after {service:?} was back",
            PATIENCE.as_secs()
        );
        watch(weir, rows, Duration::from_millis(200), progress)?;
    }
    weir.ready(PATIENCE)?;
    Ok(json!({
        "rows_meanwhile": during,
        "processed_meanwhile": at_end - before,
        "started_after_seconds": started,
        "processing_after_seconds": begin.elapsed().as_secs_f64(),
    }))
}

/// Shows what happens for a while. Fails if the host or the generator has ended.
fn watch(weir: &Weir, rows: &mut Rows, duration: Duration, progress: &mut Progress) -> Result<Stats> {
    let end = Instant::now() + duration;
    loop {
        rows.done()?;
        let stats = weir.stats()?;
        progress.show(&stats.lines(rows.inserted()));
        if Instant::now() >= end {
            return Ok(stats);
        }
        interrupt::sleep(Duration::from_millis(200).min(end.saturating_duration_since(Instant::now())))?;
    }
}
