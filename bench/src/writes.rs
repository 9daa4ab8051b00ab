//! What the six handlers write, for the bare ceiling, which runs no handler while its time runs.
//!
//! One `update` command per collection holds all updates in their order, which MongoDB keeps. Weir itself needs more
//! commands, because it must know which statements matched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use bson::RawArrayBuf;
use weir_core::call::Verdict;
use weir_core::event::Event;
use weir_core::store::{Kind, Reader, Write};
use weir_sandbox::Handler;

use crate::guests;

/// Handlers that run to see what they write.
#[derive(Debug)]
pub struct Writers {
    handlers: Vec<Handler>,
    reader: Reader,
}

impl Writers {
    /// Loads every handler of a folder, in the order of their names.
    ///
    /// # Errors
    /// The folder cannot be read, or the engine refuses one of them.
    pub async fn load(folder: &Path) -> Result<Self> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
        files.sort();
        ensure!(!files.is_empty(), "{} holds no .wasm", folder.display());
        let engine = guests::engine()?;
        let mut handlers = Vec::new();
        for file in &files {
            handlers.push(guests::load(&engine, file).await?);
        }
        Ok(Self { handlers, reader: guests::no_mongodb().await? })
    }

    /// Returns what the event's handlers write.
    ///
    /// # Errors
    /// No handler wants the event, or one of them fails.
    pub async fn of(&self, event: &Arc<Event>) -> Result<Vec<Write>> {
        let mut writes = Vec::new();
        for handler in self.handlers.iter().filter(|handler| handler.events().contains(&event.event_type)) {
            let run = handler.deliver(guests::call(event, &self.reader)).await;
            ensure!(run.verdict == Verdict::Accepted, "{} ended as {:?}", handler.name(), run.verdict);
            writes.extend(run.writes);
        }
        ensure!(!writes.is_empty(), "no handler writes anything for {}", event.event_type);
        Ok(writes)
    }
}

/// The statements of a batch, by collection and verb. A collection's inserts come before its updates.
#[derive(Debug, Default)]
pub struct Grouped(BTreeMap<(Arc<str>, &'static str), RawArrayBuf>);

impl Grouped {
    /// Adds an event's statements.
    ///
    /// # Errors
    /// One of them deletes, which no event of the mix does.
    pub fn add(&mut self, writes: &[Write]) -> Result<()> {
        for write in writes {
            let verb = match write.kind {
                Kind::Insert => "insert",
                Kind::Update => "update",
                Kind::Delete => bail!("a handler of the mix deletes"),
            };
            let statements = self.0.entry((Arc::clone(&write.collection), verb)).or_default();
            write.statements.iter().for_each(|statement| statements.push(statement.as_ref()));
        }
        Ok(())
    }

    /// Returns each command's verb, collection and statements.
    pub fn commands(self) -> impl Iterator<Item = (&'static str, Arc<str>, RawArrayBuf)> {
        self.0.into_iter().map(|((collection, verb), statements)| (verb, collection, statements))
    }
}
