//! Copies the contract to the packages that need a copy of their own, because a package cannot reach outside itself.
//! People edit only `wit/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use rig::paths;

/// The folders that hold a copy, from the repository's root.
const COPIES: &[&str] = &["sdk/rust/wit"];

/// Whether to copy the contract or only to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only compare, and fail if a copy differs.
    #[arg(long)]
    check: bool,
}

/// Copies the contract, or compares.
pub(crate) fn run(args: &Args) -> Result<()> {
    sync(&paths::root(), args.check)
}

fn sync(root: &Path, check: bool) -> Result<()> {
    let contract = files(&root.join("wit"))?;
    for copy in COPIES.iter().map(|copy| root.join(copy)) {
        let there = if copy.exists() { files(&copy)? } else { Vec::new() };
        if there == contract {
            continue;
        }
        if check {
            bail!("{} differs from the contract in wit/: run cargo xtask sync-wit", copy.display());
        }
        if copy.exists() {
            fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
        }
        for (name, text) in &contract {
            let path = copy.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&copy))
                .and_then(|()| fs::write(&path, text))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// Returns the files under a folder in order, by their paths within it.
fn files(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).with_context(|| format!("cannot read {}", current.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                found.push((path.strip_prefix(folder)?.to_owned(), text));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_differs_is_found_and_mended() -> Result<()> {
        let root = std::env::temp_dir().join(format!("weir-sync-wit-{}", std::process::id()));
        let copy = root.join(COPIES[0]);
        fs::create_dir_all(root.join("wit/deps"))?;
        fs::create_dir_all(&copy)?;
        fs::write(root.join("wit/handler.wit"), "package a:b;")?;
        fs::write(root.join("wit/deps/more.wit"), "package c:d;")?;
        fs::write(copy.join("stale.wit"), "package e:f;")?;

        let error = sync(&root, true).expect_err("the copy differs").to_string();
        assert!(error.contains("sync-wit"), "{error}");
        sync(&root, false)?;
        sync(&root, true)?;
        assert!(copy.join("deps/more.wit").exists() && !copy.join("stale.wit").exists());
        fs::remove_dir_all(&root)?;
        Ok(())
    }
}
