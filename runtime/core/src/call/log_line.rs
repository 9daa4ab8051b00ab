//! A line that a handler logs or prints.

use serde_json::value::RawValue;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Step-by-step detail.
    Trace,
    /// For developers of the handler.
    Debug,
    /// Expected. The level of what a handler prints to stdout.
    Info,
    /// Worth a look. The level of what a handler prints to stderr.
    Warn,
    /// Something went wrong.
    Error,
}

impl Level {
    /// Returns the level's usual name, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One line of a handler's log.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The text.
    pub text: String,
    /// A JSON object with additional fields.
    pub fields: Option<Box<RawValue>>,
}
