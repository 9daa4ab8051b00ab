//! Turns the contents of all places into the settings: decides which place wins, and collects everything that is wrong.

use std::collections::BTreeMap;

use super::error::suggesting;
use super::found::Found;
use super::handed_on::HandedOn;
use super::handlers::Retry;
use super::source::{Entry, Source};
use super::sources::{self, Sources};
use super::{Ceiling, Error, HandlerSettings, Setting, Settings, is_handler_name, kafka, limits, settings, table};
use weir_core::hint;
use weir_sandbox::Limits;

pub(super) fn load(sources: &Sources) -> Result<Settings, Error> {
    let mut found = Found::new(table());
    found.take(sources::of_flags(&sources.flags));
    let entries = sources::of_environment(&sources.environment, &mut found.wrong);
    found.take(entries);
    let mut handed_on = HandedOn::default();
    handed_on.of_environment(&sources.environment);
    if let Some(text) = &sources.dotenv {
        let entries = sources::of_dotenv(text, &mut found.wrong);
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
        let retry = value.as_table_mut().map(|table| Retry::take(table, &place, file, wrong)).unwrap_or_default();
        let mut limits = limits.clone();
        set_limits(&mut limits, &value, &place, file, wrong);
        all.insert(name.clone(), HandlerSettings { limits, ceiling, retry });
    }
    all
}
