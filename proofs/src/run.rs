//! What a proof is given.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rig::guests::Guests;
use rig::instance::{Instance, TOPIC};
use rig::{paths, python, weir};
use serde_json::Value;

/// What a proof runs with: a fresh instance that is up.
pub(crate) struct Run<'a> {
    /// Whether the quick form is asked for.
    pub(crate) quick: bool,
    /// The components that were built.
    pub(crate) built: Guests,
    /// The services, up.
    pub(crate) instance: &'a Instance,
}

impl Run<'_> {
    /// Waits until Weir has accounted for that many changes of the outbox.
    pub(crate) fn settled(&self, changes: u64, limit: Duration) -> Result<Value> {
        let there = &self.instance.environment;
        let (changes, seconds) = (changes.to_string(), limit.as_secs().to_string());
        let arguments = [&there.kafka, &there.mongodb, weir::GROUP, TOPIC, &changes, &seconds];
        python::json(&self.instance.parts, "settled.py", &arguments)
    }

    /// A folder of the six handlers and some behaviours.
    pub(crate) fn handlers<'b>(&self, behaviours: impl IntoIterator<Item = &'b str>) -> Result<PathBuf> {
        let folder = self.instance.path("handlers");
        paths::remove(&folder)?;
        paths::make(&folder)?;
        for entry in fs::read_dir(&self.built.handlers).context("there are no handlers")? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "wasm") {
                copy(&file, &folder)?;
            }
        }
        for name in behaviours {
            copy(&self.built.behaviours.join(format!("{name}.wasm")), &folder)?;
        }
        Ok(folder)
    }
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a component has no name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}
