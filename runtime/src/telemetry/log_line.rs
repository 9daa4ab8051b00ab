//! One log line, as JSON or for people. Pure.

use std::fmt::Write;

use tracing::Level;

use crate::clock;

/// What a line says.
pub(super) struct Line<'a> {
    pub(super) ms: i64,
    pub(super) level: Level,
    /// The target, where the line is a library's.
    pub(super) library: Option<&'a str>,
    /// The line's name; a library's own words.
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, FieldValue)>,
}

/// A field's value.
pub(super) enum FieldValue {
    Text(String),
    /// JSON as it is to be written: a number, a truth or an object.
    Json(String),
}

impl Line<'_> {
    fn name(&self) -> &str {
        if self.library.is_some() { "library_log" } else { &self.message }
    }

    /// As the predecessor spelt the levels.
    fn level(&self) -> &'static str {
        match self.level {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        }
    }

    /// One JSON object and the line's end.
    pub(super) fn json(&self) -> String {
        let mut out = String::with_capacity(256);
        out.push('{');
        member(&mut out, "timestamp", &quoted(&clock::iso(self.ms)));
        member(&mut out, "level", &quoted(self.level()));
        member(&mut out, "event", &quoted(self.name()));
        if let Some(target) = self.library {
            member(&mut out, "target", &quoted(target));
            member(&mut out, "message", &quoted(&self.message));
        }
        for (name, value) in &self.fields {
            let taken = matches!(*name, "timestamp" | "level" | "event");
            let taken = taken || (self.library.is_some() && matches!(*name, "target" | "message"));
            let name = if taken { format!("{name}_") } else { (*name).to_owned() };
            match value {
                FieldValue::Text(text) => member(&mut out, &name, &quoted(text)),
                FieldValue::Json(json) => member(&mut out, &name, json),
            }
        }
        out.push_str("}\n");
        out
    }

    /// Time, level, name and fields; texts of several lines stand below, indented. Control characters are escaped, since
    /// a handler's words must not move the cursor of the reader's terminal.
    pub(super) fn text(&self, colour: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let code = match self.level {
            Level::ERROR => "1;31",
            Level::WARN => "33",
            Level::INFO => "32",
            Level::DEBUG => "34",
            Level::TRACE => "35",
        };
        let time = clock::iso(self.ms);
        let time = time.get(11..).unwrap_or(&time);
        let level = format!("{:<7}", self.level());
        let name = self.library.map_or_else(|| printable(&self.message), |target| format!("{target}:"));
        let mut out = format!("{} {} {}", paint("2", time), paint(code, &level), paint("1", &name));
        if self.library.is_some() {
            let _ = write!(out, " {}", printable(&self.message));
        }
        let mut below = String::new();
        for (name, value) in &self.fields {
            match value {
                FieldValue::Text(text) if text.contains('\n') => {
                    let _ = write!(below, "    {}", paint("2", &format!("{name}:\n")));
                    for line in text.lines() {
                        let _ = writeln!(below, "      {}", printable(line));
                    }
                }
                FieldValue::Text(text) => {
                    let text =
                        if text.is_empty() || text.contains([' ', '"']) { quoted(text) } else { printable(text) };
                    let _ = write!(out, " {}{}", paint("2", &format!("{name}=")), printable(&text));
                }
                FieldValue::Json(json) => {
                    let _ = write!(out, " {}{}", paint("2", &format!("{name}=")), printable(json));
                }
            }
        }
        out.push('\n');
        out.push_str(&below);
        out
    }
}

fn member(out: &mut String, name: &str, json: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(&quoted(name));
    out.push(':');
    out.push_str(json);
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written as JSON")
}

fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}
