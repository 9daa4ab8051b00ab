//! The part of `weir.toml` about single handlers: their limits, the most that each may ask for, and how their failed
//! deliveries are tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::suggesting;
use weir_core::delivery::{MAY_PASS, OnDead};
use weir_sandbox::Limits;

/// `[handlers.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandlerSettings {
    /// Its limits, which override those of `[limits]`.
    pub limits: Limits,
    /// The most that it may ask for.
    pub ceiling: Ceiling,
    /// How its failed deliveries are tried again.
    pub retry: Retry,
}

/// `[handlers.NAME.retry]`. What it lacks is as the settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    /// Instead of `MAX_RETRIES`.
    pub max_retries: Option<u32>,
    /// The same for deliveries that failed for one of these reasons.
    pub max_retries_by_reason: BTreeMap<String, u32>,
    /// Instead of `RETRY_DELAY_SECONDS`.
    pub delay: Option<Duration>,
    /// Instead of `RETRY_MAX_DELAY_SECONDS`.
    pub max_delay: Option<Duration>,
    /// Instead of `RETRY_MAX_AGE_SECONDS`.
    pub max_age: Option<Duration>,
    /// Instead of `ON_DEAD`.
    pub on_dead: Option<OnDead>,
}

/// The names of what becomes of the later events of an aggregate.
pub(super) const ON_DEAD: &[(&str, OnDead)] = &[("hold", OnDead::Hold), ("skip", OnDead::Skip)];
/// The most retries.
const MOST_RETRIES: u32 = 1_000;
/// The most seconds of a delay and of an age.
const MOST_SECONDS: u64 = 31_536_000;

impl Retry {
    /// Takes `retry` out of a handler's table, and adds to `wrong` what is wrong with it.
    pub(super) fn take(table: &mut toml::Table, place: &str, file: &str, wrong: &mut Vec<String>) -> Self {
        let mut retry = Self::default();
        let Some(value) = table.remove("retry") else { return retry };
        let Some(given) = value.as_table() else {
            wrong.push(format!(
                "retry in {place} is {value} ({file}), but must be a table, such as {{ max_retries = 5, on_dead = \"skip\" }}"
            ));
            return retry;
        };
        for (name, value) in given {
            if let Err(must) = retry.set(name, value) {
                wrong.push(match must {
                    Some(must) => format!("{name} in retry of {place} is {value} ({file}), but must be {must}"),
                    None => {
                        suggesting(format!("{name} in retry of {place} ({file}) is no setting"), name, KEYS.into_iter())
                    }
                });
            }
        }
        retry
    }

    /// Sets one value. If that is wrong, returns what it must be, or none if there is no such name.
    fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), Option<String>> {
        match name {
            "max_retries" => self.max_retries = Some(retries(value)?),
            "delay_seconds" => self.delay = Some(seconds(value)?),
            "max_delay_seconds" => self.max_delay = Some(seconds(value)?),
            "max_age_seconds" => self.max_age = Some(seconds(value)?),
            "on_dead" => {
                let word = ON_DEAD.iter().find(|(word, _)| value.as_str() == Some(word));
                self.on_dead = Some(word.ok_or_else(|| Some("\"hold\" or \"skip\"".to_owned()))?.1);
            }
            "max_retries_by_reason" => {
                let must = || Some(format!("a table of numbers by these reasons: {}", MAY_PASS.join(", ")));
                for (reason, value) in value.as_table().ok_or_else(must)? {
                    if !MAY_PASS.contains(&reason.as_str()) {
                        return Err(must());
                    }
                    self.max_retries_by_reason.insert(reason.clone(), retries(value)?);
                }
            }
            _ => return Err(None),
        }
        Ok(())
    }
}

/// The names in `[handlers.NAME.retry]`.
const KEYS: [&str; 6] =
    ["max_retries", "max_retries_by_reason", "delay_seconds", "max_delay_seconds", "max_age_seconds", "on_dead"];

fn retries(value: &toml::Value) -> Result<u32, Option<String>> {
    let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| *number <= MOST_RETRIES)
        .ok_or_else(|| Some(format!("a whole number from 0 to {MOST_RETRIES}")))
}

fn seconds(value: &toml::Value) -> Result<Duration, Option<String>> {
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    number
        .filter(|number| *number <= MOST_SECONDS)
        .map(Duration::from_secs)
        .ok_or_else(|| Some(format!("a whole number of seconds from 0 to {MOST_SECONDS}")))
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
