//! The places that may hold settings, and how each of them is read.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::source::{Entry, HANDED_ON, Source, dotenv_text};
use super::{Error, Setting, table};
use weir_core::hint;

/// The places in which a process finds its settings, as texts. This holds secrets, so it cannot be printed.
#[derive(Clone, Default)]
pub struct Sources {
    /// From the command line: a setting's name, or `NAME_FILE`, and its value.
    pub flags: Vec<(String, String)>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The text of `.env`.
    pub dotenv: Option<String>,
    /// The path and the text of `weir.toml`, or of the file given instead.
    pub toml: Option<(PathBuf, String)>,
}

impl Sources {
    /// Reads the places of the process: these flags, its environment, and from the working directory `.env` and
    /// `weir.toml`. If `config` is given, that file replaces `weir.toml` and must exist.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn of_process(flags: Vec<(String, String)>, config: Option<&Path>) -> Result<Self, Error> {
        let mut wrong = Vec::new();
        let dotenv = text_of(Path::new(".env"), false, &mut wrong);
        let path = config.unwrap_or(Path::new("weir.toml"));
        let toml = text_of(path, config.is_some(), &mut wrong).map(|text| (path.to_owned(), text));
        if wrong.is_empty() {
            Ok(Self { flags, environment: std::env::vars_os().collect(), dotenv, toml })
        } else {
            Err(Error::of(wrong))
        }
    }
}

fn text_of(path: &Path, required: bool, wrong: &mut Vec<String>) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => None,
        Err(error) => {
            wrong.push(format!("{} cannot be read: {error}", path.display()));
            None
        }
    }
}

/// Returns the setting that a name in upper case means, and whether the name is its `NAME_FILE`.
fn named(name: &str) -> Option<(&'static Setting, bool)> {
    let exact = table().iter().find(|setting| setting.name == name).map(|setting| (setting, false));
    exact.or_else(|| {
        let of = name.strip_suffix("_FILE")?;
        table().iter().find(|setting| setting.secret && setting.name == of).map(|setting| (setting, true))
    })
}

pub(super) fn of_flags(flags: &[(String, String)]) -> Vec<Entry> {
    let entry = |(name, text): &(String, String)| {
        let (setting, in_file) = named(name)?;
        let flag = name.to_ascii_lowercase().replace('_', "-");
        Some(Entry { setting, in_file, text: text.clone(), source: Source::Flag(flag) })
    };
    flags.iter().filter_map(entry).collect()
}

/// Reads the environment. It holds other programs' names too, which are not a mistake. A variable that is set but empty
/// counts as not set, because a compose file writes that for a variable without a value.
pub(super) fn of_environment(variables: &[(OsString, OsString)], wrong: &mut Vec<String>) -> Vec<Entry> {
    let mut variables: Vec<_> = variables.iter().filter_map(|(name, text)| Some((name.to_str()?, text))).collect();
    // If a name has several spellings, the one in upper case goes first, which is the order of ASCII.
    variables.sort_unstable();
    let mut entries: Vec<Entry> = Vec::new();
    for (name, text) in variables {
        let Some((setting, in_file)) = named(&name.to_ascii_uppercase()) else { continue };
        let seen = entries.iter().any(|entry| entry.setting.name == setting.name && entry.in_file == in_file);
        match text.to_str() {
            None => wrong.push(format!("{name} (environment) is not UTF-8")),
            Some(text) if !seen && !text.is_empty() => {
                entries.push(Entry { setting, in_file, text: text.to_owned(), source: Source::Environment });
            }
            Some(_) => {}
        }
    }
    entries
}

/// Does the same for `.env`. If a name occurs twice, the last line counts.
pub(super) fn of_dotenv(text: &str, wrong: &mut Vec<String>) -> Vec<Entry> {
    let text = dotenv_text(text);
    let mut entries: Vec<Entry> = Vec::new();
    for line in dotenvy::from_read_iter(text.as_bytes()) {
        let (name, value) = match line {
            Ok(pair) => pair,
            Err(error) => {
                wrong.extend(unreadable(&error, &text));
                continue;
            }
        };
        let Some((setting, in_file)) = named(&name.to_ascii_uppercase()) else { continue };
        entries.retain(|entry| entry.setting.name != setting.name || entry.in_file != in_file);
        if !value.is_empty() {
            entries.push(Entry { setting, in_file, text: value, source: Source::DotEnv });
        }
    }
    entries
}

/// Says what is wrong with a line, without showing it, because it may hold a secret. A line that sets another program's
/// name is ignored, unless it has swallowed the lines below it.
fn unreadable(error: &dotenvy::Error, text: &str) -> Option<String> {
    let dotenvy::Error::LineParse(rest, _) = error else {
        return Some(format!(".env cannot be read: {error}"));
    };
    // The error holds the line from some place on, such as its value.
    let rest = rest.trim_end();
    let start = text.find(rest).map_or(0, |at| text[..at].rfind('\n').map_or(0, |end| end + 1));
    let name = text[start..].split(['=', '\n']).next().unwrap_or_default().trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    if rest.contains('\n') {
        let line = text[..start].lines().count() + 1;
        return Some(format!(".env cannot be read from line {line} on: a quote is not closed"));
    }
    let upper = name.to_ascii_uppercase();
    let name = match named(&upper) {
        Some((setting, _)) => setting.name,
        None if upper.starts_with(HANDED_ON) => upper.as_str(),
        None => return None,
    };
    let fact = format!("{name} (.env) cannot be read");
    Some(hint::with(&fact, "put quotes around a value with a space or special characters"))
}
