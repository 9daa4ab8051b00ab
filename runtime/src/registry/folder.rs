//! Handlers from a folder: every `.wasm` of it, by the file's name.

use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::sandbox::{Engine, Handler, LoadError};

/// The longest name of a handler.
const LONGEST_NAME: usize = 63;

/// Why a folder's handlers cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or a file in it cannot be read.
    #[error("HANDLERS: {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file whose name is no handler's.
    #[error("HANDLERS: {} is no handler's name: take 1 to 63 of a to z, 0 to 9 and -", path.display())]
    Name {
        /// Which file.
        path: PathBuf,
    },
    /// A component that may not run here.
    #[error("HANDLERS: {} is refused: {source}", path.display())]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<LoadError>,
    },
    /// Nothing to run.
    #[error("HANDLERS: {} holds no .wasm: events would be passed for good, since nobody wants them", folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// Limits for a handler that is not there.
    #[error("weir.toml: [handlers.{name}] names a handler that {} does not hold", folder.display())]
    Unknown {
        /// The name in `weir.toml`.
        name: String,
        /// The folder.
        folder: PathBuf,
    },
}

/// Loads every `.wasm` of the folder, in the order of their names. One that is refused stops the start: to go on
/// without it would pass its events for good.
///
/// # Errors
/// The first file that is refused, and why.
pub async fn read(engine: &Engine, settings: &Settings) -> Result<Vec<Handler>, Error> {
    let folder = &settings.handlers;
    let mut handlers = Vec::new();
    for path in components(folder)? {
        let name = name_of(&path)?;
        let wasm = std::fs::read(&path).map_err(|source| Error::Unreadable { path: path.clone(), source })?;
        let limits = settings.limits_of(name).clone();
        let handler = engine
            .load(name, &wasm, limits)
            .await
            .map_err(|source| Error::Refused { path: path.clone(), source: Box::new(source) })?;
        handlers.push(handler);
    }
    if handlers.is_empty() {
        return Err(Error::Empty { folder: folder.clone() });
    }
    let unknown = settings.handler_limits.keys().find(|name| handlers.iter().all(|handler| handler.name() != *name));
    match unknown {
        Some(name) => Err(Error::Unknown { name: name.clone(), folder: folder.clone() }),
        None => Ok(handlers),
    }
}

fn components(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Unreadable { path: folder.to_owned(), source };
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

fn name_of(path: &Path) -> Result<&str, Error> {
    path.file_stem()
        .and_then(|name| name.to_str())
        .filter(|name| {
            (1..=LONGEST_NAME).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
        .ok_or_else(|| Error::Name { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handlers_name_is_its_files() {
        assert!(matches!(name_of(Path::new("x/user-created.wasm")), Ok("user-created")));
        for name in ["x/User.wasm", "x/user_created.wasm", "x/ü.wasm", "x/a b.wasm"] {
            assert!(name_of(Path::new(name)).is_err(), "{name}");
        }
        assert!(name_of(Path::new(&format!("{}.wasm", "a".repeat(64)))).is_err());
    }
}
