//! The lines that a handler logs and prints.
//!
//! A delivery's lines are bounded in number and in the bytes that they take when they are written out. Lines over the
//! limit are dropped and counted, except for the last one, which most often says why the handler failed. A line that is
//! too long is cut. Neither `log` nor printing ever fails because of these limits.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use weir_core::call::{Level, LogLine};
use weir_core::cut;

/// The stream that a handler prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Printed {
    Stdout,
    Stderr,
}

/// The bytes that a line takes besides its text, its fields and the event's id: the names of the members, the time and
/// the handler.
const FRAME_BYTES: u64 = 256;

/// The most bytes that a line's text, and its fields, may take when they are written out.
const TEXT_BYTES: usize = 16 << 10;
const FIELDS_BYTES: usize = 8 << 10;

/// The most bytes that are reserved for the last line.
const LAST_BYTES: u64 = 4 << 10;

/// The lines of one delivery.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    lines: Vec<LogLine>,
    lines_left: u64,
    bytes_left: u64,
    /// The bytes that every line takes, whatever its text.
    frame: u64,
    /// The last of the lines that did not fit, and the bytes that are reserved for it.
    last: Option<LogLine>,
    last_bytes: u64,
    dropped: u64,
    stdout: Partial,
    stderr: Partial,
}

/// The beginning of a printed line that has not ended yet, and the length of the line so far.
#[derive(Debug, Default)]
struct Partial {
    kept: Vec<u8>,
    bytes: usize,
}

impl Partial {
    fn extend(&mut self, bytes: &[u8]) {
        let room = TEXT_BYTES.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.bytes = self.bytes.saturating_add(bytes.len());
    }
}

impl LogBuffer {
    /// Creates a buffer for the lines of an event, each of which carries the event's id.
    pub(super) fn new(log_bytes: u64, log_lines: u64, event_id: &str) -> Self {
        let last_bytes = LAST_BYTES.min(log_bytes / 4);
        Self {
            lines: Vec::new(),
            lines_left: log_lines,
            bytes_left: log_bytes - last_bytes,
            frame: FRAME_BYTES + written(event_id) as u64,
            last: None,
            last_bytes,
            dropped: 0,
            stdout: Partial::default(),
            stderr: Partial::default(),
        }
    }

    /// Keeps a line if there is room for it.
    pub(super) fn push(&mut self, level: Level, text: String, fields: Option<Box<RawValue>>) {
        let whole = text.len();
        self.keep(LogLine { level, text: fit(text, whole, TEXT_BYTES), fields });
    }

    fn keep(&mut self, line: LogLine) {
        let bytes = self.frame + written_line(&line);
        match self.bytes_left.checked_sub(bytes).filter(|_| self.lines_left > 0) {
            Some(left) => {
                self.bytes_left = left;
                self.lines_left -= 1;
                self.lines.push(line);
            }
            None => self.surplus(line),
        }
    }

    /// Keeps the line as the last one, in place of the one before, unless it is empty or does not fit.
    fn surplus(&mut self, line: LogLine) {
        if line.text.is_empty() && line.fields.is_none() {
            self.dropped += 1;
            return;
        }
        // The text is worth more than the fields, which are kept only if there is room left for them.
        let most = usize::try_from(self.last_bytes.saturating_sub(self.frame)).unwrap_or(usize::MAX);
        let whole = line.text.len();
        let text = fit(line.text, whole, most);
        let left = most.saturating_sub(written(&text));
        let fields = line.fields.filter(|fields| written(fields.get()) <= left);
        let fits = written(&text) <= most && self.last_bytes > self.frame;
        if !fits || self.last.replace(LogLine { level: line.level, text, fields }).is_some() {
            self.dropped += 1;
        }
    }

