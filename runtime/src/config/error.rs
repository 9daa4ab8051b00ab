//! The error of loading settings: everything that is wrong with them, at once.

use std::fmt;

/// Everything that is wrong with the settings, a line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    lines: Vec<String>,
}

impl Error {
    /// Returns what is wrong, a line each: the setting's name, where its value comes from, the value unless it is a
    /// secret, and what is allowed.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(super) fn of(lines: Vec<String>) -> Self {
        Self { lines }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lines.as_slice() {
            [line] => f.write_str(line),
            lines => {
                write!(f, "{} settings are wrong:", lines.len())?;
                lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
            }
        }
    }
}

/// Returns a hint with the name most like `wrong`, to add to a line, or an empty text if no name is like it.
pub(super) fn suggestion<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let lower = wrong.to_ascii_lowercase().replace('-', "_");
    names
        .map(|name| (strsim::jaro_winkler(&lower, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map_or_else(String::new, |(_, name)| format!(", did you mean {name}?"))
}
