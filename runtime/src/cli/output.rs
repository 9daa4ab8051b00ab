//! What a listing writes to the standard output: text for people, JSON or YAML for programs.

use std::borrow::Cow;
use std::io::{ErrorKind, Write};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};
use serde::Serialize;

use crate::logging::log_line;

const OUTPUT: &str = "output";

/// The form of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    Yaml,
}

/// Adds `--output` to a command.
pub(super) fn with_output(command: Command) -> Command {
    command.arg(
        Arg::new(OUTPUT)
            .short('o')
            .long(OUTPUT)
            .value_name("FORMAT")
            .value_parser(PossibleValuesParser::new(["text", "json", "yaml"]))
            .default_value("text")
            .help("The form of the output"),
    )
}

impl Format {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        match matches.get_one::<String>(OUTPUT).map(String::as_str) {
            Some("json") => Self::Json,
            Some("yaml") => Self::Yaml,
            _ => Self::Text,
        }
    }

    /// Writes the value. `text` makes the text for people.
    ///
    /// # Errors
    /// The standard output cannot be written to.
    pub(super) fn write<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        put(&self.written(value, text)?)
    }

    /// Returns the value in this form.
    pub(super) fn written<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<String> {
        Ok(match self {
            Self::Text => text(value),
            Self::Json => log_line::visible(&serde_json::to_string_pretty(value)?).into_owned() + "\n",
            Self::Yaml => match log_line::visible(&serde_json::to_string_pretty(value)?) {
                // JSON is YAML, too. The YAML writer does not escape what changes the direction of text.
                Cow::Owned(escaped) => escaped + "\n",
                Cow::Borrowed(_) => serde_saphyr::to_string(value)?,
            },
        })
    }
}

/// Writes to the standard output. A reader that has seen enough, such as `head`, is no error.
///
/// # Errors
/// The standard output cannot be written to.
pub(super) fn put(text: &str) -> anyhow::Result<()> {
    put_to(&mut std::io::stdout(), text)
}

fn put_to(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Returns a table: a line of titles and one for each row, in columns that are as wide as they need to be.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(titles.map(str::to_owned)).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_seen_enough_is_no_error() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        put_to(&mut writer, "a listing\n").expect("nobody reads it");
        let mut full = std::fs::File::create("/dev/full").expect("a device");
        assert!(put_to(&mut full, "a listing\n").is_err(), "a disk that is full is one");
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let rows = [["a", "bb"], ["öäü", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(table(["ID", "X"], rows), "ID   X\na    bb\nöäü\n");
    }
}
