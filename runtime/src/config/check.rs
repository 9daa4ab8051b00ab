//! How a setting's text is read and checked. A check says what it allows in words that follow "must be".

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing::Level;

use super::Secret;
use super::error::suggesting;
use weir_core::consumer::topics::Topics;
use weir_core::event::{Columns, Field, Others, WrongColumns};

type Read<T> = Box<dyn Fn(&str) -> Option<T>>;

/// Reads a setting's text, and says what is allowed, what the default is and how the setting may be given.
pub(super) struct Check<T> {
    pub(super) allowed: String,
    pub(super) default: Option<&'static str>,
    pub(super) absent: Option<fn() -> T>,
    pub(super) secret: bool,
    pub(super) later: bool,
    pub(super) switch: bool,
    pub(super) why: Option<fn(&str) -> Option<String>>,
    read: Read<T>,
}

impl<T: 'static> Check<T> {
    /// Checks a required setting. `read` returns the value of a text, or `None` if the text is not `allowed`.
    pub(super) fn new(allowed: impl Into<String>, read: impl Fn(&str) -> Option<T> + 'static) -> Self {
        Self {
            allowed: allowed.into(),
            default: None,
            absent: None,
            secret: false,
            later: false,
            switch: false,
            why: None,
            read: Box::new(read),
        }
    }

    pub(super) fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }

    pub(super) fn optional(self) -> Check<Option<T>> {
        let Self { allowed, secret, later, switch, why, read, .. } = self;
        let read: Read<Option<T>> = Box::new(move |text| read(text).map(Some));
        Check { allowed, default: None, absent: Some(|| None), secret, later, switch, why, read }
    }

    /// Takes this value if the setting is not set.
    pub(super) fn absent(self, absent: fn() -> T) -> Self {
        Self { absent: Some(absent), ..self }
    }

    /// Explains what is wrong with a text that is not allowed, if more can be said about it.
    pub(super) fn because(self, why: fn(&str) -> Option<String>) -> Self {
        Self { why: Some(why), ..self }
    }

    /// Marks the setting as without effect in this version.
    pub(super) fn later(self) -> Self {
        Self { later: true, ..self }
    }

    /// Returns the value of a text, if it is allowed.
    pub(super) fn read(&self, text: &str) -> Option<T> {
        (self.read)(text)
    }

    fn map<U: 'static>(self, map: impl Fn(T) -> U + 'static) -> Check<U> {
        let Self { allowed, default, secret, later, switch, why, read, .. } = self;
        let read: Read<U> = Box::new(move |text| read(text).map(&map));
        Check { allowed, default, absent: None, secret, later, switch, why, read }
    }
}

/// A whole number within the range.
pub(super) fn whole<T: TryFrom<u64> + 'static>(min: u64, max: u64) -> Check<T> {
    Check::new(format!("a whole number from {min} to {max}"), move |text| {
        let number: u64 = text.trim().parse().ok()?;
        (min..=max).contains(&number).then(|| T::try_from(number).ok())?
    })
}

pub(super) fn milliseconds(min: u64, max: u64) -> Check<Duration> {
    with_unit(whole(min, max).map(Duration::from_millis), "of milliseconds")
}

pub(super) fn seconds(min: u64, max: u64) -> Check<Duration> {
    with_unit(whole(min, max).map(Duration::from_secs), "of seconds")
}

pub(super) fn hours(min: u64, max: u64) -> Check<Duration> {
    with_unit(whole(min, max).map(Duration::from_hours), "of hours")
}

pub(super) fn bytes(min: u64, max: u64) -> Check<usize> {
    with_unit(whole(min, max), "of bytes")
}

fn with_unit<T: 'static>(check: Check<T>, unit: &str) -> Check<T> {
    let allowed = check.allowed.replacen("number", &format!("number {unit}"), 1);
    Check { allowed, ..check }
}

/// A boolean, as Python's settings read one.
pub(super) fn truth() -> Check<bool> {
    Check { switch: true, ..Check::new("true or false", read_truth) }
}

/// Allows only false, because Kafka's own commits are never wanted.
pub(super) fn never_auto_commit() -> Check<bool> {
    let why = "false: Kafka's own commits run ahead of the transaction that holds an event's effects, so a crash would \
               lose events; Weir commits offsets itself";
    Check { switch: true, ..Check::new(why, |text| read_truth(text).filter(|asked| !asked)) }
}

fn read_truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// One of the names, in upper or lower case.
pub(super) fn one_of<T: Copy + 'static>(names: &'static [(&'static str, T)]) -> Check<T> {
    let list: Vec<_> = names.iter().map(|(name, _)| *name).collect();
    Check::new(list.join(" or "), move |text| named(names, text))
}

/// Returns what a text names, in whichever case it is written.
pub(super) fn named<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim())).map(|(_, value)| *value)
}

/// Letters, digits and `._-`, at most `max` of them.
pub(super) fn name(max: usize) -> Check<String> {
    Check::new(format!("1 to {max} of the letters a-z and A-Z, digits, '.', '_' and '-'"), move |text| {
        let fits = (1..=max).contains(&text.len()) && !matches!(text, "." | "..");
        (fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))).then(|| text.to_owned())
    })
}

