//! The time from a row's commit in PostgreSQL, on the disk, to its document at a majority of MongoDB, through the real
//! Debezium.

use anyhow::Result;
use serde_json::json;

use crate::run::Run;
use crate::verdict::Verdict;
use rig::instance::Service;
use rig::measure::figures::Latency;
use rig::measure::stage::Stage;
use rig::measure::{self, RATES};

const P50_MS: f64 = 25.0;
const P99_MS: f64 = 80.0;

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let stage = Stage::new(run.instance, run.pipeline().clone(), measure::programs(!run.quick)?, &run.handlers([])?)?;
    // The outbox came with the world. Its server restarts so that every commit is synced to the disk and its time is
    // kept.
    run.instance.make_durable();
    run.instance.stop(Service::Connect)?;
    run.instance.stop(Service::Postgres)?;
    run.instance.start(Service::Postgres)?;
    run.instance.start_worker()?;
    let mut found = Vec::new();
    for rate in RATES {
        let samples = if run.quick { rate * 2 } else { (rate * 60).max(3_000) };
        found.push(stage.latency(rate, samples)?);
    }
    let said = |latency: &Latency| {
        let (p50, p99) = (latency.within_ms(500), latency.within_ms(990));
        format!("at {:.0} events/s p50 {p50:.1} ms and p99 {p99:.1} ms of {} samples", latency.rate, latency.samples)
    };
    let fast = |latency: &Latency| latency.within_ms(500) < P50_MS && latency.within_ms(990) < P99_MS;
    Ok(Verdict {
        holds: run.quick || found.iter().all(fast),
        figure: found.iter().map(said).collect::<Vec<_>>().join("; "),
        bound: format!("p50 under {P50_MS} ms and p99 under {P99_MS} ms at each rate; no event is missing"),
        details: json!({ "latency": found }),
    })
}
