//! Handlers from a folder: every `.wasm` in it, named after its file.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::ceiling;
use crate::config::{Settings, is_handler_name};
use weir_sandbox::{Engine, Handler, LoadError, MOST_FILE_BYTES, at_most_file_bytes};

/// Why a folder's handlers cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be read.
    #[error("HANDLERS is {}, which cannot be read as a folder: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file in it cannot be read.
    #[error("HANDLERS: {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file whose name is not a handler's.
    #[error("HANDLERS: {} is no handler's name\nhint: take 1 to 63 of a to z, 0 to 9, - and _", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// Two files that mean the same handler.
    #[error(
        "HANDLERS: {} and {} are both the handler {name}\nhint: remove one of them", first.display(), second.display()
    )]
    Twice {
        /// The handler.
        name: String,
        /// One of the files.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A handler that asks for more than its operator allows.
    #[error(
        "HANDLERS: {} asks for more than it may have: {beyond}\nhint: allow it in [handlers.{name}] of weir.toml, or take \
         a component that asks for less",
        path.display()
    )]
    Ceiling {
        /// The handler.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What it asks for beyond its ceiling.
        beyond: String,
    },
    /// A component that may not run here.
    #[error("HANDLERS: {} is refused: {source}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why it is refused.
        source: Box<LoadError>,
    },
    /// There is nothing to run.
    #[error("HANDLERS is {}, which holds no .wasm: every event would be passed over for good", folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// Limits for a handler that does not exist.
    #[error("weir.toml: [handlers.{name}] names a handler that {} does not hold", folder.display())]
    Unknown {
        /// The name in `weir.toml`.
        name: String,
        /// The folder.
        folder: PathBuf,
    },
}

impl Error {
    /// Returns whether a setting is wrong, and not a component.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        matches!(self, Self::Folder { .. } | Self::Unknown { .. })
    }
}

/// Loads every `.wasm` of the folder, in the order of their names. One that is refused stops the start, because going
/// on without it would skip its events permanently.
///
/// # Errors
/// The first file that is refused, and why.
pub async fn read(engine: &Engine, settings: &Settings) -> Result<Vec<Handler>, Error> {
    let folder = &settings.handlers;
    let mut handlers: Vec<Handler> = Vec::new();
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    let paths = components(folder)?;
    let of = paths.len();
    for (number, path) in (1..).zip(paths) {
        let name = name_of(&path)?;
        if let Some(first) = files.insert(name.clone(), path.clone()) {
            return Err(Error::Twice { name, first, second: path });
        }
        tracing::info!(handler = name, number, of, "handler_loading");
        handlers.push(load(engine, settings, name, path).await?);
    }
    if handlers.is_empty() {
        return Err(Error::Empty { folder: folder.clone() });
    }
    let unknown = settings.handler_settings.keys().find(|name| handlers.iter().all(|handler| handler.name() != *name));
    match unknown {
        Some(name) => Err(Error::Unknown { name: name.clone(), folder: folder.clone() }),
        None => Ok(handlers),
    }
}

/// Loads one file, if it is small enough to be read and asks for no more than it may have.
async fn load(engine: &Engine, settings: &Settings, name: String, path: PathBuf) -> Result<Handler, Error> {
    let refused = |source| Error::Refused { path: path.clone(), source: Box::new(source) };
    let unreadable = |source| Error::Unreadable { path: path.clone(), source };
    let wasm = contents(&path).await.map_err(unreadable)?;
    at_most_file_bytes(wasm.len() as u64).map_err(|reason| refused(LoadError { handler: name.clone(), reason }))?;
    let limits = settings.limits_of(&name).clone();
    let handler = engine.load(&name, &wasm, limits).await.map_err(refused)?;
    match ceiling::exceeded(&settings.ceiling_of(&name), handler.description()) {
        Some(beyond) => Err(Error::Ceiling { name, path, beyond }),
        None => Ok(handler),
    }
}

/// What the file holds, or a little more than a component may have of it. A pipe or a device has no end and perhaps no
/// beginning, so only a file is opened.
async fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    let path = path.to_owned();
    let read = move || {
        if !std::fs::metadata(&path)?.is_file() {
            return Err(std::io::Error::other("it is not a file"));
        }
        let mut wasm = Vec::new();
        std::fs::File::open(&path)?.take(MOST_FILE_BYTES + 1).read_to_end(&mut wasm)?;
        Ok(wasm)
    };
    tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)?
}

fn components(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Folder { folder: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Returns the handler's name: its file's, in which cargo writes `_` for each `-` of a crate's name.
fn name_of(path: &Path) -> Result<String, Error> {
    path.file_stem()
        .and_then(|name| name.to_str())
        .map(|name| name.replace('_', "-"))
        .filter(|name| is_handler_name(name))
        .ok_or_else(|| Error::Name { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handlers_name_is_its_files() {
        for file in ["x/user-created.wasm", "x/user_created.wasm"] {
            assert_eq!(name_of(Path::new(file)).expect(file), "user-created");
        }
        for name in ["x/User.wasm", "x/a.b.wasm", "x/ü.wasm", "x/a b.wasm"] {
            assert!(name_of(Path::new(name)).is_err(), "{name}");
        }
        assert!(name_of(Path::new(&format!("{}.wasm", "a".repeat(64)))).is_err());
    }
}
