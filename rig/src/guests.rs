//! Where the built components are: the six handlers and the behaviours that tests need.

use std::path::PathBuf;

use crate::paths;

/// Two folders of components, a file `<name>.wasm` each.
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
}
