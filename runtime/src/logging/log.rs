//! Log lines: one JSON object a line, or a line for people. The thread that logs a line completes it, and a separate
//! thread writes it. The log is flushed at the end, within a bound.
//!
//! The message of a `tracing` event is the line's name, in snake case. Its fields are members of the same object,
//! numbers as numbers. A field `fields` that holds an object's JSON is embedded as it is. If an error or a reason is
//! logged as `%error` or `%why` and its text has a hint, the hint becomes the field `hint`. Lines of libraries, through
//! `tracing` or `log`, are named `library_log`. Spans are not shown.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::embedded;
use super::log_line::{FieldValue, Line};
use super::log_queue::LogQueue;
use crate::config::{LogFormat, LogLevel};
use weir_core::clock;
use weir_core::hint;

/// How long writing the rest of the log may take when the process ends.
pub const LAST_LINES: Duration = Duration::from_secs(1);
/// How long writing to the standard error may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The exit status after a panic, the same as Rust's own.
const PANICKED: i32 = 101;

/// Weir's own packages. All begin with `weir`, for which `LOG_LEVEL` sets one level.
const OWN: [&str; 3] = ["weir", "weir_core", "weir_sandbox"];

/// The process's own queue, once it is initialised.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// Writes the process's log to its standard output from now on, and ends the process if any of its threads panics.
///
/// # Errors
/// It was called before, or the log's thread cannot be started.
pub fn init(format: LogFormat, level: &LogLevel) -> Result<(), Error> {
    let terminal = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let lines = Lines::start(format, terminal, Box::new(io::stdout()))?;
    QUEUE.set(lines.queue.clone()).map_err(|_| Error::Twice)?;
    let targets = targets(level);
    let subscriber = tracing_subscriber::registry().with(lines.clone().with_filter(targets.clone()));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::Twice)?;
    let most = level.libraries.iter().map(|(_, level)| *level).chain([Level::WARN]).max().unwrap_or(Level::WARN);
    log::set_max_level(log_level(most).to_level_filter());
    // This leaks a box, because nothing else here needs the feature of `log` that takes the box itself.
    log::set_logger(Box::leak(Box::new(LibraryLines { lines, targets }))).map_err(|_| Error::Twice)?;
    end_on_panics();
    Ok(())
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has been initialised already.
    #[error("the log has been initialised already")]
    Twice,
    /// Its thread cannot be started.
    #[error("no thread can be had for the log: {0}")]
    Thread(#[from] io::Error),
}

/// Logs a last line and waits until it is written. Returns whether a reader of the standard error has it, because the
/// log goes there.
pub fn shows(line: impl FnOnce()) -> bool {
    let before = lost();
    line();
    flush(LAST_LINES) && lost() == before && is_on_stderr()
}

/// Waits until every line is written, and returns whether it was in time. For the end of the process.
pub fn flush(within: Duration) -> bool {
    QUEUE.get().is_none_or(|queue| queue.flush(within))
}

/// Returns how many lines were lost because they were not read in time.
#[must_use]
pub fn lost() -> u64 {
    QUEUE.get().map_or(0, LogQueue::lost)
}

/// Returns whether the log has begun and goes where the standard error goes, such as to the same terminal. Then whoever
/// reads the standard error reads the log.
fn is_on_stderr() -> bool {
    let one = |descriptor: io::Result<OwnedFd>| {
        let file = descriptor.and_then(|descriptor| File::from(descriptor).metadata());
        file.map(|file| (file.dev(), file.ino())).ok()
    };
    let log = one(io::stdout().as_fd().try_clone_to_owned());
    QUEUE.get().is_some() && log.is_some() && log == one(io::stderr().as_fd().try_clone_to_owned())
}

/// Writes a text to the standard error, which may have no reader. So it waits only for a bounded time.
pub fn last_words(text: String) {
    let (written, waits) = sync_channel(1);
    let says = move || {
        let _ = io::stderr().write_all(text.as_bytes());
        let _ = written.send(());
    };
    if thread::Builder::new().spawn(says).is_ok() {
        let _ = waits.recv_timeout(LAST_WORDS);
    }
}

/// Libraries log from warnings on, because their lines are not made for the readers of this log.
fn targets(level: &LogLevel) -> Targets {
    let libraries = level.libraries.iter().map(|(library, level)| (library.as_str(), *level));
    Targets::new().with_default(Level::WARN).with_target("weir", level.weir).with_targets(libraries)
}

/// Whether everything has been given back and reported, so that a panic no longer matters.
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// Marks the host's work as done while its runtime ends. A task of MongoDB's driver that runs on meanwhile may panic,
/// because the driver's own tasks are gone already. That must not turn a good end into a bad one.
pub fn has_ended() {
    HAS_ENDED.store(true, Ordering::Relaxed);
}

