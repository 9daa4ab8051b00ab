//! The handler of an installation that a call is for.

use std::fmt;
use std::sync::Arc;

/// A handler as the ledger knows it. It is the same for all versions of the handler.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HandlerKey {
    /// The internal id, as text. Random bytes and derived `_id`s depend on it.
    pub id: Arc<str>,
    /// The generation. Random bytes depend on it. Derived `_id`s do not, so a rebuild gives the same documents.
    pub generation: u32,
    /// The installation that it belongs to. Random bytes and derived `_id`s depend on it.
    pub installation: Installation,
}

/// The source whose ids are derived without its name, as they were before there were several sources.
const DEFAULT_SOURCE: &str = "default";

/// Keeps the random bytes and the derived ids of one installation and outbox apart from those of others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Installation {
    secret: [u8; 32],
    source: Arc<str>,
}

impl Installation {
    /// Creates the installation with this secret, for the events of one outbox.
    #[must_use]
    pub fn new(secret: [u8; 32], source: &str) -> Self {
        Self { secret, source: Arc::from(source) }
    }

    /// Returns the secret.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        self.secret
    }

    /// Returns the outbox.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the outbox if derived ids depend on it.
    #[must_use]
    pub fn source_of_ids(&self) -> Option<&str> {
        Some(self.source()).filter(|source| *source != DEFAULT_SOURCE)
    }
}

impl Default for Installation {
    /// An installation without a secret, for deliveries that no installation makes.
    fn default() -> Self {
        Self::new([0; 32], DEFAULT_SOURCE)
    }
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation").field("source", &self.source).finish_non_exhaustive()
    }
}
