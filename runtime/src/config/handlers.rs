//! The part of `weir.toml` about single handlers: their limits, and the most that each may ask for.

use std::collections::{BTreeMap, BTreeSet};

use weir_sandbox::Limits;

/// `[handlers.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandlerSettings {
    /// Its limits, which override those of `[limits]`.
    pub limits: Limits,
    /// The most that it may ask for.
    pub ceiling: Ceiling,
}

/// The most that a handler may ask for in `describe`. A part that is absent has no ceiling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// The event types that it may ask for.
    pub events: Option<BTreeSet<String>>,
    /// The collections that it may ask for, and what it may do with each.
    pub grants: Option<BTreeMap<String, Allowed>>,
}

/// The access to one collection that is allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Whether its documents may be found and counted.
    pub read: bool,
    /// Whether its documents may be inserted, updated, replaced and deleted.
    pub write: bool,
}

/// The ceiling of a handler whose table in `weir.toml` lacks `events` or `grants`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultCeiling {
    /// Whatever the handler asks for.
    Declared,
    /// Nothing.
    Nothing,
}

impl Ceiling {
    /// Takes `events` and `grants` out of a handler's table, and adds to `wrong` what is wrong with them.
    pub(super) fn take(table: &mut toml::Table, place: &str, file: &str, wrong: &mut Vec<String>) -> Self {
        let events = table.remove("events").map(|value| {
            texts(&value).map_or_else(
                || {
                    wrong.push(format!(
                        "events in {place} is {value} ({file}), but must be an array of event types, such as \
                         [\"UserCreated\"]"
                    ));
                    BTreeSet::new()
                },
                |texts| texts.into_iter().map(str::to_owned).collect(),
            )
        });
        let grants = table.remove("grants").map(|value| {
            allowed(&value).unwrap_or_else(|| {
                wrong.push(format!(
                    "grants in {place} is {value} ({file}), but must be a table of collections, such as \
                     {{ users = [\"read\", \"write\"] }}"
                ));
                BTreeMap::new()
            })
        });
        Self { events, grants }
    }

    /// Returns the same ceiling, but with nothing allowed in a part that had no ceiling.
    pub(super) fn closed(self) -> Self {
        Self { events: Some(self.events.unwrap_or_default()), grants: Some(self.grants.unwrap_or_default()) }
    }
}

/// Returns whether a handler may have this name.
#[must_use]
pub fn is_handler_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(fits)
}

fn texts(value: &toml::Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(toml::Value::as_str).collect()
}

fn allowed(value: &toml::Value) -> Option<BTreeMap<String, Allowed>> {
    let of_one = |words: &toml::Value| {
        let mut allowed = Allowed::default();
        for word in texts(words)? {
            match word {
                "read" => allowed.read = true,
                "write" => allowed.write = true,
                _ => return None,
            }
        }
        Some(allowed)
    };
    value.as_table()?.iter().map(|(collection, words)| Some((collection.clone(), of_one(words)?))).collect()
}
