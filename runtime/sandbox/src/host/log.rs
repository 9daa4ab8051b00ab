//! The contract's `log` interface, and how the lines reach the host's own log.

use super::State;
use super::bindings::weir::handler::log;
use super::log_buffer::object;
use weir_core::call::{Level, LogLine};

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String, fields: Option<String>) -> wasmtime::Result<()> {
        self.called()?;
        self.crossed(message.len() + fields.as_ref().map_or(0, String::len))?;
        let level = match level {
            log::Level::Trace => Level::Trace,
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.shared.log().push(level, message, fields.as_deref().map(object));
        Ok(())
    }
}

/// Writes the lines of a delivery to the host's own log.
pub(crate) fn emit(handler: &str, event_id: &str, attempt: u32, lines: &[LogLine], dropped: u64) {
    macro_rules! line {
        ($level:ident, $line:expr) => {{
            let fields = $line.fields.as_ref().map(|fields| fields.get());
            tracing::$level!(target: "weir::guest", handler, event_id, attempt, text = $line.text, fields, "guest_log");
        }};
    }
    for line in lines {
        match line.level {
            Level::Trace => line!(trace, line),
            Level::Debug => line!(debug, line),
            Level::Info => line!(info, line),
            Level::Warn => line!(warn, line),
            Level::Error => line!(error, line),
        }
    }
    if dropped > 0 {
        tracing::warn!(target: "weir::guest", handler, event_id, attempt, dropped, "guest_log_dropped");
    }
}
