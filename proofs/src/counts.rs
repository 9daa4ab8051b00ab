//! Counts of what Weir has parked.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use bson::{Bson, Document, doc};
use rig::clients;
use serde::Serialize;

use crate::run::Run;

/// Parked deliveries that are alike.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    pub(crate) aggregate_type: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) handler: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) limit: Option<String>,
    pub(crate) count: u64,
    /// The message of one of them.
    pub(crate) message: Option<String>,
}

/// What a parked delivery must have, whatever the reason.
const MEMBERS: [&str; 15] = [
    "group",
    "handler.id",
    "handler.name",
    "handler.generation",
    "handler.version",
    "line",
    "aggregate_id",
    "event_id",
    "event_type",
    "state",
    "reason",
    "message",
    "attempts",
    "log",
    "record",
];

/// Returns the parked deliveries. Fails if one lacks something, or if its record is not kept.
pub(crate) fn parked(run: &Run<'_>) -> Result<Vec<Group>> {
    let records: BTreeSet<String> = documents(run, "records")?.iter().filter_map(|each| key(each.get("_id"))).collect();
    let mut groups: BTreeMap<[Option<String>; 6], Group> = BTreeMap::new();
    let mut wrong = Vec::new();
    for document in documents(run, "parked")? {
        wrong.extend(flaws(&document, &records));
        let text = |path: &str| value(&document, path).and_then(Bson::as_str).map(str::to_owned);
        let kind = ["aggregate_type", "event_type", "handler.name", "state", "reason", "limit"].map(text);
        let [aggregate_type, event_type, handler, state, reason, limit] = kind.clone();
        let message = text("message");
        let new = || Group { aggregate_type, event_type, handler, state, reason, limit, count: 0, message };
        groups.entry(kind).or_insert_with(new).count += 1;
    }
    if !wrong.is_empty() {
        let first = wrong.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n  ");
        bail!("{} things are wrong with what is parked:\n  {first}", wrong.len());
    }
    Ok(groups.into_values().collect())
}

fn documents(run: &Run<'_>, collection: &str) -> Result<Vec<Document>> {
    run.block(clients::find(&run.world.own(collection), doc! {}))
}

/// Returns what a parked delivery lacks.
fn flaws(document: &Document, records: &BTreeSet<String>) -> Vec<String> {
    let is_missing = |path: &&str| value(document, path).is_none_or(|value| *value == Bson::Null);
    let mut found: Vec<String> =
        MEMBERS.iter().filter(|path| is_missing(path)).map(|path| format!("has no {path}")).collect();
    if document.get("holds") != Some(&Bson::Boolean(false)) {
        found.push(format!("holds is {:?} instead of false", document.get("holds")));
    }
    let attempts = document.get_array("attempts").map_or(0, Vec::len);
    if attempts != 1 {
        found.push(format!("has {attempts} attempts instead of one"));
    }
    if key(document.get("record")).is_none_or(|key| !records.contains(&key)) {
        found.push("its raw record is not kept".to_owned());
    }
    found.iter().map(|flaw| format!("event {:?}: {flaw}", document.get("event_id"))).collect()
}

fn value<'d>(document: &'d Document, path: &str) -> Option<&'d Bson> {
    match path.split_once('.') {
        None => document.get(path),
        Some((first, rest)) => value(document.get(first)?.as_document()?, rest),
    }
}

/// Returns a value in a form that can be compared, whatever the order of its members.
fn key(value: Option<&Bson>) -> Option<String> {
    match value? {
        Bson::Document(document) => {
            let members: BTreeMap<&String, String> =
                document.iter().map(|(name, value)| (name, value.to_string())).collect();
            Some(format!("{members:?}"))
        }
        other => Some(other.to_string()),
    }
}

/// Counts the lines of the host's log that name a failed delivery, by handler and reason.
pub(crate) fn logged(log: &str) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("\"delivery_failed\"")) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        if let (Some(handler), Some(reason)) = (line["handler"].as_str(), line["reason"].as_str()) {
            *counts.entry((handler.to_owned(), reason.to_owned())).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::logged;

    #[test]
    fn only_failed_deliveries_are_counted() {
        let log = r#"{"event":"delivery_failed","handler":"spins","reason":"fuel"}
{"event":"delivery_failed","handler":"spins","reason":"fuel"}
{"event":"delivery_skipped","handler":"spins","reason":"fuel"}
no json with "delivery_failed" in it
{"event":"delivery_failed","handler":"panics","reason":"trap"}"#;
        let counts: Vec<_> = logged(log).into_iter().collect();
        let expected = [(("panics", "trap"), 1), (("spins", "fuel"), 2)];
        let expected = expected.map(|((handler, reason), count)| ((handler.to_owned(), reason.to_owned()), count));
        assert_eq!(counts, expected);
    }
}
