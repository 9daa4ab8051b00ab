//! One log line, as JSON or for people. Pure.
//!
//! Invariant: no line is longer than [`LINE_BYTES`], whatever it holds. The longest values are cut first, and a JSON
//! line that is cut is still JSON.

use std::borrow::Cow;
use std::fmt::Write;

use tracing::Level;

use weir_core::clock;

/// The most bytes of a line, with its line break.
pub(super) const LINE_BYTES: usize = 64 << 10;
/// The bytes that a line takes besides its message, names and values: braces, the time, the level, colours.
const LINE_OVERHEAD: usize = 256;
/// The bytes that a field takes besides its name and value: quotes, commas, colours.
const FIELD_OVERHEAD: usize = 32;
/// The most bytes of the mark at the end of a value that is cut.
const MARK_BYTES: usize = 48;

/// The content of a line.
pub(super) struct Line<'a> {
    pub(super) ms: i64,
    pub(super) level: Level,
    /// The target, if the line is a library's.
    pub(super) library: Option<&'a str>,
    /// The line's name, or a library's own words.
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, FieldValue)>,
}

pub(super) enum FieldValue {
    Text(String),
    /// JSON to be written as it is: a number, a boolean or an object.
    Json(String),
}

impl FieldValue {
    /// Returns the most bytes that the value takes in a line. For a value longer than a line, any number above that is
    /// right.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Json(text) if text.len() > LINE_BYTES => text.len(),
            Self::Text(text) => text.chars().map(cost).sum(),
            Self::Json(json) => json.chars().map(|c| if is_hidden(c) { 8 } else { c.len_utf8() }).sum(),
        }
    }

    /// Cuts the value to at most this many bytes of a line. JSON becomes the text of its beginning.
    fn cut(&mut self, most: usize) {
        if self.bytes() > most {
            let (Self::Text(text) | Self::Json(text)) = self;
            *self = Self::Text(cut(text, most));
        }
    }
}

impl Line<'_> {
    /// Cuts the values that make the line too long.
    fn fit(&mut self) {
        let target = self.library.map_or(0, str::len);
        let names: usize = self.fields.iter().map(|(name, _)| name.len() + FIELD_OVERHEAD).sum();
        let budget = LINE_BYTES.saturating_sub(LINE_OVERHEAD + target + names);
        let mut message = FieldValue::Text(std::mem::take(&mut self.message));
        let sizes = self.fields.iter().map(|(_, value)| value.bytes()).chain([message.bytes()]).collect();
        if let Some(most) = share(sizes, budget) {
            self.fields.iter_mut().for_each(|(_, value)| value.cut(most));
            message.cut(most);
        }
        let (FieldValue::Text(text) | FieldValue::Json(text)) = message;
        self.message = text;
    }

    fn name(&self) -> &str {
        if self.library.is_some() { "library_log" } else { &self.message }
    }

    /// Returns the level as the predecessor spelt it.
    fn level(&self) -> &'static str {
        match self.level {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        }
    }

    /// Returns one JSON object and a line break.
    pub(super) fn json(mut self) -> String {
        self.fit();
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
                FieldValue::Json(json) => member(&mut out, &name, &visible(json)),
            }
        }
        out.push_str("}\n");
        out
    }

    /// Returns time, level, name and fields. Texts of several lines follow below, indented. Control characters are
    /// escaped, because a handler's words must not move the cursor of the reader's terminal.
    pub(super) fn text(mut self, colour: bool) -> String {
        self.fit();
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
                    let _ = write!(out, " {}{}", paint("2", &format!("{name}=")), text);
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

/// Returns how many bytes each value may take so that all of them fit, or `None` if they fit as they are.
fn share(mut sizes: Vec<usize>, budget: usize) -> Option<usize> {
    sizes.sort_unstable();
    let (mut left, count) = (budget, sizes.len());
    for (at, size) in sizes.into_iter().enumerate() {
        let most = left / (count - at);
        if size > most {
            return Some(most);
        }
        left -= size;
    }
    None
}

/// Returns the most bytes that a character takes in either form. A line break also takes the next line's indentation.
fn cost(c: char) -> usize {
    match c {
        '\n' | '\0'..='\x1f' => 8,
        '"' | '\\' => 2,
        c if is_hidden(c) => 8,
        c => c.len_utf8(),
    }
}

/// Returns the beginning of the text, within this many bytes, and says at its end how long all of the text is.
fn cut(text: &str, most: usize) -> String {
    let mark = format!("… (cut: {} bytes in all)", text.len());
    debug_assert!(mark.len() <= MARK_BYTES, "a number has at most twenty digits");
    let mut left = most.saturating_sub(MARK_BYTES);
    let fits = |&(_, c): &(usize, char)| {
        let cost = cost(c);
        let fits = cost <= left;
        left = left.saturating_sub(cost);
        fits
    };
    let end = text.char_indices().take_while(fits).last().map_or(0, |(at, c)| at + c.len_utf8());
    text[..end].to_owned() + &mark
}

fn member(out: &mut String, name: &str, json: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(&quoted(name));
    out.push(':');
    out.push_str(json);
}

/// Returns the text as JSON, with every character escaped that a terminal or a reader would not show as it is.
fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a text can be written as JSON");
    visible(&json).into_owned()
}

/// Escapes the hidden characters of JSON, which only a string can hold.
pub(crate) fn visible(json: &str) -> Cow<'_, str> {
    if !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_hidden(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Returns whether a character moves a terminal's cursor, ends a line for some readers, or makes the text after it run
/// the other way. Characters below the space are not among them, because JSON escapes those anyway.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Returns the text with its control characters and its hidden ones escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_hidden(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
#[path = "log_line_test.rs"]
mod tests;
