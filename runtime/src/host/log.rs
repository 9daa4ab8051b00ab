//! What a handler logs and prints.
//!
//! Lines over `log_bytes` are counted and dropped; neither `log` nor printing ever fails for it.

use serde_json::value::RawValue;

use super::State;
use super::bindings::weir::handler::log;

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

/// Where a handler prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Printed {
    Stdout,
    Stderr,
}

/// The lines of one delivery.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    lines: Vec<LogLine>,
    bytes_left: u64,
    dropped: u64,
    stdout: Partial,
    stderr: Partial,
}

/// A printed line that has not ended.
#[derive(Debug, Default)]
struct Partial {
    bytes: Vec<u8>,
    /// It is longer than what may still be kept.
    over: bool,
}

impl LogBuffer {
    pub(super) fn new(log_bytes: u64) -> Self {
        let (stdout, stderr) = (Partial::default(), Partial::default());
        Self { lines: Vec::new(), bytes_left: log_bytes, dropped: 0, stdout, stderr }
    }

    /// Keeps a line if there is room for it.
    pub(super) fn push(&mut self, level: Level, text: String, fields: Option<Box<RawValue>>) {
        let bytes = text.len() + fields.as_ref().map_or(0, |fields| fields.get().len());
        match self.bytes_left.checked_sub(bytes as u64 + LINE_COST) {
            Some(left) => {
                self.bytes_left = left;
                self.lines.push(LogLine { level, text, fields });
            }
            None => self.dropped += 1,
        }
    }

    /// Takes what was printed and keeps the lines that it completes.
    pub(super) fn print(&mut self, to: Printed, bytes: &[u8]) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.partial(to).extend(part);
            self.end_line(to);
        }
        self.partial(to).extend(last);
    }

    /// All lines, those that did not end too, and how many were dropped.
    pub(crate) fn finish(&mut self) -> (Vec<LogLine>, u64) {
        for to in [Printed::Stdout, Printed::Stderr] {
            let partial = self.partial(to);
            if partial.over || !partial.bytes.is_empty() {
                self.end_line(to);
            }
        }
        (std::mem::take(&mut self.lines), self.dropped)
    }

    fn partial(&mut self, to: Printed) -> PartialWithin<'_> {
        let partial = match to {
            Printed::Stdout => &mut self.stdout,
            Printed::Stderr => &mut self.stderr,
        };
        PartialWithin { partial, room: usize::try_from(self.bytes_left).unwrap_or(usize::MAX) }
    }

    fn end_line(&mut self, to: Printed) {
        let Partial { bytes, over } = std::mem::take(&mut *self.partial(to));
        if over {
            self.dropped += 1;
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_suffix('\r').unwrap_or(&text).to_owned();
        let level = match to {
            Printed::Stdout => Level::Info,
            Printed::Stderr => Level::Warn,
        };
        self.push(level, text, None);
    }
}

/// What a line counts beside its text, so that empty ones are bounded too.
const LINE_COST: u64 = 16;

struct PartialWithin<'a> {
    partial: &'a mut Partial,
    room: usize,
}

impl PartialWithin<'_> {
    fn extend(&mut self, bytes: &[u8]) {
        if self.over || bytes.len() > self.room.saturating_sub(self.partial.bytes.len()) {
            *self.partial = Partial { bytes: Vec::new(), over: true };
        } else {
            self.partial.bytes.extend_from_slice(bytes);
        }
    }
}

impl std::ops::Deref for PartialWithin<'_> {
    type Target = Partial;

    fn deref(&self) -> &Partial {
        self.partial
    }
}

impl std::ops::DerefMut for PartialWithin<'_> {
    fn deref_mut(&mut self) -> &mut Partial {
        self.partial
    }
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String, fields: Option<String>) -> wasmtime::Result<()> {
        self.called()?;
        self.crossed(message.len() + fields.as_ref().map_or(0, String::len))?;
        let level = match level {
            log::Level::Trace => Level::Trace,
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.shared.log().push(level, message, fields.as_deref().map(object));
        Ok(())
    }
}

/// The fields as an object: what is none is kept as the text of the one member `fields`, since logging never fails.
fn object(fields: &str) -> Box<RawValue> {
    let is_object = fields.trim_start().starts_with('{');
    let wrap = |text: &str| serde_json::value::to_raw_value(&serde_json::json!({ "fields": text }));
    let parsed = if is_object { RawValue::from_string(fields.to_owned()).ok() } else { None };
    parsed.or_else(|| wrap(fields).ok()).unwrap_or_else(|| RawValue::NULL.to_owned())
}

/// Passes the lines of a delivery on to the host's own log.
pub(crate) fn emit(handler: &str, event_id: &str, attempt: u32, lines: &[LogLine], dropped: u64) {
    macro_rules! line {
        ($level:ident, $line:expr) => {{
            let fields = $line.fields.as_ref().map(|fields| fields.get());
            tracing::$level!(target: "weir::guest", handler, event_id, attempt, text = $line.text, fields, "guest_log");
        }};
    }
    for line in lines {
        match line.level {
            Level::Trace => line!(trace, line),
            Level::Debug => line!(debug, line),
            Level::Info => line!(info, line),
            Level::Warn => line!(warn, line),
            Level::Error => line!(error, line),
        }
    }
    if dropped > 0 {
        tracing::warn!(target: "weir::guest", handler, event_id, attempt, dropped, "guest_log_dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(buffer: &mut LogBuffer) -> (Vec<String>, u64) {
        let (lines, dropped) = buffer.finish();
        (lines.into_iter().map(|line| format!("{} {}", line.level.as_str(), line.text)).collect(), dropped)
    }

    #[test]
    fn printed_bytes_become_lines() {
        let mut buffer = LogBuffer::new(1_000);
        buffer.print(Printed::Stdout, b"on");
        buffer.print(Printed::Stderr, b"panicked\n");
        buffer.print(Printed::Stdout, b"e\r\n\ntwo\nthr\xffee");
        let expected = ["warn panicked", "info one", "info ", "info two", "info thr\u{fffd}ee"];
        assert_eq!(texts(&mut buffer), (expected.map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn lines_over_the_limit_are_counted_and_short_ones_still_fit() {
        let mut buffer = LogBuffer::new(60);
        buffer.push(Level::Info, "x".repeat(45), None);
        buffer.print(Printed::Stdout, &[b'y'; 61]);
        buffer.print(Printed::Stdout, b"still the same line");
        buffer.print(Printed::Stdout, b"\n");
        buffer.push(Level::Info, "short".to_owned(), None);
        buffer.push(Level::Info, "short".to_owned(), None);
        buffer.push(Level::Info, "x".repeat(45), None);
        assert_eq!(texts(&mut buffer), (vec!["info short".to_owned(), "info short".to_owned()], 3));
    }

    #[test]
    fn fields_that_are_no_object_are_kept_as_text() {
        assert_eq!(object(r#"{"n": 1.10}"#).get(), r#"{"n": 1.10}"#);
        assert_eq!(object("[1]").get(), r#"{"fields":"[1]"}"#);
        assert_eq!(object("{broken").get(), r#"{"fields":"{broken"}"#);
    }
}
