//! Turns the contents of all places into the settings: decides which place wins, and collects everything that is wrong.

use std::collections::BTreeMap;

use super::check::Check;
use super::error::suggesting;
use super::kafka::{self, HandedOn};
use super::source::{self, Entry, Source, Sources};
use super::{Ceiling, Error, HandlerSettings, Origin, Setting, Settings, limits, settings, table};
use weir_core::hint;
use weir_sandbox::Limits;

pub(super) fn load(sources: &Sources) -> Result<Settings, Error> {
    let mut found = Found::default();
    found.take(source::of_flags(&sources.flags));
    let entries = source::of_environment(&sources.environment, &mut found.wrong);
    found.take(entries);
    let mut handed_on = HandedOn::default();
    handed_on.of_environment(&sources.environment);
    if let Some(text) = &sources.dotenv {
        let entries = source::of_dotenv(text, &mut found.wrong);
        found.take(entries);
        handed_on.of_dotenv(text);
    }
    let mut limits = Limits::default();
    let mut handler_settings = BTreeMap::new();
    if let Some((path, text)) = &sources.toml {
        let file = path.display().to_string();
        let mut given = toml_table(text, &file, &mut found.wrong);
        if let Some(value) = given.remove("limits") {
            set_limits(&mut limits, &value, "[limits]", &file, &mut found.wrong);
        }
        if let Some(value) = given.remove("handlers") {
            handler_settings = of_handlers(&limits, &value, &file, &mut found.wrong);
        }
        if let Some(value) = given.remove("kafka") {
            handed_on.of_toml(&value, &file, &mut found.wrong);
        }
        let entries = of_toml(&given, &file, &mut found.wrong);
        found.take(entries);
    }
    let kafka_properties = handed_on.properties(&mut found.wrong);
    let settings = settings::fill(&mut found, limits, handler_settings, kafka_properties);
    found.check_databases();
    kafka::check_together(&mut found);
    match settings {
        Some(settings) if found.wrong.is_empty() => Ok(settings),
        _ => Err(Error::of(found.wrong)),
    }
}

/// The values from all places. For each setting, the strongest place counts.
#[derive(Default)]
pub(super) struct Found {
    /// `None` if a value was given that has already been reported as wrong.
    given: BTreeMap<&'static str, Option<(String, Source)>>,
    origins: Vec<Origin>,
    wrong: Vec<String>,
}

impl Found {
    /// Takes a place's values for those settings that no stronger place gave.
    fn take(&mut self, entries: Vec<Entry>) {
        let mut taken = Vec::new();
        for entry in entries {
            let name = entry.setting.name;
            if taken.contains(&name) {
                let place = entry.source;
                self.wrong.push(format!("{name} and {name}_FILE are both set ({place}), but only one of them may be"));
                self.given.insert(name, None);
            } else if !self.given.contains_key(name) {
                taken.push(name);
                let value = if entry.in_file { self.read_file(entry) } else { Some((entry.text, entry.source)) };
                self.given.insert(name, value);
            }
        }
    }

    fn read_file(&mut self, entry: Entry) -> Option<(String, Source)> {
        let Entry { setting, text: path, source, .. } = entry;
        match std::fs::read_to_string(&path) {
            Ok(text) => Some((text.trim().to_owned(), Source::File { named_in: Box::new(source), path })),
            Err(error) => {
                self.wrong
                    .push(format!("{}_FILE is \"{path}\" ({source}), which cannot be read: {error}", setting.name));
                None
            }
        }
    }