/// Ends the process if any of its threads panics. Without that thread, the host would look alive and do half of its
/// work. So it ends like a host that was killed: nothing is given back, and the next owner of its partitions counts a
/// death.
fn end_on_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if HAS_ENDED.load(Ordering::Relaxed) {
            return;
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("a value that is no text");
        let shown = shows(|| tracing::error!(error = text, place, "panicked"));
        if !shown {
            last_words(format!("weir: the host has panicked at {place}: {text}\n"));
        }
        std::process::exit(PANICKED);
    }));
}

/// The destination of lines, and their form.
#[derive(Clone)]
struct Lines {
    form: Form,
    queue: LogQueue,
}

#[derive(Clone, Copy)]
struct Form {
    format: LogFormat,
    colour: bool,
}

impl Form {
    fn of(self, line: Line<'_>) -> String {
        match self.format {
            LogFormat::Json => line.json(),
            LogFormat::Text => line.text(self.colour),
        }
    }
}

impl Lines {
    fn start(format: LogFormat, colour: bool, out: Box<dyn Write + Send>) -> io::Result<Self> {
        let form = Form { format, colour };
        let lost = move |lines: u64| {
            let fields = vec![("lines", FieldValue::Json(lines.to_string()))];
            let message = "log_lines_lost".to_owned();
            form.of(Line { ms: clock::now_ms(), level: Level::WARN, library: None, message, fields })
        };
        Ok(Self { form, queue: LogQueue::start(out, lost)? })
    }

    fn write(&self, line: Line<'_>) {
        self.queue.push(&self.form.of(line));
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let target = event.metadata().target();
        let line = Line {
            ms: clock::now_ms(),
            level: *event.metadata().level(),
            library: (!is_own(target)).then_some(target),
            message: fields.message,
            fields: fields.others,
        };
        self.write(line);
    }
}

/// Returns whether a line with this target is Weir's own and no library's.
fn is_own(target: &str) -> bool {
    OWN.contains(&target.split("::").next().unwrap_or(target))
}

/// The message and the fields of an event.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, FieldValue)>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: FieldValue) {
        self.others.push((field.name(), value));
    }

    /// Adds a hint. An event may have one of its own and one of its error, which become one member.
    fn push_hint(&mut self, hint: String) {
        let there = self.others.iter_mut().find(|(name, _)| *name == "hint");
        match there {
            Some((_, FieldValue::Text(there))) if *there != hint => *there = format!("{there}; {hint}"),
            Some(_) => {}
            None => self.others.push(("hint", FieldValue::Text(hint))),
        }
    }

    fn push_text(&mut self, field: &Field, text: String) {
        match field.name() {
            "hint" => self.push_hint(text),
            "message" => self.message = text,
            "fields" => self.push(field, embedded::object(&text).map_or(FieldValue::Text(text), FieldValue::Json)),
            _ => self.push(field, FieldValue::Text(text)),
        }
    }
}

impl Visit for Fields {
    /// Receives errors, too, but no text that a handler chose: a hint is Weir's own advice.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if !["error", "why"].contains(&field.name()) {
            return self.push_text(field, text);
        }
        let (fact, hint) = hint::split(&text);
        self.push_text(field, fact);
        if let Some(hint) = hint {
            self.push_hint(hint);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        self.push_text(field, text);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, FieldValue::Json(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, FieldValue::Json(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, FieldValue::Json(value.to_string()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.push(field, FieldValue::Json(value.to_string()));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push(field, FieldValue::Json(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let number = serde_json::Number::from_f64(value).map(|number| number.to_string());
        self.push(field, number.map_or_else(|| FieldValue::Text(value.to_string()), FieldValue::Json));
    }
}

/// Lines of libraries that use the `log` crate, as rdkafka does.
struct LibraryLines {
    lines: Lines,
    targets: Targets,
}

impl log::Log for LibraryLines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.targets.would_enable(metadata.target(), &level(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.lines.write(Line {
                ms: clock::now_ms(),
                level: level(record.level()),
                library: Some(record.target()),
                message: record.args().to_string(),
                fields: Vec::new(),
            });
        }
    }

    fn flush(&self) {}
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::ERROR,
        log::Level::Warn => Level::WARN,
        log::Level::Info => Level::INFO,
        log::Level::Debug => Level::DEBUG,
        log::Level::Trace => Level::TRACE,
    }
}

fn log_level(level: Level) -> log::Level {
    match level {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        Level::DEBUG => log::Level::Debug,
        Level::TRACE => log::Level::Trace,
    }
}

#[cfg(test)]
#[path = "log_test.rs"]
pub(crate) mod tests;
