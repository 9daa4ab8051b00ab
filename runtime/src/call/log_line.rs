//! A line that a handler logs or prints.

use serde_json::value::RawValue;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Followed step by step.
    Trace,
    /// For whoever works on the handler.
    Debug,
    /// As expected. What a handler prints to stdout.
    Info,
    /// Worth a look. What a handler prints to stderr.
    Warn,
    /// Wrong.
    Error,
}

impl Level {
    /// The level's usual name, in lower case.
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

/// One line of a handler's.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub text: String,
    /// A JSON object of further members.
    pub fields: Option<Box<RawValue>>,
}
