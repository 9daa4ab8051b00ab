//! An instance for one command: fresh at the start and gone at the end, unless the command is told to use one that runs.

use anyhow::Result;

use super::{Instance, Service, down, stop_all};
use crate::paths;

/// A fresh instance that is taken down and wiped when the value goes, unless it is to be kept.
pub struct Temporary {
    /// Up, and nobody else's.
    pub instance: Instance,
    keep: bool,
}

impl Temporary {
    /// Removes what an earlier run has left under the name, and starts anew.
    pub fn up(name: &str, keep: bool) -> Result<Self> {
        Self::up_with(name, keep, &Service::ALL)
    }

    /// The instance of that name if one is given, with what does not run yet started; it stays up. Otherwise a fresh one.
    pub fn shared_or_fresh(shared: Option<&str>, own: &str, keep: bool, services: &[Service]) -> Result<Self> {
        let Some(name) = shared else { return Self::up_with(own, keep, services) };
        let temporary = Self { instance: Instance::open(name)?, keep: true };
        temporary.instance.up_with(services)?;
        Ok(temporary)
    }

    /// The same with nothing started yet.
    pub fn fresh(name: &str, keep: bool) -> Result<Self> {
        Self::up_with(name, keep, &[])
    }

    /// The same with some of the services.
    pub fn up_with(name: &str, keep: bool, services: &[Service]) -> Result<Self> {
        down(name, true)?;
        let temporary = Self { instance: Instance::open(name)?, keep };
        temporary.instance.up_with(services)?;
        Ok(temporary)
    }

    /// A fresh MongoDB and nothing else, on a machine that need not have Java or Maven.
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