/// Any text that is not empty, has no white space around it and no control characters in it.
pub(super) fn text() -> Check<String> {
    Check::new("a text of 1 to 255 characters on one line, without space around it", |text| {
        let fits = (1..=255).contains(&text.chars().count()) && text.trim() == text;
        (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
    })
}

/// A password: any text that is not empty.
pub(super) fn password() -> Check<Secret> {
    Check {
        secret: true,
        ..Check::new("a text that is not empty", |text| (!text.is_empty()).then(|| Secret::new(text)))
    }
}

/// A connection string of MongoDB.
pub(super) fn mongodb_uri() -> Check<Secret> {
    let allowed = "a connection string, mongodb://host:port or mongodb+srv://host";
    let check = Check::new(allowed, |text| {
        let text = text.trim();
        let rest = text.strip_prefix("mongodb://").or_else(|| text.strip_prefix("mongodb+srv://"))?;
        (!rest.is_empty()).then(|| Secret::uri(text))
    });
    Check { secret: true, ..check }
}

/// The name of a database for documents, but none of MongoDB's own.
pub(super) fn database() -> Check<String> {
    let allowed = "a database's name: 1 to 63 bytes, without space and /\\.\"$*<>:|?, and not admin, local or config";
    Check::new(allowed, |text| {
        let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control() || "/\\.\"$*<>:|?".contains(c));
        let own = ["admin", "local", "config"].iter().any(|own| own.eq_ignore_ascii_case(text));
        (plain && !own && (1..=63).contains(&text.len())).then(|| text.to_owned())
    })
}

/// Kafka's brokers.
pub(super) fn brokers() -> Check<String> {
    Check::new("host:port, several separated by commas", |text| {
        let brokers: Vec<_> = text.split(',').map(str::trim).collect();
        brokers.iter().all(|broker| is_broker(broker)).then(|| brokers.join(","))
    })
}

fn is_broker(text: &str) -> bool {
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (address, "9092"),
    };
    let host_fits = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
    host_fits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

pub(super) fn listen_address() -> Check<SocketAddr> {
    Check::new("address:port, such as 127.0.0.1:7070", |text| text.trim().parse().ok())
}

/// A file that is readable now.
pub(super) fn readable() -> Check<PathBuf> {
    Check::new("the path of a file that can be read", |text| {
        std::fs::File::open(text).is_ok().then(|| PathBuf::from(text))
    })
}

/// Names of topics, or a pattern.
pub(super) fn topics() -> Check<Topics> {
    let allowed = "1 to 249 of the letters a-z and A-Z, digits, '.', '_' and '-', several such names separated by commas, \
                   or one extended regular expression that begins with '^', such as ^outbox\\.event\\..*, without \
                   escaped letters, lazy repetitions and (?";
    Check::new(allowed, Topics::read)
}

pub(super) fn folder() -> Check<PathBuf> {
    Check::new("the path of a folder", |text| (!text.is_empty()).then(|| PathBuf::from(text)))
}

/// The names of the outbox's columns.
pub(super) fn columns() -> Check<Columns> {
    let fields = Field::ALL.map(Field::name).join(", ");
    let allowed = format!("pairs FIELD=COLUMN, separated by commas, where FIELD is one of {fields}, each at most once");
    Check::new(allowed, |text| Columns::parse(text).ok()).because(|text| {
        let wrong = Columns::parse(text).err()?;
        let fact = wrong.to_string();
        Some(match &wrong {
            WrongColumns::UnknownField(name) => suggesting(fact, name, Field::ALL.into_iter().map(Field::name)),
            WrongColumns::NoPair(_) | WrongColumns::Twice(_) => fact,
        })
    })
}

/// The other columns that handlers receive.
pub(super) fn other_columns() -> Check<Others> {
    Check::new("names of columns, separated by commas, or * for all", Others::parse)
}

/// How much is logged: of Weir's own lines, and of the libraries'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel {
    /// The least important of Weir's own lines that are written.
    pub weir: Level,
    /// The same for the libraries named here, by the start of a line's target. Other libraries log only warnings and
    /// errors.
    pub libraries: Vec<(String, Level)>,
}

pub(super) fn log_level() -> Check<LogLevel> {
    let allowed = "TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL, and for a library's lines more of the form \
                   library=LEVEL, separated by commas";
    Check::new(allowed, |text| {
        let (weir, libraries) = text.split_once(',').map_or((text, None), |(weir, rest)| (weir, Some(rest)));
        let libraries =
            libraries.map_or_else(|| Some(Vec::new()), |list| list.split(',').map(library_level).collect())?;
        Some(LogLevel { weir: level(weir)?, libraries })
    })
}

fn library_level(text: &str) -> Option<(String, Level)> {
    let (library, text) = text.split_once('=')?;
    let library = library.trim();
    (!library.is_empty()).then(|| Some((library.to_owned(), level(text)?)))?
}

fn level(text: &str) -> Option<Level> {
    match text.trim().to_ascii_uppercase().as_str() {
        "TRACE" => Some(Level::TRACE),
        "DEBUG" => Some(Level::DEBUG),
        "INFO" => Some(Level::INFO),
        "WARNING" | "WARN" => Some(Level::WARN),
        "ERROR" | "CRITICAL" => Some(Level::ERROR),
        _ => None,
    }
}
