//! The values that were found, and everything that is wrong with them.

use std::collections::BTreeMap;

use super::check::Check;
use super::source::{Entry, Source};
use super::{Origin, Setting};

/// The values from all places. For each setting, the strongest place counts.
pub(super) struct Found {
    table: &'static [Setting],
    /// `None` if a value was given that has already been reported as wrong.
    given: BTreeMap<&'static str, Option<(String, Source)>>,
    origins: Vec<Origin>,
    pub(super) wrong: Vec<String>,
}

impl Found {
    /// Creates it without any value. `table` has the defaults.
    pub(super) fn new(table: &'static [Setting]) -> Self {
        Self { table, given: BTreeMap::new(), origins: Vec::new(), wrong: Vec::new() }
    }

    /// Takes a place's values for those settings that no stronger place gave.
    pub(super) fn take(&mut self, entries: Vec<Entry>) {
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
    pub(super) fn check_databases(&mut self) {
        let (own, handlers) = (self.text("WEIR_DATABASE"), self.text("MONGODB_DATABASE"));
        if own.eq_ignore_ascii_case(&handlers) {
            self.wrong.push(format!(
                "WEIR_DATABASE is {own:?} and MONGODB_DATABASE is {handlers:?}, but they must be two databases: handlers \
                 would reach Weir's own collections"
            ));
        }
    }

    /// Returns whether a place gave the setting.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Returns the setting's text, or its default's.
    pub(super) fn text(&self, name: &str) -> String {
        let given = self.given.get(name).and_then(Option::as_ref).map(|(text, _)| text.clone());
        let default = || self.table.iter().find(|setting| setting.name == name).and_then(|setting| setting.default);
        given.unwrap_or_else(|| default().unwrap_or_default().to_owned())
    }
}
