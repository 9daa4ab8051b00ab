//! Where things are: the repository, what cargo builds, and the cache outside the clone.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

/// Returns the repository's root. It belongs to the package for which cargo runs this program, or else to the clone
/// that the program was built in, because clones that share a target directory also share one build of this program.
pub fn root() -> PathBuf {
    let run = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let is_root = |folder: &&Path| folder.join("rig/python").is_dir();
    let root = run.as_deref().and_then(|package| package.ancestors().find(is_root));
    let built = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.or_else(|| built.parent()).unwrap_or(built).to_owned()
}

/// Returns the folder that cargo builds into: `CARGO_TARGET_DIR`, or else `target`.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The binary `weir`.
pub fn weir() -> PathBuf {
    target().join("debug/weir")
}

/// A binary of the release build.
pub fn release(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// A binary of the ordinary build.
pub fn debug(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// The simulation of this build.
pub fn simulation() -> PathBuf {
    target().join("debug/simulation")
}

/// Where hosts of tests and proofs keep compiled handlers.
pub fn handlers_cache() -> PathBuf {
    target().join("handlers-cache")
}

/// A script beside this package's sources.
pub fn script(name: &str) -> PathBuf {
    root().join("rig/python").join(name)
}

/// Returns the cache: `WEIR_CACHE`, or else `/var/cache/weir` for root, or else `weir` in the user's cache folder.
/// Makes it if it is missing, and refuses it if root's PostgreSQL user could not reach it.
pub fn cache() -> Result<PathBuf> {
    let folder = if let Some(folder) = env::var_os("WEIR_CACHE").filter(|folder| !folder.is_empty()) {
        PathBuf::from(folder)
    } else if Uid::effective().is_root() {
        PathBuf::from("/var/cache/weir")
    } else if let Some(folder) = env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Path::new(&folder).join("weir")
    } else {
        let home = env::var_os("HOME").context("no cache folder: set WEIR_CACHE or HOME")?;
        Path::new(&home).join(".cache/weir")
    };
    make(&folder)?;
    let folder = folder.canonicalize()?;
    if Uid::effective().is_root() {
        for part in folder.ancestors() {
            if fs::metadata(part)?.permissions().mode() & 0o001 == 0 {
                bail!(
                    "the cache {} cannot be reached by the user that PostgreSQL runs as, because of {}: set WEIR_CACHE \
                     to a folder that everybody may enter",
                    folder.display(),
                    part.display()
                );
            }
        }
    }
    Ok(folder)
}

/// Makes a folder and those above it.
pub fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Removes a folder or file if it exists.
pub fn remove(path: &Path) -> Result<()> {
    let done = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
