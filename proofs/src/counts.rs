//! What Weir has parked, counted.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use rig::instance::Instance;
use rig::python;

/// Parked deliveries that are alike.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) aggregate_type: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) handler: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) limit: Option<String>,
    pub(crate) count: u64,
    /// What one of them says.
    pub(crate) message: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    groups: Vec<Group>,
    wrong: u64,
    first: Vec<String>,
}

/// The parked deliveries; fails where one has not the form that it must have.
pub(crate) fn parked(instance: &Instance) -> Result<Vec<Group>> {
    let said = python::json(&instance.parts, "parked.py", &[&instance.environment.mongodb])?;
    let said: Said = serde_json::from_value(said).context("parked.py gave another form")?;
    if said.wrong > 0 {
        bail!("{} things are wrong with what is parked:\n  {}", said.wrong, said.first.join("\n  "));
    }
    Ok(said.groups)
}

/// Lines of the host's log that name a failed delivery, by handler and reason.
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
