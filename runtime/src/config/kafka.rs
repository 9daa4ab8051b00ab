//! How Kafka is reached: which settings go together, and what may be handed on to its client (librdkafka) as it is.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::load::Found;
use super::source::Source;

/// How a connection to Kafka is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encryption nor a login.
    Plaintext,
    /// TLS.
    Ssl,
    /// A login without encryption.
    SaslPlaintext,
    /// A login over TLS.
    SaslSsl,
}

/// How to log in to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// User and password as they are.
    Plain,
    /// User and password, never sent.
    ScramSha256,
    /// The same with the longer hash.
    ScramSha512,
    /// A token.
    OauthBearer,
}

pub(super) const SECURITY_PROTOCOLS: &[(&str, SecurityProtocol)] = &[
    ("PLAINTEXT", SecurityProtocol::Plaintext),
    ("SSL", SecurityProtocol::Ssl),
    ("SASL_PLAINTEXT", SecurityProtocol::SaslPlaintext),
    ("SASL_SSL", SecurityProtocol::SaslSsl),
];
pub(super) const SASL_MECHANISMS: &[(&str, SaslMechanism)] = &[
    ("PLAIN", SaslMechanism::Plain),
    ("SCRAM-SHA-256", SaslMechanism::ScramSha256),
    ("SCRAM-SHA-512", SaslMechanism::ScramSha512),
    ("OAUTHBEARER", SaslMechanism::OauthBearer),
];

impl SecurityProtocol {
    /// As the setting, and Kafka, spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        spelled(SECURITY_PROTOCOLS, self)
    }

    /// Whether it has TLS.
    #[must_use]
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    fn has_login(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl SaslMechanism {
    /// As the setting, and Kafka, spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        spelled(SASL_MECHANISMS, self)
    }
}

fn spelled<T: Copy + PartialEq>(names: &'static [(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, named)| *named == value).map_or("", |(name, _)| name)
}

const PROTOCOL: &str = "KAFKA_SECURITY_PROTOCOL";
const MECHANISM: &str = "KAFKA_SASL_MECHANISM";
const USERNAME: &str = "KAFKA_SASL_USERNAME";
const PASSWORD: &str = "KAFKA_SASL_PASSWORD";
const TOKEN: &str = "KAFKA_SASL_OAUTHBEARER_TOKEN_PATH";
const CERTIFICATE: &str = "KAFKA_SSL_CERTIFICATE_LOCATION";
const KEY: &str = "KAFKA_SSL_KEY_LOCATION";
const KEY_PASSWORD: &str = "KAFKA_SSL_KEY_PASSWORD";
const OF_LOGIN: [&str; 4] = [MECHANISM, USERNAME, PASSWORD, TOKEN];
const OF_TLS: [&str; 4] = ["KAFKA_SSL_CA_LOCATION", CERTIFICATE, KEY, KEY_PASSWORD];

/// What is wrong with the settings together: one that another needs and that is missing, or one that would have no
/// effect and so is probably a mistake.
pub(super) fn check_together(found: &mut Found) {
    let Some(protocol) = value(SECURITY_PROTOCOLS, &found.text(PROTOCOL)) else { return };
    let mut wrong = Vec::new();
    if protocol.has_login() {
        of_login(found, protocol, &mut wrong);
    } else {
        without_effect(found, &OF_LOGIN, protocol, "SASL_SSL or SASL_PLAINTEXT", &mut wrong);
    }
    if !protocol.has_tls() {
        without_effect(found, &OF_TLS, protocol, "SSL or SASL_SSL", &mut wrong);
    }
    for (one, other) in [(CERTIFICATE, KEY), (KEY, CERTIFICATE), (KEY_PASSWORD, KEY)] {
        if found.has(one) && !found.has(other) {
            wrong.push(format!("{other} is not set, but must be where {one} is"));
        }
    }
    for line in wrong {
        found.complain(line);
    }
}

fn without_effect(found: &Found, names: &[&str], protocol: SecurityProtocol, needs: &str, wrong: &mut Vec<String>) {
    let is = protocol.as_str();
    let idle = names.iter().filter(|name| found.has(name));
    wrong.extend(
        idle.map(|name| format!("{name} is set, but has no effect while {PROTOCOL} is {is}: it needs {needs}")),
    );
}

fn of_login(found: &Found, protocol: SecurityProtocol, wrong: &mut Vec<String>) {
    if !found.has(MECHANISM) {
        let names: Vec<_> = SASL_MECHANISMS.iter().map(|(name, _)| *name).collect();
        let (is, or) = (protocol.as_str(), names.join(" or "));
        wrong.push(format!("{MECHANISM} is not set, but must be {or} where {PROTOCOL} is {is}"));
        return;
    }
    let Some(mechanism) = value(SASL_MECHANISMS, &found.text(MECHANISM)) else { return };
    let (needed, useless): (&[&str], &[&str]) = match mechanism {
        SaslMechanism::OauthBearer => (&[TOKEN], &[USERNAME, PASSWORD]),
        _ => (&[USERNAME, PASSWORD], &[TOKEN]),
    };
    let is = mechanism.as_str();
    let missing = needed.iter().filter(|name| !found.has(name));
    wrong.extend(missing.map(|name| format!("{name} is not set, but must be where {MECHANISM} is {is}")));
    let idle = useless.iter().filter(|name| found.has(name));
    wrong.extend(idle.map(|name| format!("{name} is set, but has no effect while {MECHANISM} is {is}")));
}

