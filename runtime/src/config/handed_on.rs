//! The properties that are handed on to Kafka's client (librdkafka), and those that may not be.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::source::{HANDED_ON, Source, dotenv_text};
use weir_core::hint;

/// Properties of librdkafka that are not passed on because Weir has a setting for each.
const SETTINGS: &[(&str, &str)] = &[
    ("bootstrap.servers", "KAFKA_BOOTSTRAP_SERVERS"),
    ("metadata.broker.list", "KAFKA_BOOTSTRAP_SERVERS"),
    ("group.id", "KAFKA_GROUP_ID"),
    ("auto.offset.reset", "KAFKA_AUTO_OFFSET_RESET"),
    ("security.protocol", "KAFKA_SECURITY_PROTOCOL"),
    ("sasl.mechanism", "KAFKA_SASL_MECHANISM"),
    ("sasl.mechanisms", "KAFKA_SASL_MECHANISM"),
    ("sasl.username", "KAFKA_SASL_USERNAME"),
    ("sasl.password", "KAFKA_SASL_PASSWORD"),
    ("ssl.ca.location", "KAFKA_SSL_CA_LOCATION"),
    ("ssl.certificate.location", "KAFKA_SSL_CERTIFICATE_LOCATION"),
    ("ssl.key.location", "KAFKA_SSL_KEY_LOCATION"),
    ("ssl.key.password", "KAFKA_SSL_KEY_PASSWORD"),
];

/// Properties of librdkafka that are not passed on because correctness rests on them, and why, perhaps with a hint.
const REFUSED: &[(&str, &str)] = &[
    ("enable.auto.commit", "Kafka's own commits run ahead of the transaction that holds an event's effects"),
    ("auto.commit.enable", "Kafka's own commits run ahead of the transaction that holds an event's effects"),
    ("auto.commit.interval.ms", "Weir commits offsets itself, after the transaction"),
    ("enable.auto.offset.store", "Weir commits offsets itself, after the transaction"),
    ("offset.store.method", "progress is kept in MongoDB"),
    ("offset.store.path", "progress is kept in MongoDB"),
    ("partition.assignment.strategy", "a partition is drained before it is given back, which needs cooperative-sticky"),
    ("group.protocol", "a partition is claimed in answer to its assignment, which needs the classic protocol"),
    ("group.remote.assignor", "it belongs to another group protocol than Weir's"),
    ("group.instance.id", "a static member keeps its partitions after it has stopped, and another of its name ends it"),
    ("isolation.level", "records of an aborted transaction would become events"),
    ("check.crcs", "a record that was damaged on the way would become another event"),
    (
        "allow.auto.create.topics",
        "a topic that Kafka creates by itself has one partition\nhint: create the topic before",
    ),
    ("topic.blacklist", "a topic that is hidden is not read\nhint: KAFKA_TOPIC says which topics are read"),
    (
        "test.mock.num.brokers",
        "the client would invent brokers and not connect to Kafka\nhint: `weir run --embedded` reads records of a file",
    ),
    ("enable.partition.eof", "the end of a partition is no record"),
    ("statistics.interval.ms", "readiness, lag and the growth of topics are taken from the statistics"),
];

/// Parts of the names of secrets. Such a property is not passed on, because the properties are shown.
const SECRET: [&str; 4] = ["password", "secret", "passphrase", "key.pem"];
const OF_SECRET: &str = "it holds a secret, and these properties are shown\nhint: set KAFKA_SSL_KEY_LOCATION, \
                         KAFKA_SASL_PASSWORD or KAFKA_SASL_OAUTHBEARER_TOKEN_PATH";

/// The properties for librdkafka from all places. For each property, the strongest place counts.
#[derive(Default)]
pub(super) struct HandedOn {
    given: BTreeMap<String, (String, Source)>,
}

impl HandedOn {
    /// Reads the environment. `KAFKA__FETCH_MIN_BYTES` is `fetch.min.bytes`, because no property of librdkafka has an
    /// underscore. A variable that is set but empty counts as not set.
    pub(super) fn of_environment(&mut self, variables: &[(OsString, OsString)]) {
        let texts = variables.iter().filter_map(|(name, text)| Some((name.to_str()?, text.to_str()?)));
        texts.for_each(|(name, text)| self.named(name, text, Source::Environment));
    }

    /// Does the same for `.env`, whose faulty lines have already been reported.
    pub(super) fn of_dotenv(&mut self, text: &str) {
        let text = dotenv_text(text);
        let lines: Vec<_> = dotenvy::from_read_iter(text.as_bytes()).filter_map(Result::ok).collect();
        // If a name occurs twice the last line counts, so that one must come first.
        lines.iter().rev().for_each(|(name, text)| self.named(name, text, Source::DotEnv));
    }

    fn named(&mut self, name: &str, text: &str, source: Source) {
        let name = name.to_ascii_uppercase();
        if let Some(property) = name.strip_prefix(HANDED_ON).filter(|_| !text.is_empty()) {
            self.give(property.to_ascii_lowercase().replace('_', "."), text.to_owned(), source);
        }
    }

    /// Reads the table `[kafka]`: `fetch.min.bytes = 1`, which in TOML is a table in a table, or the name in quotes.
    pub(super) fn of_toml(&mut self, value: &toml::Value, file: &str, wrong: &mut Vec<String>) {
        match value.as_table() {
            Some(table) => self.of_table(table, "", file, wrong),
            None => {
                wrong
                    .push(format!("kafka is {value} ({file}), but must be a table [kafka] of librdkafka's properties"));
            }
        }
    }

    fn of_table(&mut self, table: &toml::Table, before: &str, file: &str, wrong: &mut Vec<String>) {
        for (key, value) in table {
            let name = format!("{before}{key}");
            let text = match value {
                toml::Value::Table(inner) => {
                    self.of_table(inner, &format!("{name}."), file, wrong);
                    continue;
                }
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                _ => {
                    let kind = value.type_str();
                    wrong.push(format!(
                        "{name} in [kafka] is of type {kind} ({file}), but must be a text, a number, true or false"
                    ));
                    continue;
                }
            };
            self.give(name, text, Source::Toml(file.to_owned()));
        }
    }

    fn give(&mut self, name: String, text: String, source: Source) {
        self.given.entry(name).or_insert((text, source));
    }

    /// Returns the properties, and adds to `wrong` those that may not be passed on.
    pub(super) fn properties(self, wrong: &mut Vec<String>) -> BTreeMap<String, String> {
        for (name, (_, source)) in &self.given {
            if let Some(why) = refused(name) {
                wrong.push(format!("kafka.{name} ({source}) may not be set: {why}"));
            }
        }
        self.given.into_iter().map(|(name, (text, _))| (name, text)).collect()
    }
}

/// Returns why a property may not be passed on, perhaps with a hint.
fn refused(name: &str) -> Option<String> {
    if let Some((_, setting)) = SETTINGS.iter().find(|(refused, _)| *refused == name) {
        return Some(hint::with("Weir has a setting for it", &format!("set {setting}")));
    }
    let known = REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why);
    let secret = SECRET.iter().any(|part| name.contains(part)).then_some(OF_SECRET);
    known.or(secret).map(str::to_owned)
}