    /// Returns the setting's value. If it is wrong, reports that and returns `None`.
    pub(super) fn read<T: 'static>(&mut self, name: &'static str, check: &Check<T>) -> Option<T> {
        let allowed = &check.allowed;
        let Some(given) = self.given.get(name) else {
            let default = check.default.map(|text| check.read(text).expect("a default passes its own check"));
            let value = default.or_else(|| check.absent.map(|absent| absent()));
            if value.is_none() {
                self.wrong.push(format!("{name} is not set, but must be {allowed}"));
            }
            return value;
        };
        let (text, source) = given.as_ref()?;
        let value = check.read(text);
        if value.is_some() {
            let value = if check.secret { "***".to_owned() } else { text.clone() };
            self.origins.push(Origin { name, value, source: source.to_string(), later: check.later });
        } else if check.secret {
            self.wrong.push(format!("{name} ({source}) must be {allowed}"));
        } else {
            let why = check.why.and_then(|why| why(text)).map_or_else(String::new, |why| format!(": {why}"));
            self.wrong.push(format!("{name} is {text:?} ({source}), but must be {allowed}{why}"));
        }
        value
    }

    pub(super) fn origins(&self) -> Vec<Origin> {
        self.origins.clone()
    }

    /// MongoDB takes names that differ only in case for the same database.
    fn check_databases(&mut self) {
        let (own, handlers) = (self.text("WEIR_DATABASE"), self.text("MONGODB_DATABASE"));
        if own.eq_ignore_ascii_case(&handlers) {
            self.wrong.push(format!(
                "WEIR_DATABASE is {own:?} and MONGODB_DATABASE is {handlers:?}, but they must be two databases: handlers \
                 would reach Weir's own collections"
            ));
        }
    }

    /// Reports something that is wrong.
    pub(super) fn complain(&mut self, wrong: String) {
        self.wrong.push(wrong);
    }

    /// Returns whether a place gave the setting.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Returns the setting's text, or its default's.
    pub(super) fn text(&self, name: &str) -> String {
        let given = self.given.get(name).and_then(Option::as_ref).map(|(text, _)| text.clone());
        let default = || table().iter().find(|setting| setting.name == name).and_then(|setting| setting.default);
        given.unwrap_or_else(|| default().unwrap_or_default().to_owned())
    }
}

/// Parses the file. The parser's own error quotes the line, which may hold a secret, so that error is not shown.
fn toml_table(text: &str, file: &str, wrong: &mut Vec<String>) -> toml::Table {
    text.parse().unwrap_or_else(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        wrong.push(format!("{file} is not TOML: line {line}: {}", error.message()));
        toml::Table::new()
    })
}

fn of_toml(given: &toml::Table, file: &str, wrong: &mut Vec<String>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (key, value) in given {
        let Some((setting, in_file)) = keyed(key) else {
            let names = table().iter().map(|setting| setting.key.as_str()).chain(["limits", "handlers", "kafka"]);
            wrong.push(suggesting(format!("{key} is not a setting ({file})"), key, names));
            continue;
        };
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            _ => {
                let allowed = &setting.allowed;
                wrong.push(format!("{key} is of type {} ({file}), but must be {allowed}", value.type_str()));
                continue;
            }
        };
        entries.push(Entry { setting, in_file, text, source: Source::Toml(file.to_owned()) });
    }
    entries
}

fn keyed(key: &str) -> Option<(&'static Setting, bool)> {
    let exact = table().iter().find(|setting| setting.key == key).map(|setting| (setting, false));
    exact.or_else(|| {
        let of = key.strip_suffix("_file")?;
        table().iter().find(|setting| setting.secret && setting.key == of).map(|setting| (setting, true))
    })
}

fn set_limits(limits: &mut Limits, value: &toml::Value, place: &str, file: &str, wrong: &mut Vec<String>) {
    match value.as_table() {
        Some(given) => limits::set(limits, given, place, file, wrong),
        None => wrong.push(format!("{place} is {value} ({file}), but must be a table of limits")),
    }
}

fn of_handlers(
    limits: &Limits,
    value: &toml::Value,
    file: &str,
    wrong: &mut Vec<String>,
) -> BTreeMap<String, HandlerSettings> {
    let Some(handlers) = value.as_table() else {
        let fact = format!("handlers is {value} ({file}), but must be tables [handlers.NAME] of limits");
        wrong.push(hint::with(&fact, "handlers_folder is the folder of the handlers"));
        return BTreeMap::new();
    };
    let mut all = BTreeMap::new();
    for (name, value) in handlers {
        let place = format!("[handlers.{name}]");
        if !is_handler_name(name) {
            let fact = format!("{place} ({file}) names no handler");
            wrong.push(hint::with(&fact, "a handler's name is 1 to 63 of the letters a-z, digits and '-'"));
            continue;
        }
        let mut value = value.clone();
        let ceiling = value.as_table_mut().map(|table| Ceiling::take(table, &place, file, wrong)).unwrap_or_default();
        let mut limits = limits.clone();
        set_limits(&mut limits, &value, &place, file, wrong);
        all.insert(name.clone(), HandlerSettings { limits, ceiling });
    }
    all
}

fn is_handler_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(fits)
}