fn value<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim())).map(|(_, value)| *value)
}

/// Properties of librdkafka that are not handed on, and why: what correctness rests on, and what has a setting.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "it is KAFKA_BOOTSTRAP_SERVERS"),
    ("metadata.broker.list", "it is KAFKA_BOOTSTRAP_SERVERS"),
    ("group.id", "it is KAFKA_GROUP_ID, the name under which Weir keeps its progress"),
    ("auto.offset.reset", "where a partition starts is decided once and kept in MongoDB: see KAFKA_AUTO_OFFSET_RESET"),
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
    ("allow.auto.create.topics", "a topic that Kafka makes by itself has one partition: make it before"),
    ("topic.blacklist", "a topic that is hidden is not read: KAFKA_TOPIC says which are"),
    (
        "test.mock.num.brokers",
        "brokers of the client's own would stand in the place of Kafka: see `weir run --embedded`",
    ),
    ("enable.partition.eof", "the end of a partition is no record"),
    ("statistics.interval.ms", "readiness, lag and the growth of topics are taken from the statistics"),
    ("security.protocol", "it is KAFKA_SECURITY_PROTOCOL"),
    ("sasl.mechanism", "it is KAFKA_SASL_MECHANISM"),
    ("sasl.mechanisms", "it is KAFKA_SASL_MECHANISM"),
    ("sasl.username", "it is KAFKA_SASL_USERNAME"),
    ("sasl.password", "it is KAFKA_SASL_PASSWORD"),
    ("ssl.ca.location", "it is KAFKA_SSL_CA_LOCATION"),
    ("ssl.certificate.location", "it is KAFKA_SSL_CERTIFICATE_LOCATION"),
    ("ssl.key.location", "it is KAFKA_SSL_KEY_LOCATION"),
    ("ssl.key.password", "it is KAFKA_SSL_KEY_PASSWORD"),
];

/// What the names of secrets hold: none is handed on, so that none is shown.
const SECRET: [&str; 4] = ["password", "secret", "passphrase", "key.pem"];
const OF_SECRET: &str = "a secret may not stand among these, which are shown: use KAFKA_SSL_KEY_LOCATION, \
                         KAFKA_SASL_PASSWORD or KAFKA_SASL_OAUTHBEARER_TOKEN_PATH";

/// What begins the name of such a property in the environment.
const PREFIX: &str = "KAFKA__";

/// What the places hand on to librdkafka, the strongest of them for each property.
#[derive(Default)]
pub(super) struct HandedOn {
    given: BTreeMap<String, (String, Source)>,
}

impl HandedOn {
    /// `KAFKA__FETCH_MIN_BYTES` is `fetch.min.bytes`: no property of librdkafka has an underscore. What is set to
    /// nothing is not set.
    pub(super) fn of_environment(&mut self, variables: &[(OsString, OsString)]) {
        let texts = variables.iter().filter_map(|(name, text)| Some((name.to_str()?, text.to_str()?)));
        texts.for_each(|(name, text)| self.named(name, text, Source::Environment));
    }

    /// The same in `.env`; its faulty lines have been told before.
    pub(super) fn of_dotenv(&mut self, text: &str) {
        let text = format!("{}\n", text.trim_start_matches('\u{feff}'));
        let lines: Vec<_> = dotenvy::from_read_iter(text.as_bytes()).filter_map(Result::ok).collect();
        // Of a name that stands twice the last line counts, so that one comes first.
        lines.iter().rev().for_each(|(name, text)| self.named(name, text, Source::DotEnv));
    }

    fn named(&mut self, name: &str, text: &str, source: Source) {
        let name = name.to_ascii_uppercase();
        if let Some(property) = name.strip_prefix(PREFIX).filter(|_| !text.is_empty()) {
            self.give(property.to_ascii_lowercase().replace('_', "."), text.to_owned(), source);
        }
    }

    /// The table `[kafka]`: `fetch.min.bytes = 1`, which in TOML is a table in a table, or the name in quotes.
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
                    wrong.push(format!("{name} in [kafka] is a {kind} ({file}), but must be a text, number or truth"));
                    continue;
                }
            };
            self.give(name, text, Source::Toml(file.to_owned()));
        }
    }

    fn give(&mut self, name: String, text: String, source: Source) {
        self.given.entry(name).or_insert((text, source));
    }

    /// The properties; what may not be handed on is noted in `wrong`.
    pub(super) fn properties(self, wrong: &mut Vec<String>) -> BTreeMap<String, String> {
        for (name, (_, source)) in &self.given {
            let known = REFUSED.iter().find(|(refused, _)| refused == name).map(|(_, why)| *why);
            let secret = SECRET.iter().any(|part| name.contains(part)).then_some(OF_SECRET);
            if let Some(why) = known.or(secret) {
                wrong.push(format!("kafka.{name} ({source}) may not be set: {why}"));
            }
        }
        self.given.into_iter().map(|(name, (text, _))| (name, text)).collect()
    }
}

/// Whether a line of `.env` sets one of these.
pub(super) fn is_handed_on(name: &str) -> bool {
    name.starts_with(PREFIX)
}
