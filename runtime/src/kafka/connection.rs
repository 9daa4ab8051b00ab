//! How Kafka's client is configured, its token for a login, and why Kafka refuses it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rdkafka::client::OAuthToken;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::Error;
use crate::config::{SaslMechanism, Settings};
use weir_core::hint;

/// The client's properties, unless the settings say otherwise.
const DEFAULTS: [(&str, &str); 18] = [
    ("client.id", "weir"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    // Progress lives in MongoDB, and every start is decided before a partition is read.
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    ("session.timeout.ms", "6000"),
    // A member that stops is noticed by the others within this time.
    ("heartbeat.interval.ms", "500"),
    ("max.poll.interval.ms", "300000"),
    // The defaults queue 64 MiB.
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.max.bytes", "16777216"),
    // By default, a full queue is checked again after a second, in which it may have run empty.
    ("fetch.queue.backoff.ms", "50"),
    ("fetch.error.backoff.ms", "100"),
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.nagle.disable", "true"),
    // A topic that does not exist yet, or that grows, is noticed within this time.
    ("topic.metadata.refresh.interval.ms", "5000"),
    ("allow.auto.create.topics", "false"),
    ("statistics.interval.ms", "1000"),
];

/// Returns the client's configuration.
///
/// # Errors
/// Fails if librdkafka does not know a property or does not take its value.
pub(super) fn configuration(settings: &Settings) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    config.set("bootstrap.servers", &settings.kafka_bootstrap_servers).set("group.id", &settings.kafka_group_id);
    for (name, value) in DEFAULTS {
        config.set(name, value);
    }
    secure(&mut config, settings);
    #[cfg(feature = "proofs")]
    if let Ok(interval) = std::env::var("WEIR_MAX_POLL_INTERVAL_MS") {
        config.set("max.poll.interval.ms", interval);
    }
    for (name, value) in &settings.kafka_properties {
        config.set(name, value);
    }
    config.create_native_config().map_err(refused_property)?;
    Ok(config)
}

fn secure(config: &mut ClientConfig, settings: &Settings) {
    let protocol = settings.kafka_security_protocol;
    config.set("security.protocol", protocol.as_str());
    if let Some(mechanism) = settings.kafka_sasl_mechanism {
        config.set("sasl.mechanisms", mechanism.as_str());
    }
    if let Some(name) = &settings.kafka_sasl_username {
        config.set("sasl.username", name);
    }
    if let Some(password) = &settings.kafka_sasl_password {
        config.set("sasl.password", password.expose());
    }
    let path = |path: &Path| path.to_string_lossy().into_owned();
    match &settings.kafka_ssl_ca_location {
        Some(authorities) => {
            config.set("ssl.ca.location", path(authorities));
        }
        // An OpenSSL that was not built for this system does not know where the system keeps its authorities.
        None if protocol.has_tls() && !settings.kafka_properties.contains_key("ssl.ca.pem") => {
            config.set("ssl.ca.location", "probe");
        }
        None => {}
    }
    if let Some(certificate) = &settings.kafka_ssl_certificate_location {
        config.set("ssl.certificate.location", path(certificate));
    }
    if let Some(key) = &settings.kafka_ssl_key_location {
        config.set("ssl.key.location", path(key));
    }
    if let Some(password) = &settings.kafka_ssl_key_password {
        config.set("ssl.key.password", password.expose());
    }
}

/// The error leaves out the value, which may be anything.
fn refused_property(error: KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(_, why, name, _) => Error::Property { name, why },
        other => other.into(),
    }
}

/// The state that the callbacks of every client share.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection {
    token: Option<PathBuf>,
    trouble: Arc<Mutex<Option<Trouble>>>,
    /// The last error that was logged, and when.
    said: Arc<Mutex<Option<(String, Instant)>>>,
    /// Why the client could not read what comes next, and when it last tried.
    unreadable: Arc<Mutex<Option<(String, Instant)>>>,
}

/// How long to wait before a repeated error is logged again.
const SAID_AGAIN: Duration = Duration::from_secs(30);
/// How long after its last occurrence an error counts as over.
const OVER: Duration = Duration::from_secs(5);

/// What keeps the client from Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// In Kafka's or the client's words, with a hint at the settings to look at.
    pub(super) why: String,
    /// Whether another try would change nothing, because the login or the certificate is refused.
    pub(super) refused: bool,
}

impl Connection {
    pub(super) fn of(settings: &Settings) -> Self {
        let bearer = settings.kafka_sasl_mechanism == Some(SaslMechanism::OauthBearer);
        let token = settings.kafka_sasl_oauthbearer_token_path.clone().filter(|_| bearer);
        Self { token, trouble: Arc::default(), said: Arc::default(), unreadable: Arc::default() }
    }

