//! Every setting. Its name, default, check and help are written once, in `settings`, and the flags, `weir.toml`, the
//! error texts and the reference page are made from them.
//!
//! A setting is taken from the first of: flag, environment, `.env`, `weir.toml`, default. This module reads those and
//! nothing else. It must not know what a setting is used for, nor talk to Kafka or MongoDB.
//!
//! Invariant: a [`Settings`] that exists has passed every check, and printing it or an [`Error`] never shows a secret.

mod check;
mod error;
mod found;
mod handed_on;
mod handlers;
mod kafka;
mod limits;
mod load;
mod secret;
mod security;
mod settings;
mod source;
mod sources;
mod unverified;

#[cfg(test)]
mod documents_test;
#[cfg(test)]
mod kafka_test;
#[cfg(test)]
#[path = "config/config_test.rs"]
mod tests;

pub use check::LogLevel;
pub use error::Error;
pub use handlers::{Allowed, Ceiling, DefaultCeiling, HandlerSettings, is_handler_name};
pub use secret::Secret;
pub use security::{SaslMechanism, SecurityProtocol};
pub use settings::{LogFormat, Settings, table};
pub use source::Source;
pub use sources::Sources;

use weir_core::consumer::topics::OffsetReset;
use weir_core::delivery::RetryPolicy;
use weir_core::event;
use weir_sandbox::Limits;

/// One row of the table of settings.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "columns of a table, each of them a fact of its own")]
pub struct Setting {
    /// The name in the environment and in `.env`, in upper case.
    pub name: &'static str,
    /// The flag, such as `kafka-topic`.
    pub flag: String,
    /// The key in `weir.toml`, such as `kafka_topic`.
    pub key: String,
    /// What it is for, in a sentence or two.
    pub help: String,
    /// What is allowed, to follow the words "must be".
    pub allowed: String,
    /// The default, as it would be written, or `None` if the setting is required or may be absent.
    pub default: Option<&'static str>,
    /// Whether the start fails if it is not set.
    pub required: bool,
    /// Whether it is never shown, and may be given as a file with `NAME_FILE`.
    pub secret: bool,
    /// Whether it is checked, but without effect in this version.
    pub later: bool,
    /// Whether the flag may be given without a value, which then means `true`.
    pub switch: bool,
}

/// Where a setting that is not at its default comes from, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The setting's name.
    pub name: &'static str,
    /// Its value as it may be shown.
    pub value: String,
    /// Where it was found, such as `.env`.
    pub source: String,
    /// Whether it has no effect in this version.
    pub later: bool,
}

impl Settings {
    /// Loads the settings of a process from its flags, environment, `.env` and `weir.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub fn load(sources: &Sources) -> Result<Self, Error> {
        load::load(sources)
    }

    /// Makes settings from these names and values and the defaults, without looking at files or the environment.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub fn of(values: &[(&str, &str)]) -> Result<Self, Error> {
        let flags = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load::load(&Sources { flags, ..Sources::default() })
    }

    /// Adapts the settings to a Kafka that is embedded at `brokers`. It is read from its beginning, into databases of
    /// its own, whose names end in `_embedded`, so that no other documents or progress are touched.
    #[must_use]
    pub fn for_embedded(mut self, brokers: &str) -> Self {
        brokers.clone_into(&mut self.kafka_bootstrap_servers);
        self.kafka_auto_offset_reset = OffsetReset::Earliest;
        // The embedded Kafka uses no TLS and asks for no login.
        self.kafka_security_protocol = SecurityProtocol::Plaintext;
        self.kafka_sasl_mechanism = None;
        self.kafka_properties.clear();
        self.mongodb_database.push_str("_embedded");
        self.weir_database.push_str("_embedded");
        self
    }

    /// Returns how records become events.
    #[must_use]
    pub fn decoding(&self) -> event::Settings {
        event::Settings {
            snapshot_events: self.snapshot_events,
            columns: self.outbox_columns.clone(),
            others: self.outbox_other_columns.clone(),
        }
    }

    /// Returns the limits of a handler: `[handlers.NAME]` over `[limits]` over the defaults.
    #[must_use]
    pub fn limits_of(&self, handler: &str) -> &Limits {
        self.handler_settings.get(handler).map_or(&self.limits, |settings| &settings.limits)
    }

    /// Returns the most that a handler may ask for: what `[handlers.NAME]` says, or what `HANDLER_DEFAULT_CEILING` says
    /// if that says nothing.
    #[must_use]
    pub fn ceiling_of(&self, handler: &str) -> Ceiling {
        let own = self.handler_settings.get(handler).map(|settings| settings.ceiling.clone()).unwrap_or_default();
        match self.handler_default_ceiling {
            DefaultCeiling::Declared => own,
            DefaultCeiling::Nothing => own.closed(),
        }
    }

    /// Returns how a handler's failed deliveries are tried again: as `[handlers.NAME.retry]` says, or else the settings.
    #[must_use]
    pub fn policy_of(&self, handler: &str) -> RetryPolicy {
        let own = self.handler_settings.get(handler).map(|settings| settings.retry.clone()).unwrap_or_default();
        RetryPolicy {
            max_retries: own.max_retries.unwrap_or(self.max_retries),
            max_retries_by_reason: own.max_retries_by_reason,
            delay: own.delay.unwrap_or(self.retry_delay),
            longest_delay: own.max_delay.unwrap_or(self.retry_max_delay),
            longest_time: own.max_age.unwrap_or(self.retry_max_age),
            on_dead: own.on_dead.unwrap_or(self.on_dead),
        }
    }
}
