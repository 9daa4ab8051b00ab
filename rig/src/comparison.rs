//! What the model says about the documents in MongoDB. It shares no code with Weir.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::instance::Instance;
use crate::pipeline::Pipeline;
use crate::python;

/// The result of a comparison.
#[derive(Debug, Deserialize)]
pub struct Comparison {
    /// The outbox's rows by type.
    pub events: BTreeMap<String, u64>,
    /// The documents compared, by collection.
    pub documents: BTreeMap<String, u64>,
    /// The deliveries that the model says must be parked.
    pub parked: u64,
    differences: u64,
    first: Vec<String>,
    /// One document to look at.
    pub shown: Value,
}

/// Compares every document with what the outbox's rows must lead to. Fails with the first differences.
pub fn compare(instance: &Instance, pipeline: &Pipeline, since_ms: u128) -> Result<Comparison> {
    checked(instance, &pipeline.postgres, pipeline, since_ms)
}

/// The same for a file of records, in the databases of an embedded run.
pub fn compare_embedded(
    instance: &Instance,
    pipeline: &Pipeline,
    records: &Path,
    since_ms: u128,
) -> Result<Comparison> {
    let embedded = |name: &str| format!("{name}_embedded");
    let pipeline = Pipeline { data: embedded(&pipeline.data), own: embedded(&pipeline.own), ..pipeline.clone() };
    checked(instance, &records.to_string_lossy(), &pipeline, since_ms)
}

fn checked(instance: &Instance, source: &str, pipeline: &Pipeline, since_ms: u128) -> Result<Comparison> {
    let since_ms = since_ms.to_string();
    let arguments = [source, &pipeline.mongodb, &since_ms, &pipeline.data, &pipeline.own];
    let said = python::json(&instance.parts, "check.py", &arguments)?;
    let comparison: Comparison = serde_json::from_value(said).context("check.py gave another form")?;
    if comparison.differences > 0 {
        let first = comparison.first.join("\n  ");
        bail!("{} differences between the documents and the model:\n  {first}", comparison.differences);
    }
    Ok(comparison)
}

impl Comparison {
    /// Returns how many documents were compared.
    pub fn total(&self) -> u64 {
        self.documents.values().sum()
    }
}