    /// Takes printed bytes and keeps the lines that they complete.
    pub(super) fn print(&mut self, to: Printed, bytes: &[u8]) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.partial(to).extend(part);
            self.end_line(to);
        }
        self.partial(to).extend(last);
    }

    /// Returns all lines, including those that did not end, and how many were dropped.
    pub(crate) fn finish(&mut self) -> (Vec<LogLine>, u64) {
        for to in [Printed::Stdout, Printed::Stderr] {
            if self.partial(to).bytes > 0 {
                self.end_line(to);
            }
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.extend(self.last.take());
        (lines, self.dropped)
    }

    fn partial(&mut self, to: Printed) -> &mut Partial {
        match to {
            Printed::Stdout => &mut self.stdout,
            Printed::Stderr => &mut self.stderr,
        }
    }

    fn end_line(&mut self, to: Printed) {
        let is_full = self.lines_left == 0 || self.bytes_left < self.frame;
        if is_full && self.partial(to).bytes == 0 {
            self.dropped += 1;
            return;
        }
        let Partial { kept, bytes } = std::mem::take(self.partial(to));
        let text = String::from_utf8_lossy(&kept);
        let text = text.strip_suffix('\r').unwrap_or(&text).to_owned();
        let whole = if bytes > kept.len() { bytes } else { text.len() };
        let level = match to {
            Printed::Stdout => Level::Info,
            Printed::Stderr => Level::Warn,
        };
        self.keep(LogLine { level, text: fit(text, whole, TEXT_BYTES), fields: None });
    }
}

/// Returns the bytes that a text takes when it is written out, in whichever log format takes more. Control characters,
/// and those that change the direction of writing, are escaped.
fn written(text: &str) -> usize {
    if is_plain(text) { text.len() } else { text.chars().map(written_letter).sum() }
}

/// Returns whether nothing in the text is escaped, in either format. This is true of most texts.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
}

fn written_letter(letter: char) -> usize {
    match letter {
        '"' | '\\' => 2,
        ' '..='~' => 1,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => 8,
        letter if letter.is_control() => 8,
        letter => letter.len_utf8(),
    }
}

fn written_line(line: &LogLine) -> u64 {
    (written(&line.text) + line.fields.as_ref().map_or(0, |fields| written(fields.get()))) as u64
}

/// Cuts the text so that it takes at most `most` bytes when it is written out. `whole` is the length of the full text,
/// of which `text` may already be only the beginning.
fn fit(mut text: String, whole: usize, most: usize) -> String {
    if whole == text.len() && whole <= most && is_plain(&text) {
        return text;
    }
    let (mut bytes, mut end) = (0, 0);
    for (at, letter) in text.char_indices() {
        bytes += written_letter(letter);
        if bytes + NOTE_BYTES <= most {
            end = at + letter.len_utf8();
        }
        if bytes > most {
            break;
        }
    }
    if bytes <= most && whole == text.len() {
        return text;
    }
    text.truncate(end);
    // Do not hold the memory of the part that was cut off.
    text.shrink_to_fit();
    let _ = write!(text, "… ({whole} bytes)");
    text
}

/// The most bytes that the note on a cut line takes.
const NOTE_BYTES: usize = 48;

/// Replaces an object that is too long with the beginning of its text.
fn fit_fields(fields: Box<RawValue>, most: usize) -> Box<RawValue> {
    if fields.get().len() <= most && written(fields.get()) <= most { fields } else { text_of_fields(fields.get()) }
}

/// Returns the fields as an object. Because logging never fails, a text that is not an object, or is too long, becomes
/// the only member, `fields`, of one.
pub(super) fn object(fields: &str) -> Box<RawValue> {
    let may_be_object = fields.len() <= FIELDS_BYTES && fields.trim_start().starts_with('{');
    let parsed = may_be_object.then(|| RawValue::from_string(fields.to_owned()).ok()).flatten();
    parsed.map_or_else(|| text_of_fields(fields), |object| fit_fields(object, FIELDS_BYTES))
}