    /// Whether an error should be logged. The client repeats some of them several times a second.
    pub(super) fn is_news(&self, reason: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.as_ref().is_some_and(|(before, at)| before == reason && at.elapsed() < SAID_AGAIN) {
            return false;
        }
        *said = Some((reason.to_owned(), Instant::now()));
        true
    }

    /// Returns why the client does not read on in some partition. It tries several times a second, so an error that
    /// does not come again is over.
    pub(super) fn unreadable(&self) -> Option<String> {
        let found = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        found.as_ref().filter(|(_, at)| at.elapsed() < OVER).map(|(why, _)| why.clone())
    }

    /// Notes what the client reports as wrong with a connection. A refusal is not replaced by anything less certain.
    pub(super) fn failed(&self, error: &KafkaError, reason: &str) {
        if let Some(found) = error.rdkafka_error_code().and_then(|code| unreadable(code, reason)) {
            *self.unreadable.lock().unwrap_or_else(PoisonError::into_inner) = Some((found, Instant::now()));
            return;
        }
        let Some(found) = error.rdkafka_error_code().and_then(|code| trouble(code, reason)) else { return };
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if found.refused || known.as_ref().is_none_or(|known| !known.refused) {
            *known = Some(found);
        }
    }

    /// Returns what is wrong, as far as it is known.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that a broker is connected.
    pub(super) fn made(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns the token for the login, as its file has it now.
    pub(super) fn token(&self) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let path = self.token.as_deref().ok_or("no KAFKA_SASL_OAUTHBEARER_TOKEN_PATH is set")?;
        let named = |why: String| format!("KAFKA_SASL_OAUTHBEARER_TOKEN_PATH: {}: {why}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
        token(text.trim()).map_err(|why| named(why.to_owned()).into())
    }
}

/// Parses a token for Kafka, with its principal and its expiry.
fn token(text: &str) -> Result<OAuthToken, &'static str> {
    // Some issuers add padding.
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let payload = text.split('.').nth(1).ok_or("it holds no JWT: three parts separated by points")?;
    let payload =
        GeneralPurpose::new(&URL_SAFE, LENIENT).decode(payload).map_err(|_| "its payload is not base64url")?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).map_err(|_| "its payload is not JSON")?;
    #[expect(clippy::cast_possible_truncation, reason = "a part of a second less")]
    let expires = claims["exp"].as_i64().or_else(|| claims["exp"].as_f64().map(|seconds| seconds as i64));
    let lifetime_ms = expires.ok_or("it does not say when it expires (exp)")?.saturating_mul(1000);
    let principal_name = claims["sub"].as_str().unwrap_or_default().to_owned();
    Ok(OAuthToken { token: text.to_owned(), principal_name, lifetime_ms })
}

/// Explains an error which means that the client cannot read a batch of records and tries it again and again. Returns
/// none for any other error.
fn unreadable(code: RDKafkaErrorCode, reason: &str) -> Option<String> {
    let hint = match code {
        RDKafkaErrorCode::BadCompression => {
            "raise KAFKA__RECEIVE_MESSAGE_MAX_BYTES if the batch expands to more than that (docs/operating.md)"
        }
        RDKafkaErrorCode::BadMessage | RDKafkaErrorCode::InvalidMessage => "docs/operating.md says how to skip it",
        _ => return None,
    };
    Some(hint::with(reason, hint))
}

