//! Builds the guests: the six handlers and the behaviours that tests need, one component each.
//!
//! They are built by separate runs of cargo, for WebAssembly and in the profile `guest`, so that nothing of the host is
//! rebuilt for them. A component that has not changed is not written again, because the host may know it by its digest.
//! A reader never sees a half-written component.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use rig::cargo::{cargo, cargo_in};
use rig::guests::Guests;

use crate::parts;

const TRIPLE: &str = "wasm32-wasip2";
const PROFILE: &str = "guest";
/// The package whose examples are the behaviours.
const BEHAVIOURS: &str = "behaviours";

/// Builds all guests.
pub(crate) fn build() -> Result<Guests> {
    let workspace = Workspace::read()?;
    let built = Guests::built();
    workspace.build(workspace.handlers.iter().flat_map(|name| ["--package", name.as_str()]))?;
    workspace.build(["--package", BEHAVIOURS, "--examples"])?;

    let compiled = workspace.target.join(TRIPLE).join(PROFILE);
    collect(&compiled, &workspace.handlers, &built.handlers, &BTreeSet::new())?;
    let behaviours = workspace.guests.join(BEHAVIOURS);
    let mut encoded = encode(&behaviours.join("wat"), &built.behaviours, |_, text| Ok(text.to_owned()))?;
    let frame = read(&behaviours.join("frame.wat"))?;
    encoded
        .extend(encode(&behaviours.join("parts"), &built.behaviours, |name, parts| parts::fill(&frame, name, parts))?);
    collect(&compiled.join("examples"), &workspace.behaviours, &built.behaviours, &encoded)?;
    Ok(built)
}

/// What cargo knows about the workspace.
struct Workspace {
    root: PathBuf,
    target: PathBuf,
    guests: PathBuf,
    handlers: Vec<String>,
    behaviours: Vec<String>,
}

impl Workspace {
    fn read() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("cargo metadata did not run")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata gave no JSON")?;
        let path = |key: &str| metadata[key].as_str().map(PathBuf::from).with_context(|| format!("no `{key}`"));
        let (root, target) = (path("workspace_root")?, path("target_directory")?);
        let guests = root.join("guest-handlers");

        let (mut handlers, mut behaviours) = (Vec::new(), Vec::new());
        for package in metadata["packages"].as_array().context("no `packages`")? {
            let manifest = Path::new(package["manifest_path"].as_str().context("no `manifest_path`")?);
            let name = package["name"].as_str().context("no `name`")?;
            if name == BEHAVIOURS {
                behaviours = names(package, "example")?;
            } else if manifest.starts_with(&guests) {
                handlers.push(name.to_owned());
            }
        }
        Ok(Self { root, target, guests, handlers, behaviours })
    }

    /// Runs cargo once for the packages or targets in `what`.
    fn build<'a>(&self, what: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let status = cargo_in(&self.root)
            .args(["build", "--target", TRIPLE, "--profile", PROFILE])
            .args(what)
            .status()
            .context("cargo build did not run")?;
        if !status.success() {
            bail!("the guests do not build; they need the target: rustup target add {TRIPLE}");
        }
        Ok(())
    }
}

/// Returns the names of a package's targets of one kind.
fn names(package: &Value, kind: &str) -> Result<Vec<String>> {
    let targets = package["targets"].as_array().context("no `targets`")?;
    let of_kind =
        targets.iter().filter(|target| target["kind"].as_array().is_some_and(|kinds| kinds.contains(&kind.into())));
    of_kind.map(|target| target["name"].as_str().map(str::to_owned).context("no `name`")).collect()
}

/// Puts the compiled components into `folder` under their names, and removes everything else there except `keep`.
fn collect(compiled: &Path, names: &[String], folder: &Path, keep: &BTreeSet<String>) -> Result<()> {
    for name in names {
        let from = compiled.join(format!("{}.wasm", name.replace('-', "_")));
        let bytes = fs::read(&from).with_context(|| format!("{} was not built", from.display()))?;
        write(folder, name, &bytes)?;
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let known = path
            .file_stem()
            .and_then(OsStr::to_str)
            .is_some_and(|stem| keep.contains(stem) || names.iter().any(|name| name == stem));
        if path.extension() == Some(OsStr::new("wasm")) && !known {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Encodes the components that are written as text, or as parts from which `whole` makes a text. Returns their names.
fn encode(texts: &Path, folder: &Path, whole: impl Fn(&str, &str) -> Result<String>) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(texts).with_context(|| format!("cannot read {}", texts.display()))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(OsStr::to_str).context("a text's name is not UTF-8")?;
        let text = whole(name, &read(&path)?).with_context(|| path.display().to_string())?;
        let bytes = wat::parse_str(&text).with_context(|| path.display().to_string())?;
        write(folder, name, &bytes)?;
        names.insert(name.to_owned());
    }
    Ok(names)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a component in one piece, unless it is already there.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = folder.join(format!("{name}.wasm"));
    if fs::read(&path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let unfinished = folder.join(format!("{name}.{}.tmp", process::id()));
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, &path))
        .with_context(|| format!("cannot write {}", path.display()))
}
