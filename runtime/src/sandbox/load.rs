//! From the bytes of a `.wasm` to a handler that can be called: checked, compiled, linked, and asked what it is.

use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::call::{Caller, describe};
use super::handler::{Handler, Inner};
use super::{Engine, Limits, imports};
use crate::host::{EventHandlerPre, Grants, Refusal, Stop, grants};

/// Why a handler cannot be had of a component.
#[derive(Debug, thiserror::Error)]
#[error("handler {handler}: {reason}")]
pub struct LoadError {
    /// The handler's name.
    pub handler: String,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a component.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Not WebAssembly at all.
    #[error("not a WebAssembly component: the file does not begin as one")]
    NotWasm,
    /// WebAssembly, but not a component.
    #[error(
        "a core module, not a component: build for wasm32-wasip2, or turn it into one with `wasm-tools component new`"
    )]
    CoreModule,
    /// It does not compile.
    #[error("does not compile: {0}")]
    Compile(String),
    /// It imports what a handler cannot have.
    #[error("imports what a handler cannot have: {}", .0.join("; "))]
    Imports(Vec<String>),
    /// It does not export the handler of the contract.
    #[error("does not export weir:handler/handler@0.1.0: {0}")]
    Exports(String),
    /// A limit is beyond what the engine allows.
    #[error("{limit}: {wanted} is more than the {allowed} that this host allows")]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// What is set.
        wanted: u64,
        /// What is possible.
        allowed: u64,
    },
    /// The sandbox stopped `describe`.
    #[error("describe was stopped: {0}")]
    Stopped(Stop),
    /// `describe` called something that it may not.
    #[error("describe made a call that was refused: {0}")]
    Refused(Refusal),
    /// What `describe` gave is not what the contract says.
    #[error("describe: {0}")]
    Description(String),
    /// This host failed.
    #[error("this host failed: {0}")]
    Fault(String),
}

/// What a handler says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// For people.
    pub description: Option<String>,
    /// The event types that it wants.
    pub events: Vec<String>,
    /// The collections that it asks for.
    pub grants: Grants,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    #[serde(default)]
    description: Option<String>,
    events: Vec<String>,
    grants: serde_json::Value,
}

impl Description {
    /// Reads what `describe` gave.
    fn parse(json: &str) -> Result<Self, Reason> {
        let described: Described =
            serde_json::from_str(json).map_err(|error| Reason::Description(error.to_string()))?;
        let grants = Grants::parse(&described.grants)
            .map_err(|error: grants::Invalid| Reason::Description(error.to_string()))?;
        if let Some(empty) = described.events.iter().position(String::is_empty) {
            return Err(Reason::Description(format!("events: number {} is empty", empty + 1)));
        }
        Ok(Self { description: described.description, events: described.events, grants })
    }
}

impl Engine {
    /// Makes a handler of a component: checks what it imports and exports, compiles it, and calls its `describe`. The
    /// compilation, which may take seconds, is done on a thread of its own.
    ///
    /// # Errors
    /// Where the component is no handler; the error says what to change.
    pub async fn load(&self, name: &str, wasm: &[u8], limits: Limits) -> Result<Handler, LoadError> {
        let load = async {
            check_limits(self, &limits)?;
            let pre = self.prepare(wasm).await?;
            let digest = hex::encode(Sha256::digest(wasm));
            let caller = Caller { engine: self.clone(), pre, budget: limits.budget() };
            let json = describe(&caller, name, &digest, &limits).await?;
            let description = Description::parse(&json)?;
            let grants = Arc::new(description.grants.clone());
            Ok(Handler::new(Inner { name: name.to_owned(), digest, description, grants, limits, caller }))
        };
        load.await.map_err(|reason| LoadError { handler: name.to_owned(), reason })
    }

    async fn prepare(&self, wasm: &[u8]) -> Result<EventHandlerPre<crate::host::State>, Reason> {
        check_header(wasm)?;
        let (engine, wasm) = (self.clone(), wasm.to_vec());
        let component = tokio::task::spawn_blocking(move || Component::new(engine.wasm(), wasm))
            .await
            .map_err(|error| Reason::Fault(error.to_string()))?
            .map_err(|error| Reason::Compile(format!("{error:#}")))?;
        check_names(self, &component)?;
        let pre = self.linker().instantiate_pre(&component);
        let pre = pre.map_err(|error| Reason::Imports(vec![format!("{error:#}")]))?;
        EventHandlerPre::new(pre).map_err(|error| Reason::Exports(format!("{error:#}")))
    }
}

fn check_limits(engine: &Engine, limits: &Limits) -> Result<(), Reason> {
    let settings = engine.settings();
    let ceilings = [
        ("memory_bytes", limits.memory_bytes, settings.max_memory_bytes),
        ("table_elements", limits.table_elements, u64::from(settings.max_table_elements)),
    ];
    match ceilings.into_iter().find(|(_, wanted, allowed)| wanted > allowed) {
        Some((limit, wanted, allowed)) => Err(Reason::Limit { limit, wanted, allowed }),
        None => Ok(()),
    }
}

/// The first eight bytes tell a component from a core module.
fn check_header(wasm: &[u8]) -> Result<(), Reason> {
    match wasm.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(Reason::CoreModule),
        _ => Err(Reason::NotWasm),
    }
}

fn check_names(engine: &Engine, component: &Component) -> Result<(), Reason> {
    let ty = component.component_type();
    let refused: Vec<String> = ty.imports(engine.wasm()).filter_map(|(name, _)| imports::refuse(name)).collect();
    if !refused.is_empty() {
        return Err(Reason::Imports(refused));
    }
    let mut handlers = ty.exports(engine.wasm()).filter_map(|(name, _)| imports::handler(name));
    handlers.next().unwrap_or_else(|| Err("there is no export of that name".to_owned())).map_err(Reason::Exports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read() {
        let json =
            r#"{"description": "Keeps users.", "events": ["UserCreated"], "grants": {"users": ["read", "write"]}}"#;
        let described = Description::parse(json).expect("as the contract says");
        assert_eq!(described.description.as_deref(), Some("Keeps users."));
        assert_eq!(described.events, ["UserCreated"]);
        assert_eq!(described.grants.iter().count(), 1);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let cases = [
            (r#"{"events": ["A"]}"#, "grants"),
            (r#"{"grants": {}}"#, "events"),
            (r#"{"events": [], "grants": {}, "timeout": 3}"#, "timeout"),
            (r#"{"events": ["A", ""], "grants": {}}"#, "number 2 is empty"),
            (r#"{"events": [], "grants": []}"#, "grants"),
            ("[]", "invalid"),
        ];
        for (json, expected) in cases {
            let error = Description::parse(json).expect_err(json).to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
