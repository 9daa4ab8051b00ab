//! What the records in Kafka must have led to, and what they did lead to.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::run::Run;
use rig::pipeline::Pipeline;
use rig::python;

/// The result of a comparison of every record with every document.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exactly {
    pub(crate) records: u64,
    pub(crate) repeated: u64,
    /// Events by type.
    pub(crate) events: BTreeMap<String, u64>,
    /// Documents of the six handlers by collection.
    pub(crate) documents: BTreeMap<String, u64>,
    pub(crate) tallies: Tallies,
    pub(crate) counters: Counters,
    pub(crate) parked: u64,
    pub(crate) differences: u64,
    first: Vec<String>,
}

/// What was counted and numbered for each aggregate.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tallies {
    pub(crate) aggregates: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) out_of_order: u64,
}

/// What was counted by reading a document and writing it back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub(crate) documents: u64,
    pub(crate) updates: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
}

/// Compares everything. Prints the first differences.
pub(crate) fn compare(run: &Run<'_>, pipeline: &Pipeline, since_ms: u128) -> Result<Exactly> {
    let Pipeline { kafka, mongodb, topic, data, own, .. } = pipeline;
    let arguments = [&**kafka, mongodb, topic, &since_ms.to_string(), data, own];
    let said = python::json(&run.instance.parts, "exactly.py", &arguments)?;
    let found: Exactly = serde_json::from_value(said).context("exactly.py wrote an unexpected form")?;
    for difference in &found.first {
        println!("  {difference}");
    }
    Ok(found)
}

impl Exactly {
    /// Returns the number of all events.
    pub(crate) fn total(&self) -> u64 {
        self.events.values().sum()
    }

    /// Returns whether everything is as it must be.
    pub(crate) fn holds(&self) -> bool {
        self.differences == 0 && self.parked == 0
    }

    /// Returns what was found, for people.
    pub(crate) fn figure(&self) -> String {
        let Tallies { aggregates, lost, doubled, out_of_order } = &self.tallies;
        format!(
            "{} events in {} records; of {aggregates} numbered aggregates {lost} effects lost, {doubled} doubled, \
             {out_of_order} out of order; {} documents of the six handlers compared, {} differences in all, {} parked",
            self.total(),
            self.records,
            self.documents.values().sum::<u64>(),
            self.differences,
            self.parked
        )
    }
}