fn text_of_fields(text: &str) -> Box<RawValue> {
    // A quote in the text takes one more escape when the object is written out.
    let whole = text.len();
    let kept = cut::prefix(text, FIELDS_BYTES).to_owned();
    let text = fit(kept, whole, FIELDS_BYTES / 2);
    let object = serde_json::value::to_raw_value(&serde_json::json!({ "fields": text }));
    object.unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(log_bytes: u64, log_lines: u64) -> LogBuffer {
        LogBuffer::new(log_bytes, log_lines, "e1")
    }

    fn texts(buffer: &mut LogBuffer) -> (Vec<String>, u64) {
        let (lines, dropped) = buffer.finish();
        (lines.into_iter().map(|line| format!("{} {}", line.level.as_str(), line.text)).collect(), dropped)
    }

    #[test]
    fn printed_bytes_become_lines() {
        let mut buffer = buffer(10_000, 100);
        buffer.print(Printed::Stdout, b"on");
        buffer.print(Printed::Stderr, b"panicked\n");
        buffer.print(Printed::Stdout, b"e\r\n\ntwo\nthr\xffee");
        let expected = ["warn panicked", "info one", "info ", "info two", "info thr\u{fffd}ee"];
        assert_eq!(texts(&mut buffer), (expected.map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn the_last_line_is_kept_and_those_between_are_counted() {
        // Three quarters of the buffer hold two lines of 358 bytes, and the rest holds a short last one.
        let mut buffer = buffer(1_100, 100);
        for line in 0..10 {
            buffer.push(Level::Info, format!("{line}{}", "x".repeat(99)), None);
        }
        buffer.push(Level::Error, "the reason".to_owned(), None);
        let (lines, dropped) = texts(&mut buffer);
        assert_eq!((lines.len(), dropped), (3, 8), "{lines:?}");
        assert_eq!(lines[2], "error the reason");
    }

    #[test]
    fn lines_are_bounded_in_number() {
        let mut buffer = buffer(1 << 20, 5);
        buffer.print(Printed::Stdout, &b"\n".repeat(100));
        let (lines, dropped) = buffer.finish();
        assert_eq!((lines.len(), dropped), (5, 95), "an empty line is not worth keeping as the last");
    }

    #[test]
    fn no_bytes_are_no_lines() {
        let mut buffer = buffer(0, 100);
        buffer.print(Printed::Stderr, b"one\ntwo");
        assert_eq!(texts(&mut buffer), (Vec::new(), 2));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_wherever_it_comes_from() {
        let long = format!("it failed because {}", "y".repeat(300_000));
        let mut printed = buffer(64 << 10, 100);
        printed.print(Printed::Stderr, long.as_bytes());
        let mut logged = buffer(64 << 10, 100);
        logged.push(Level::Error, long, None);
        for mut buffer in [printed, logged] {
            let (lines, dropped) = buffer.finish();
            assert_eq!((lines.len(), dropped), (1, 0));
            let text = &lines[0].text;
            assert!(text.starts_with("it failed because yyy") && text.len() <= TEXT_BYTES, "{} bytes", text.len());
            assert!(text.ends_with("… (300018 bytes)"), "{}", &text[text.len() - 40..]);
        }
    }

    #[test]
    fn lines_count_as_they_are_written() {
        assert_eq!(written("a\"\\é\0\u{9b}\u{202e}"), 1 + 2 + 2 + 2 + 8 + 8 + 8);
        for text in ["\0".repeat(64 << 10), "\u{85}".repeat(64 << 10), "\"".repeat(64 << 10)] {
            let mut buffer = buffer(1 << 20, 100);
            buffer.push(Level::Info, text.clone(), Some(object(&serde_json::json!({ "a": text }).to_string())));
            let (lines, _) = buffer.finish();
            let json = serde_json::to_string(&lines[0].text).expect("text is JSON");
            let fields = lines[0].fields.as_ref().map_or(0, |fields| fields.get().len());
            assert!(json.len() <= TEXT_BYTES + 2 && fields <= FIELDS_BYTES, "{} and {fields}", json.len());
        }
    }

    #[test]
    fn fields_that_are_no_object_are_kept_as_text() {
        assert_eq!(object(r#"{"n": 1.10}"#).get(), r#"{"n": 1.10}"#);
        assert_eq!(object("[1]").get(), r#"{"fields":"[1]"}"#);
        assert_eq!(object("{broken").get(), r#"{"fields":"{broken"}"#);
        let long = object(&"[".repeat(300_000));
        assert!(long.get().len() <= FIELDS_BYTES && long.get().ends_with("(300000 bytes)\"}"), "{}", long.get().len());
    }
}
