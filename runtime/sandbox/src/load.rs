//! Turns the bytes of a `.wasm` into a handler that can be called: checks, compiles and links it, and asks what it is.

use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::call::{Caller, describe};
use super::handler::{Handler, Inner};
use super::inspect::{self, Objection};
use super::{Engine, Limits, imports};
use crate::host::EventHandlerPre;
use weir_core::call::Stop;
use weir_core::cut;
use weir_core::documents::{Grants, Refusal, grants};
use weir_core::hint;

/// Why a component cannot become a handler.
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
        "a core module, not a component\nhint: build for wasm32-wasip2, or turn it into one with `wasm-tools component new`"
    )]
    CoreModule,
    /// It does not compile.
    #[error("does not compile: {0}")]
    Compile(String),
    /// It is larger than the host compiles.
    #[error("is too large to be compiled here: {0}")]
    TooLarge(String),
    /// It imports something that a handler cannot have.
    #[error("imports what a handler cannot have: {}", listed(.0))]
    Imports(Vec<String>),
    /// It does not export the handler of the contract.
    #[error("does not export weir:handler/handler@0.1.0: {0}")]
    Exports(String),
    /// A limit is beyond what the engine allows.
    #[error("{limit}: {wanted} is more than the {allowed} that this host allows")]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// The value that is set.
        wanted: u64,
        /// The largest value that is possible.
        allowed: u64,
    },
    /// The sandbox stopped `describe`.
    #[error("describe was stopped: {0}")]
    Stopped(Stop),
    /// `describe` called something that it may not.
    #[error("describe made a call that was refused: {0}")]
    Refused(Refusal),
    /// The result of `describe` is not what the contract says.
    #[error("describe: {0}")]
    Description(String),
    /// This host failed.
    #[error("this host failed: {0}")]
    Fault(String),
}

/// A handler's description of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// A text for people.
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

/// The most refused imports that an error names, and the most bytes of each.
const NAMED_IMPORTS: usize = 20;
const IMPORT_BYTES: usize = 300;

/// The most bytes of a text from wasmtime, which quotes names from the component.
const CAUSE_BYTES: usize = 2 << 10;

fn listed(imports: &[String]) -> String {
    let named = imports.iter().take(NAMED_IMPORTS).map(|import| hint::split(&cut::noted(import.clone(), IMPORT_BYTES)));
    let (mut facts, hints): (Vec<String>, Vec<Option<String>>) = named.unzip();
    let more = imports.len().saturating_sub(NAMED_IMPORTS);
    facts.extend((more > 0).then(|| format!("and {more} more")));
    let facts = facts.join("; ");
    match hints.into_iter().flatten().next() {
        Some(hint) => hint::with(&facts, &hint),
        None => facts,
    }
}

/// The most that `describe` may return.
const EVENT_TYPES: usize = 1_000;
const EVENT_TYPE_BYTES: usize = 200;
const COLLECTIONS: usize = 100;
const DESCRIPTION_BYTES: usize = 4 << 10;

impl Description {
    /// Reads the result of `describe`.
    fn parse(json: &str) -> Result<Self, Reason> {
        // Both errors may quote a name of any length.
        let said = |error: String| Reason::Description(cut::noted(in_a_line(&error), DESCRIPTION_BYTES));
        let described: Described = serde_json::from_str(json).map_err(|error| said(error.to_string()))?;
        let grants = Grants::parse(&described.grants).map_err(|error: grants::Invalid| said(error.to_string()))?;
        let description = Self { description: described.description, events: described.events, grants };
        description.check().map_err(|error| Reason::Description(in_a_line(&error)))?;
        Ok(description)
    }

    /// Checks the sizes, because each of these becomes a route, a collection in MongoDB or a part of a log line.
    fn check(&self) -> Result<(), String> {
        let bytes = self.description.as_ref().map_or(0, String::len);
        if bytes > DESCRIPTION_BYTES {
            return Err(format!("description: {bytes} bytes, and it may have at most {DESCRIPTION_BYTES}"));
        }
        let count = self.events.len();
        if count > EVENT_TYPES {
            return Err(format!("events: {count} event types, and a handler may have at most {EVENT_TYPES}"));
        }
        for (at, event_type) in self.events.iter().enumerate() {
            let (number, bytes) = (at + 1, event_type.len());
            if bytes == 0 {
                return Err(format!("events: number {number} is empty"));
            }
            if bytes > EVENT_TYPE_BYTES {
                let most = EVENT_TYPE_BYTES;
                return Err(format!("events: number {number} has {bytes} bytes, and it may have at most {most}"));
            }
        }
        let count = self.grants.iter().count();
        if count > COLLECTIONS {
            return Err(format!("grants: {count} collections, and a handler may have at most {COLLECTIONS}"));
        }
        Ok(())
    }
}

