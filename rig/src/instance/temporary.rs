//! An instance for one command: fresh at the start and gone at the end, unless the command uses one that already runs.

use anyhow::Result;

use super::{Instance, Service, down, stop_all};
use crate::paths;

/// A fresh instance. Dropping it takes it down and wipes it, unless it should be kept.
pub struct Temporary {
    /// The running instance, which nothing else uses.
    pub instance: Instance,
    keep: bool,
}

impl Temporary {
    /// Removes what an earlier run has left under the name, and starts a fresh instance.
    pub fn up(name: &str, keep: bool) -> Result<Self> {
        Self::up_with(name, keep, &Service::ALL)
    }

    /// Returns the instance named by `shared`, if any, and starts those of its services that do not run. It stays up.
    /// Otherwise returns a fresh one.
    pub fn shared_or_fresh(shared: Option<&str>, own: &str, keep: bool, services: &[Service]) -> Result<Self> {
        let Some(name) = shared else { return Self::up_with(own, keep, services) };
        let temporary = Self { instance: Instance::open(name)?, keep: true };
        temporary.instance.up_with(services)?;
        Ok(temporary)
    }

    /// Returns a fresh instance with nothing started yet.
    pub fn fresh(name: &str, keep: bool) -> Result<Self> {
        Self::up_with(name, keep, &[])
    }

    /// The same as [`Self::up`] with some of the services.
    pub fn up_with(name: &str, keep: bool, services: &[Service]) -> Result<Self> {
        down(name, true)?;
        let temporary = Self { instance: Instance::open(name)?, keep };
        temporary.instance.up_with(services)?;
        Ok(temporary)
    }

    /// Starts a fresh MongoDB and nothing else. The machine need not have Java or Maven.
    pub fn mongod(name: &str, keep: bool) -> Result<Self> {
        down(name, true)?;
        let temporary = Self { instance: Instance::open_with_mongod(name)?, keep };
        temporary.instance.up_with(&[Service::Mongod])?;
        Ok(temporary)
    }

    fn remove(&self) -> Result<()> {
        stop_all(&self.instance.folder)?;
        paths::remove(&self.instance.folder)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = self.remove() {
            eprintln!("the instance {} was not cleaned up: {error:#}", self.instance.environment.instance);
        }
    }
}
