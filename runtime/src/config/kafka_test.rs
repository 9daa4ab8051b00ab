//! Tests of the settings that go together, and of the properties that are passed on to Kafka's client.

use std::path::PathBuf;

use super::{Error, SaslMechanism, SecurityProtocol, Settings, Sources};

fn load(environment: &[(&str, &str)], dotenv: &str, toml: &str) -> Result<Settings, Error> {
    let uri = [("MONGODB_URI", "mongodb://h")];
    Settings::load(&Sources {
        flags: Vec::new(),
        environment: uri.iter().chain(environment).map(|(name, value)| (name.into(), value.into())).collect(),
        dotenv: Some(dotenv.to_owned()),
        toml: Some((PathBuf::from("weir.toml"), toml.to_owned())),
    })
}

fn wrong(environment: &[(&str, &str)]) -> Vec<String> {
    load(environment, "", "").expect_err("something is wrong").wrong().to_vec()
}

#[test]
fn a_login_has_what_its_mechanism_needs() {
    let settings = load(
        &[
            ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
            ("KAFKA_SASL_MECHANISM", "scram-sha-512"),
            ("KAFKA_SASL_USERNAME", "weir"),
            ("KAFKA_SASL_PASSWORD", "hunter2"),
        ],
        "",
        "",
    )
    .expect("all is right");
    assert_eq!(settings.kafka_security_protocol, SecurityProtocol::SaslSsl);
    assert_eq!(settings.kafka_sasl_mechanism, Some(SaslMechanism::ScramSha512));
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(
        wrong(&[("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"), ("KAFKA_SASL_MECHANISM", "PLAIN")]),
        [
            "KAFKA_SASL_USERNAME is required when KAFKA_SASL_MECHANISM is PLAIN",
            "KAFKA_SASL_PASSWORD is required when KAFKA_SASL_MECHANISM is PLAIN",
        ]
    );
    assert_eq!(
        wrong(&[
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_SASL_MECHANISM", "OAUTHBEARER"),
            ("KAFKA_SASL_USERNAME", "weir"),
        ]),
        [
            "KAFKA_SASL_OAUTHBEARER_TOKEN_PATH is required when KAFKA_SASL_MECHANISM is OAUTHBEARER",
            "KAFKA_SASL_USERNAME is set, but has no effect while KAFKA_SASL_MECHANISM is OAUTHBEARER",
        ]
    );
    assert_eq!(
        wrong(&[("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")]),
        ["KAFKA_SASL_MECHANISM is required when KAFKA_SECURITY_PROTOCOL is SASL_SSL\nhint: set it to PLAIN or \
          SCRAM-SHA-256 or SCRAM-SHA-512 or OAUTHBEARER"]
    );
}

#[test]
fn what_would_have_no_effect_is_refused() {
    assert_eq!(
        wrong(&[("KAFKA_SASL_PASSWORD", "hunter2"), ("KAFKA_SSL_CA_LOCATION", "/dev/null")]),
        [
            "KAFKA_SASL_PASSWORD is set, but has no effect while KAFKA_SECURITY_PROTOCOL is PLAINTEXT\nhint: set \
             KAFKA_SECURITY_PROTOCOL to SASL_SSL or SASL_PLAINTEXT, or leave KAFKA_SASL_PASSWORD out",
            "KAFKA_SSL_CA_LOCATION is set, but has no effect while KAFKA_SECURITY_PROTOCOL is PLAINTEXT\nhint: set \
             KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL, or leave KAFKA_SSL_CA_LOCATION out",
        ]
    );
    assert_eq!(
        wrong(&[("KAFKA_SECURITY_PROTOCOL", "SSL"), ("KAFKA_SSL_CERTIFICATE_LOCATION", "/dev/null")]),
        ["KAFKA_SSL_KEY_LOCATION is required when KAFKA_SSL_CERTIFICATE_LOCATION is set"]
    );
    assert_eq!(
        wrong(&[("KAFKA_SECURITY_PROTOCOL", "SSL"), ("KAFKA_SSL_CA_LOCATION", "/nowhere/at/all")]),
        ["KAFKA_SSL_CA_LOCATION is \"/nowhere/at/all\" (environment), but must be the path of a file that can be read"]
    );
}

#[test]
fn properties_are_handed_on_from_the_strongest_place() {
    let toml =
        "[kafka]\nfetch.min.bytes = 1\n\"client.rack\" = \"toml\"\nssl.endpoint.identification.algorithm = \"none\"\n";
    let dotenv = "KAFKA__CLIENT_RACK=first\nKAFKA__CLIENT_RACK=dotenv\nKAFKA__DEBUG=\n";
    let settings = load(&[("kafka__fetch_min_bytes", "7"), ("KAFKA__SOCKET_TIMEOUT_MS", "")], dotenv, toml);
    let given = settings.expect("all is right").kafka_properties;
    let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        given,
        [("client.rack", "dotenv"), ("fetch.min.bytes", "7"), ("ssl.endpoint.identification.algorithm", "none")]
    );
}

#[test]
fn what_correctness_rests_on_is_refused_by_name() {
    assert_eq!(
        wrong(&[("KAFKA__ENABLE_AUTO_COMMIT", "true"), ("KAFKA__GROUP_ID", "other")]),
        [
            "kafka.enable.auto.commit (environment) may not be set: Kafka's own commits run ahead of the transaction \
             that holds an event's effects",
            "kafka.group.id (environment) may not be set: Weir has a setting for it\nhint: set KAFKA_GROUP_ID",
        ]
    );
    for name in [
        "enable.auto.offset.store",
        "auto.offset.reset",
        "partition.assignment.strategy",
        "bootstrap.servers",
        "check.crcs",
        "isolation.level",
        "group.protocol",
        "sasl.password",
        "ssl.keystore.password",
        "ssl.key.pem",
    ] {
        let error = load(&[], "", &format!("[kafka]\n\"{name}\" = \"hunter2\"\n")).expect_err("it is refused");
        let [line] = error.wrong() else { panic!("{error}") };
        assert!(line.starts_with(&format!("kafka.{name} (weir.toml) may not be set: ")), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn a_table_that_is_none_and_a_line_that_cannot_be_read_are_told() {
    let of_toml = |toml| load(&[], "", toml).expect_err("it is wrong").to_string();
    assert_eq!(
        of_toml("kafka = 3\n"),
        "kafka is 3 (weir.toml), but must be a table [kafka] of librdkafka's properties"
    );
    assert_eq!(
        of_toml("[kafka]\ndebug = [\"fetch\"]\n"),
        "debug in [kafka] is of type array (weir.toml), but must be a text, a number, true or false"
    );
    assert_eq!(
        load(&[], "KAFKA__CLIENT_RACK=a b\n", "").expect_err("it is wrong").to_string(),
        "KAFKA__CLIENT_RACK (.env) cannot be read\nhint: put quotes around a value with a space or special characters"
    );
}
