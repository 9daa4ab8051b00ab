//! Where the built components are: the six handlers and the behaviours that tests need.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths;

/// Two folders of components, each with one file `<name>.wasm` per component.
#[derive(Debug, Clone)]
pub struct Guests {
    /// The six handlers.
    pub handlers: PathBuf,
    /// The behaviours.
    pub behaviours: PathBuf,
}

impl Guests {
    /// Where `cargo xtask guests` puts them.
    pub fn built() -> Self {
        let target = paths::target();
        Self { handlers: target.join("handlers"), behaviours: target.join("behaviours") }
    }

    /// Puts components into a folder: some of the six handlers, or behaviours.
    pub fn put<'n>(&self, folder: &Path, names: impl IntoIterator<Item = &'n str>) -> Result<()> {
        names.into_iter().try_for_each(|name| {
            let file = format!("{name}.wasm");
            let places = [&self.handlers, &self.behaviours].map(|folder| folder.join(&file));
            let found = places.iter().find(|path| path.exists());
            copy(found.with_context(|| format!("{file} is not built: cargo xtask guests"))?, folder)
        })
    }

    /// Puts all six handlers into a folder.
    pub fn put_the_six(&self, folder: &Path) -> Result<()> {
        let there = fs::read_dir(&self.handlers).context("there are no handlers: cargo xtask guests")?;
        for entry in there {
            let file = entry?.path();
            if file.extension() == Some(OsStr::new("wasm")) {
                copy(&file, folder)?;
            }
        }
        Ok(())
    }
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a component has no name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}
