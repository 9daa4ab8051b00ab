//! The error of loading settings: everything that is wrong with them, at once.

use std::fmt;

use weir_core::hint;

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    wrong: Vec<String>,
}

impl Error {
    /// Returns what is wrong, each with the setting's name, where its value comes from, the value unless it is a secret,
    /// and what is allowed. Some have a hint.
    #[must_use]
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    pub(super) fn of(wrong: Vec<String>) -> Self {
        Self { wrong }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wrong.as_slice() {
            [wrong] => f.write_str(wrong),
            all => {
                write!(f, "{} settings are wrong:", all.len())?;
                // Each hint is below its own setting.
                all.iter().try_for_each(|wrong| write!(f, "\n  {}", wrong.replace('\n', "\n    ")))
            }
        }
    }
}

/// Returns the fact, with the name most like `wrong` as a hint if there is one.
pub(super) fn suggesting<'a>(fact: String, wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let lower = wrong.to_ascii_lowercase().replace('-', "_");
    let likely = names
        .map(|name| (strsim::jaro_winkler(&lower, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match likely {
        Some((_, name)) => hint::with(&fact, &format!("did you mean {name}?")),
        None => fact,
    }
}
