//! Where a value comes from, and the value that one place gives.

use std::fmt;

use super::Setting;

/// The prefix of the environment's names for properties that are handed on to Kafka's client.
pub(super) const HANDED_ON: &str = "KAFKA__";

/// The place in which a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag, such as `--kafka-topic`.
    Flag(String),
    /// The environment.
    Environment,
    /// The file `.env`.
    DotEnv,
    /// `weir.toml`, by its path.
    Toml(String),
    /// The file that a `NAME_FILE` names.
    File {
        /// The place that gives the `NAME_FILE`.
        named_in: Box<Source>,
        /// The path.
        path: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Environment => f.write_str("environment"),
            Self::DotEnv => f.write_str(".env"),
            Self::Toml(path) => f.write_str(path),
            Self::File { named_in, path } => write!(f, "file {path}, named in {named_in}"),
        }
    }
}

/// The value that one place gives for one setting.
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    /// Whether the text is the path of a file that holds the value.
    pub(super) in_file: bool,
    pub(super) text: String,
    pub(super) source: Source,
}

/// Returns the text of `.env` as its reader takes it: without a byte order mark, and with a line break at the end,
/// because the reader takes space at the very end for the beginning of another line.
pub(super) fn dotenv_text(text: &str) -> String {
    format!("{}\n", text.trim_start_matches('\u{feff}'))
}