/// Returns what an error of the client means, or none if it means nothing by itself. If Kafka refuses a certificate,
/// the connection first seems to be made and then ends.
fn trouble(code: RDKafkaErrorCode, reason: &str) -> Option<Trouble> {
    // The reason also has a broker's name, which may be anything.
    let certificate = match code {
        RDKafkaErrorCode::SSL => reason.contains("certificate"),
        _ => reason.contains("SSL alert"),
    };
    let (settings, refused) = match code {
        RDKafkaErrorCode::AllBrokersDown => return None,
        RDKafkaErrorCode::Authentication => {
            let names = "KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and \
                         KAFKA_SASL_OAUTHBEARER_TOKEN_PATH";
            (names, true)
        }
        _ if certificate => ("KAFKA_SSL_CA_LOCATION and KAFKA_SSL_CERTIFICATE_LOCATION", true),
        RDKafkaErrorCode::SSL => ("KAFKA_SECURITY_PROTOCOL", false),
        _ => return Some(Trouble { why: reason.to_owned(), refused: false }),
    };
    Some(Trouble { why: hint::with(reason, &format!("check {settings}")), refused })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    fn settings(more: &[(&str, &str)]) -> Settings {
        let uri = [("MONGODB_URI", "mongodb://h")];
        Settings::of(&[&uri, more].concat()).expect("all is right")
    }

    #[test]
    fn a_property_that_librdkafka_does_not_know_is_refused_by_name() {
        let mut settings = settings(&[]);
        settings.kafka_properties.insert("fetch.min.bytes".to_owned(), "7".to_owned());
        let config = configuration(&settings).expect("it is known");
        assert_eq!(config.get("fetch.min.bytes"), Some("7"));
        for (name, value, why) in [("fetch.min.byte", "1", "No such"), ("fetch.min.bytes", "no", "Invalid value")] {
            settings.kafka_properties = [(name.to_owned(), value.to_owned())].into();
            let error = configuration(&settings).expect_err("it is refused").to_string();
            assert!(error.starts_with(&format!("kafka.{name} ")) && error.contains(why), "{error}");
        }
    }

    #[test]
    fn tls_and_a_login_reach_the_client() {
        let config = configuration(&settings(&[
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256"),
            ("KAFKA_SASL_USERNAME", "weir"),
            ("KAFKA_SASL_PASSWORD", "secret"),
        ]))
        .expect("the client knows TLS and SCRAM");
        let given = ["security.protocol", "sasl.mechanisms", "sasl.username", "sasl.password", "ssl.ca.location"];
        let given = given.map(|name| config.get(name).unwrap_or_default());
        assert_eq!(given, ["SASL_SSL", "SCRAM-SHA-256", "weir", "secret", "probe"]);
    }

    #[test]
    fn a_token_says_whose_it_is_and_until_when() {
        let made = |claims: &str| format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let read = token(&made(r#"{"sub":"weir","exp":1700000000}"#)).expect("a token");
        assert_eq!((read.principal_name.as_str(), read.lifetime_ms), ("weir", 1_700_000_000_000));
        assert_eq!(token(&made(r#"{"exp":1700000000.9}"#)).expect("a token").lifetime_ms, 1_700_000_000_000);
        for (text, why) in [
            ("opaque".to_owned(), "three parts"),
            ("a.!.c".to_owned(), "base64url"),
            (made("nothing"), "JSON"),
            (made("{}"), "exp"),
        ] {
            assert!(token(&text).is_err_and(|found| found.contains(why)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_from_a_broker_that_is_away() {
        let connection = Connection::of(&settings(&[]));
        let reason = "Decompression (codec 0x4) of message at 7 of 12840 bytes failed: Local: Invalid compressed data";
        connection.failed(&KafkaError::Global(RDKafkaErrorCode::BadCompression), reason);
        assert_eq!(connection.trouble(), None);
        let why = connection.unreadable().expect("it is known");
        assert!(why.starts_with(reason) && why.contains("KAFKA__RECEIVE_MESSAGE_MAX_BYTES"), "{why}");
    }

    #[test]
    fn an_error_that_goes_on_is_said_once() {
        let connection = Connection::of(&settings(&[]));
        let said = ["a", "a", "b", "b", "a"].map(|reason| connection.is_news(reason));
        assert_eq!(said, [true, false, true, false, true]);
    }

    #[test]
    fn a_refusal_is_told_from_a_broker_that_is_away() {
        let of = |code, reason| trouble(code, reason).map(|trouble| trouble.refused);
        assert_eq!(of(RDKafkaErrorCode::Authentication, "invalid credentials"), Some(true));
        assert_eq!(of(RDKafkaErrorCode::SSL, "broker certificate could not be verified"), Some(true));
        let alert = "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42";
        assert_eq!(of(RDKafkaErrorCode::BrokerTransportFailure, alert), Some(true));
        assert_eq!(of(RDKafkaErrorCode::SSL, "SSL handshake failed: Disconnected"), Some(false));
        for away in ["Connection refused", "certificates.example:9092/1: Connect to ipv4#10.0.0.1:9092 failed"] {
            assert_eq!(of(RDKafkaErrorCode::BrokerTransportFailure, away), Some(false));
        }
        assert_eq!(of(RDKafkaErrorCode::AllBrokersDown, "1/1 brokers are down"), None);
    }

    #[test]
    fn a_refusal_stands_until_a_broker_is_connected() {
        let connection = Connection::default();
        let failed = |code, reason| connection.failed(&KafkaError::Global(code), reason);
        failed(RDKafkaErrorCode::Authentication, "no");
        failed(RDKafkaErrorCode::BrokerTransportFailure, "away");
        assert!(
            connection.trouble().is_some_and(
                |trouble| trouble.refused && trouble.why.starts_with("no\nhint: check KAFKA_SASL_MECHANISM")
            )
        );
        connection.made();
        assert_eq!(connection.trouble(), None);
    }
}
