//! Handlers that can be called without Kafka and MongoDB.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use weir::driver::{Address, Driver};
use weir_core::call::{Call, HandlerKey, Installation};
use weir_core::documents::Mode;
use weir_core::event::Event;
use weir_core::store::{self, Reader, Store};
use weir_sandbox::{Compiler, Engine, EngineSettings, Handler, Limits};

/// A guest with placeholders for what it does. It never changes, so that measurements stay comparable.
const GUEST: &str = include_str!("guest.wat");
const DESCRIPTION: &str = r#"{"events": ["Test"], "grants": {"users": ["write"]}}"#;

/// Returns an engine with the shipped settings.
///
/// # Errors
/// This machine has no room for it.
pub fn engine() -> Result<Engine> {
    Ok(Engine::new(&EngineSettings { stack_bytes: 524_288, ..EngineSettings::default() }, Compiler::InProcess)?)
}

/// Returns a handler that does nothing.
///
/// # Errors
/// The engine refuses it.
pub async fn empty(engine: &Engine) -> Result<Handler> {
    let length = DESCRIPTION.len().to_string();
    let data = DESCRIPTION.replace('"', "\\22");
    let parts = [("{top}", ""), ("{handle}", ""), ("{describe}", ""), ("{description}", &*data), ("{length}", &length)];
    let text = parts.iter().fold(GUEST.to_owned(), |text, (name, part)| text.replace(name, part));
    let component = wat::parse_str(&text)?;
    Ok(engine.load("empty", &component, Limits::default()).await?)
}

/// Loads a handler from its file.
///
/// # Errors
/// There is no such file, or the engine refuses it.
pub async fn load(engine: &Engine, file: &Path) -> Result<Handler> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = file.file_stem().and_then(|name| name.to_str()).context("a handler's file has no name")?;
    Ok(engine.load(name, &bytes, Limits::default()).await?)
}

/// Returns a reader of a MongoDB that does not exist, for handlers that read nothing.
///
/// # Errors
/// Never, because nothing is sent.
pub async fn no_mongodb() -> Result<Reader> {
    let address = Address {
        uri: "mongodb://127.0.0.1:1/?directConnection=true".to_owned(),
        connect_timeout: Duration::from_millis(50),
        server_selection_timeout: Duration::from_millis(50),
    };
    let options = store::Options {
        database: "data".to_owned(),
        own_database: "weir".to_owned(),
        group: "group".to_owned(),
        owner: "bench".to_owned(),
    };
    Ok(Store::new(Arc::new(Driver::new(&address).await?), &options).reader())
}

/// Returns the event's delivery in a batch in which nothing is pending.
#[must_use]
pub fn call(event: &Arc<Event>, reader: &Reader) -> Call {
    Call {
        event: Arc::clone(event),
        handler: HandlerKey { id: Arc::from("1"), generation: 1, installation: Installation::default() },
        attempt: 1,
        now_ms: 1_700_000_001_456,
        mode: Mode::Batch {
            reader: reader.clone(),
            pending: Arc::default(),
            committing: Arc::default(),
            patience: None,
        },
    }
}
