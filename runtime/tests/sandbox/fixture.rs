//! Guests in WebAssembly text, an engine that all tests share, and events to deliver.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use weir::driver::{Address, Driver};
use weir_core::call::{Call, HandlerKey, Installation, Run, Verdict};
use weir_core::documents::{Mode, Pending};
use weir_core::event::Event;
use weir_core::store::{self, Reader, Store};
use weir_sandbox::{Compiler, Engine, EngineSettings, Handler, Limits, LoadError};

/// What the guest's `describe` returns if a test does not care.
const DESCRIPTION: &str = r#"{"events": ["Test"], "grants": {"users": ["read", "write"]}}"#;

/// A component of the contract with placeholders for what a guest does.
const GUEST: &str = include_str!("../../../guest-handlers/behaviours/frame.wat");

/// A guest from which a component is made.
pub(crate) struct Guest<'a> {
    /// Imports, and whatever else is at the top of the core module.
    pub(crate) top: &'a str,
    /// What `handle` does before it returns success. The event is at local 0.
    pub(crate) handle: &'a str,
    /// What `describe` does before it returns.
    pub(crate) describe: &'a str,
    /// What `describe` returns.
    pub(crate) description: &'a str,
}

impl Default for Guest<'_> {
    fn default() -> Self {
        Self { top: "", handle: "", describe: "", description: DESCRIPTION }
    }
}

impl Guest<'_> {
    /// Returns the component. Texts that a guest needs are from address 4096 on, results of calls from 64 on.
    pub(crate) fn component(&self) -> Vec<u8> {
        let Self { top, handle, describe, description } = self;
        let data = description.replace('"', "\\22");
        let length = description.len().to_string();
        let parts = [
            ("{top}", *top),
            ("{handle}", *handle),
            ("{describe}", *describe),
            ("{description}", &data),
            ("{length}", &length),
        ];
        let text = parts.iter().fold(GUEST.to_owned(), |text, (name, part)| text.replace(name, part));
        wat::parse_str(&text).expect("the guest's text is right")
    }

    pub(crate) async fn load(&self, limits: Limits) -> Result<Handler, LoadError> {
        engine().load("guest", &self.component(), limits).await
    }

    /// Delivers one event to it.
    pub(crate) async fn deliver(&self, limits: Limits) -> Run {
        let handler = self.load(limits).await.expect("loads");
        handler.deliver(call(event()).await).await
    }
}

/// Returns a guest with this `handle`.
pub(crate) fn handling<'a>(top: &'a str, handle: &'a str) -> Guest<'a> {
    Guest { top, handle, ..Guest::default() }
}

/// Returns the engine of this process.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let settings = EngineSettings { slots: 8, tick_ms: 2, ..EngineSettings::default() };
        Engine::new(&settings, Compiler::InProcess).expect("an engine")
    })
}

/// Returns an event.
pub(crate) fn event() -> Event {
    Event {
        id: "6b0f1c6e-0000-4000-8000-000000000001".to_owned(),
        sequence: Some("42".to_owned()),
        event_type: "Test".to_owned(),
        aggregate_type: "User".to_owned(),
        aggregate_id: "u1".to_owned(),
        payload: r#"{"n": 1.10}"#.to_owned(),
        created_at_ms: 1_700_000_000_123,
        row_created_at_us: None,
        headers: vec![("traceparent".to_owned(), "00-1".to_owned())],
        columns: "{}".to_owned(),
        says_op: true,
    }
}

/// Returns its delivery in a batch in which nothing is pending, with a MongoDB that is not there.
pub(crate) async fn call(event: Event) -> Call {
    call_after(event, Pending::default()).await
}

/// The same as [`call`], after deliveries that have written.
pub(crate) async fn call_after(event: Event, pending: Pending) -> Call {
    Call {
        event: Arc::new(event),
        handler: HandlerKey { id: "7".into(), generation: 1, installation: Installation::default() },
        attempt: 3,
        now_ms: 1_700_000_001_456,
        mode: Mode::Batch {
            reader: no_mongodb().await,
            pending: Arc::new(pending),
            committing: Arc::default(),
            patience: None,
        },
    }
}

/// Returns a reader without a server behind it: every read is a fault.
async fn no_mongodb() -> Reader {
    let address = Address {
        uri: "mongodb://127.0.0.1:1/?directConnection=true".to_owned(),
        connect_timeout: Duration::from_millis(50),
        server_selection_timeout: Duration::from_millis(50),
    };
    let driver = Driver::new(&address).await.expect("the connection string is right");
    let options = store::Options {
        database: "data".to_owned(),
        own_database: "weir".to_owned(),
        group: "group".to_owned(),
        owner: "test".to_owned(),
    };
    Store::new(Arc::new(driver), &options).reader()
}

/// Returns what stopped a run.
pub(crate) fn stopped(run: &Run) -> &weir_core::call::Stop {
    match &run.verdict {
        Verdict::Stopped(stop) => stop,
        other => panic!("expected it to be stopped, it ended as {other:?}"),
    }
}
