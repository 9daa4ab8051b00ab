//! The cost of a call that does nothing, each in a fresh instance.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_core::call::Verdict;
use weir_core::event::Event;

use bench::guests;

const ROUNDS: usize = 30;
const CALLS: u32 = 2_000;

pub(crate) async fn run() -> Result<Value> {
    let engine = guests::engine()?;
    let handler = guests::empty(&engine).await?;
    let reader = guests::no_mongodb().await?;
    let event = Arc::new(Event {
        id: "6b0f1c6e-0000-4000-8000-000000000001".to_owned(),
        sequence: Some("42".to_owned()),
        event_type: "Test".to_owned(),
        aggregate_type: "User".to_owned(),
        aggregate_id: "u1".to_owned(),
        payload: "{}".to_owned(),
        created_at_ms: 1_700_000_000_123,
        row_created_at_us: None,
        headers: Vec::new(),
        columns: "{}".to_owned(),
        says_op: true,
    });
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        for _ in 0..CALLS {
            let run = handler.deliver(guests::call(&event, &reader)).await;
            ensure!(run.verdict == Verdict::Accepted, "the empty handler ended as {:?}", run.verdict);
        }
        rounds.push(begin.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
    }
    rounds.sort_by(f64::total_cmp);
    Ok(json!({
        "median_us": rounds[ROUNDS / 2], "least_us": rounds[0], "calls": ROUNDS * 2_000,
        "pagemap_scan": engine.pagemap_scan(),
    }))
}