impl Engine {
    /// Makes a handler from a component: checks what it imports and exports, compiles it where the engine's
    /// compiler says, and calls its `describe`. The compilation may take seconds.
    ///
    /// # Errors
    /// The component is not a handler. The error says what to change.
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
        at_most_file_bytes(wasm.len() as u64)?;
        check_header(wasm)?;
        let wasm = wasm.to_vec();
        let stripped = tokio::task::spawn_blocking(move || stripped(&wasm))
            .await
            .map_err(|error| Reason::Fault(error.to_string()))??;
        let component = self.compile(stripped).await?;
        check_names(self, &component)?;
        let pre = self.linker().instantiate_pre(&component);
        let pre = pre.map_err(|error| Reason::Imports(vec![cause(&error)]))?;
        EventHandlerPre::new(pre).map_err(|error| Reason::Exports(cause(&error)))
    }
}

/// Refuses a file that is larger than a component may be.
///
/// # Errors
/// [`Reason::TooLarge`].
pub fn at_most_file_bytes(bytes: u64) -> Result<(), Reason> {
    if bytes <= inspect::MOST_FILE_BYTES {
        return Ok(());
    }
    Err(Reason::TooLarge(format!("{bytes} bytes, and a component may have at most {}", inspect::MOST_FILE_BYTES)))
}

fn stripped(wasm: &[u8]) -> Result<Vec<u8>, Reason> {
    inspect::inspect(wasm).map_err(|objection| match objection {
        Objection::Malformed(why) => Reason::Compile(cut::noted(in_a_line(&why), CAUSE_BYTES)),
        Objection::TooLarge { .. } => Reason::TooLarge(objection.to_string()),
    })
}

pub(super) fn cause(error: &wasmtime::Error) -> String {
    cut::noted(in_a_line(&format!("{error:#}")), CAUSE_BYTES)
}

/// Joins the lines of a text in which a component has chosen words, because a line of its own could pass for a hint.
pub(super) fn in_a_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
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

/// Checks the first eight bytes, which distinguish a component from a core module.
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
    fn what_a_description_may_hold_is_bounded() {
        let described = |description: &str, events: &[String], collections: usize| {
            let names = (0..collections).map(|n| (format!("c{n}"), serde_json::json!(["read"])));
            let grants: serde_json::Map<_, _> = names.collect();
            serde_json::json!({ "description": description, "events": events, "grants": grants }).to_string()
        };
        let events = |count: usize, bytes: usize| vec!["e".repeat(bytes); count];
        Description::parse(&described(&"d".repeat(4_096), &events(1_000, 200), 100)).expect("within the bounds");
        for (json, expected) in [
            (described(&"d".repeat(4_097), &[], 0), "description: 4097 bytes"),
            (described("", &events(1_001, 1), 0), "events: 1001 event types"),
            (described("", &events(1, 201), 0), "events: number 1 has 201 bytes"),
            (described("", &[], 101), "grants: 101 collections"),
        ] {
            let error = Description::parse(&json).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
        let name = "n".repeat(1 << 20);
        for json in
            [format!(r#"{{"events":[],"{name}":1}}"#), format!(r#"{{"events":[],"grants":{{"{name}":["rule"]}}}}"#)]
        {
            let error = Description::parse(&json).expect_err("an unknown name").to_string();
            assert!(error.len() < 2 * DESCRIPTION_BYTES, "{} bytes", error.len());
        }
    }

    #[test]
    fn refused_imports_are_listed_within_a_bound() {
        let all: Vec<String> = (0..100_000).map(|n| format!("{n}{}", "i".repeat(1_000))).collect();
        let text = Reason::Imports(all).to_string();
        assert!(text.len() < 10_000 && text.ends_with("and 99980 more"), "{} bytes", text.len());
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
