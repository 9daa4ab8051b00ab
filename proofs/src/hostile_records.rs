//! Records that nobody should have written, among good ones. Each becomes what an independent model says, none ends or
//! blocks the host, and the bytes of every one that is parked are kept.
//!
//! The model is `rig/python/records`. It makes a record and its expectation from one description.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rig::python;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hosts::Hosts;
use crate::run::Run;
use crate::verdict::Verdict;

/// The other columns that the model's records assume.
const OTHERS: &str = "attrs,amount,numbers,day,at_ms,at_us,at_ns,blob,label,list,extra";
/// The fewest hostile records and families that count as a proof.
const RECORDS: u64 = 400;
const FAMILIES: u64 = 12;
/// How long a host may take for all of them.
const LIMIT: Duration = Duration::from_mins(5);

/// One run on a topic of its own.
struct Round {
    partitions: u16,
    /// How often each record comes, each time with another id.
    copies: u64,
    /// Decides the order.
    seed: u64,
    large_bytes: u64,
    /// The most events in a batch.
    batch: &'static str,
}

const QUICK: [Round; 1] = [Round { partitions: 3, copies: 1, seed: 1, large_bytes: 1 << 18, batch: "2000" }];
const FULL: [Round; 4] = [
    Round { partitions: 3, copies: 1, seed: 2, large_bytes: 5 << 20, batch: "2000" },
    Round { partitions: 1, copies: 1, seed: 3, large_bytes: 1 << 18, batch: "1" },
    Round { partitions: 12, copies: 4, seed: 4, large_bytes: 1 << 18, batch: "500" },
    Round { partitions: 2, copies: 2, seed: 5, large_bytes: 1 << 20, batch: "7" },
];

/// A topic, and the prefix of all other names.
#[derive(Debug, Deserialize)]
struct Made {
    name: String,
    topic: String,
}

/// What was written.
#[derive(Debug, Deserialize, Serialize)]
struct Written {
    records: u64,
    hostile: u64,
    families: u64,
}

/// What became of the records.
#[derive(Debug, Deserialize, Serialize)]
struct Judged {
    checked: serde_json::Map<String, Value>,
    wrong: Vec<String>,
}

/// A finished round.
#[derive(Debug, Serialize)]
struct Done {
    written: Written,
    judged: Judged,
    /// The time from the start of the host, which reads while records are written, until all are accounted for.
    seconds: f64,
}

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let rounds: &[Round] = if run.quick { &QUICK } else { &FULL };
    let mut done = Vec::new();
    for (number, round) in rounds.iter().enumerate() {
        done.push(one(run, number, round).with_context(|| format!("round {}", number + 1))?);
    }
    let wrong: Vec<&String> = done.iter().flat_map(|round| &round.judged.wrong).collect();
    for each in wrong.iter().take(20) {
        println!("  {each}");
    }
    let enough = |round: &Done| round.written.hostile >= RECORDS && round.written.families >= FAMILIES;
    let sum = |of: fn(&Written) -> u64| done.iter().map(|round| of(&round.written)).sum::<u64>();
    Ok(Verdict {
        holds: wrong.is_empty() && done.iter().all(enough),
        figure: format!(
            "{} hostile records of {} families among {} in all, in {} orders: {} things were wrong; the host went on",
            sum(|written| written.hostile),
            done.iter().map(|round| round.written.families).min().unwrap_or_default(),
            sum(|written| written.records),
            done.len(),
            wrong.len()
        ),
        bound: format!(
            "at least {RECORDS} of {FAMILIES} families in each order, each as the model says, within {} s, and none else \
             changed",
            LIMIT.as_secs()
        ),
        details: json!({ "rounds": done }),
    })
}

fn one(run: &Run<'_>, number: usize, round: &Round) -> Result<Done> {
    let call = |what: &str, settings: &Value| {
        python::json(&run.instance.parts, "hostile_records.py", &[what, &settings.to_string()])
    };
    let there = &run.instance.environment;
    let mut settings = json!({
        "kafka": there.kafka, "mongodb": there.mongodb, "partitions": round.partitions, "copies": round.copies,
        "seed": round.seed, "large_bytes": round.large_bytes, "seconds": LIMIT.as_secs(),
        "file": run.instance.path(&format!("hostile-records-{number}.jsonl")),
    });
    let Made { name, topic } = serde_json::from_value(call("topic", &settings)?)?;
    let (group, data, own) = (format!("{name}-group"), format!("{name}_data"), format!("{name}_weir"));
    let environment = vec![
        ("KAFKA_TOPIC", topic.clone()),
        ("KAFKA_GROUP_ID", group.clone()),
        ("MONGODB_DATABASE", data.clone()),
        ("WEIR_DATABASE", own.clone()),
        ("OUTBOX_OTHER_COLUMNS", OTHERS.to_owned()),
        ("PROCESSING_BATCH_SIZE", round.batch.to_owned()),
    ];
    let begun = Instant::now();
    let mut hosts = Hosts::new(run, run.handlers(["echo", "verbatim"])?, 1, environment)?;
    hosts.up()?;
    let more =
        json!({ "topic": topic, "group": group, "data": data, "own": own, "admin": hosts.all[0].weir()?.admin() });
    settings.as_object_mut().context("settings are an object")?.extend(more.as_object().cloned().unwrap_or_default());
    let written = call("write", &settings)?;
    let waited = call("wait", &settings);
    // If one has ended, that is the reason why nothing moves.
    hosts.alive()?;
    waited?;
    let seconds = begun.elapsed().as_secs_f64();
    let judged = call("judge", &settings)?;
    hosts.stop()?;
    Ok(Done { written: serde_json::from_value(written)?, judged: serde_json::from_value(judged)?, seconds })
}
