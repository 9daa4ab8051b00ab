//! Lines of the host's log: macros with fields, the `log` facade, and the message of a panic.

use crate::{Document, extended, host};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For the handler's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Not as expected.
    Warn,
    /// Failed.
    Error,
}

/// Logs one line. The macros [`trace!`](crate::trace), [`debug!`](crate::debug), [`info!`](crate::info),
/// [`warn!`](crate::warn) and [`error!`](crate::error) call it.
pub fn log(level: Level, message: &str, fields: &Document) {
    if fields.is_empty() {
        host::log(level, message, None);
    } else {
        host::log(level, message, Some(&extended::render_plain(fields)));
    }
}

/// Logs a line at a level: `log_line!(Level::Info, "joined as {}", role; user = id, count = 3)`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $format:literal $(, $argument:expr)* $(,)? ; $($key:ident = $value:expr),+ $(,)?) => {{
        let mut fields = $crate::Document::new();
        $(fields.insert(::std::stringify!($key), &$value);)+
        $crate::log($crate::Level::$level, &::std::format!($format $(, $argument)*), &fields)
    }};
    ($level:ident, $($argument:tt)+) => {
        $crate::log($crate::Level::$level, &::std::format!($($argument)+), &$crate::Document::new())
    };
}

/// Logs a line at trace.
#[macro_export]
macro_rules! trace {
    ($($line:tt)+) => { $crate::__log!(Trace, $($line)+) };
}

/// Logs a line at debug.
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::__log!(Debug, $($line)+) };
}

/// Logs a line at info: `info!("joined as {role}"; user = id, count = 3)`. The fields follow a semicolon.
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::__log!(Info, $($line)+) };
}

/// Logs a line at warn.
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::__log!(Warn, $($line)+) };
}

/// Logs a line at error.
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::__log!(Error, $($line)+) };
}

/// The target of the `log` facade.
struct Facade;

impl ::log::Log for Facade {
    fn enabled(&self, _metadata: &::log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &::log::Record<'_>) {
        let level = match record.level() {
            ::log::Level::Trace => Level::Trace,
            ::log::Level::Debug => Level::Debug,
            ::log::Level::Info => Level::Info,
            ::log::Level::Warn => Level::Warn,
            ::log::Level::Error => Level::Error,
        };
        let fields = [("target", record.target())].into_iter().collect();
        log(level, &record.args().to_string(), &fields);
    }

    fn flush(&self) {}
}

/// Installs the facade and, in a component, the hook that logs a panic before it traps.
pub(crate) fn prepare() {
    if ::log::set_logger(&Facade).is_ok() {
        ::log::set_max_level(::log::LevelFilter::Trace);
    }
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(last_words));
}

/// Logs the panic's message and place, at error.
#[cfg(target_arch = "wasm32")]
fn last_words(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a panic without a text");
    match panic.location() {
        Some(place) => crate::error!("panicked at {place}: {message}"; file = place.file(), line = place.line()),
        None => crate::error!("panicked: {message}"),
    }
}
