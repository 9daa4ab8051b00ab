//! What a user sees when a setting is refused, or a start fails: complete texts, as snapshots.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::config::{Sources, table};
use weir_sandbox::{LoadError, Reason};

/// For each setting, values that it refuses.
const REFUSED: &[(&str, &[&str])] = &[
    ("KAFKA_BOOTSTRAP_SERVERS", &["kafka:9092,:1"]),
    ("KAFKA_TOPIC", &["a b", r"^outbox\d"]),
    ("KAFKA_GROUP_ID", &[" group"]),
    ("KAFKA_AUTO_OFFSET_RESET", &["none"]),
    ("KAFKA_ENABLE_AUTO_COMMIT", &["true"]),
    ("KAFKA_MAX_POLL_RECORDS", &["0"]),
    ("KAFKA_SECURITY_PROTOCOL", &["TLS", "SASL_SSL"]),
    ("KAFKA_SASL_MECHANISM", &["GSSAPI", "PLAIN"]),
    ("KAFKA_SASL_USERNAME", &["", "weir"]),
    ("KAFKA_SASL_PASSWORD", &["", "hunter2"]),
    ("KAFKA_SASL_OAUTHBEARER_TOKEN_PATH", &["/nowhere/token"]),
    ("KAFKA_SSL_CA_LOCATION", &["/nowhere/ca.pem", "/dev/null"]),
    ("KAFKA_SSL_CERTIFICATE_LOCATION", &["/nowhere/weir.crt"]),
    ("KAFKA_SSL_KEY_LOCATION", &["/nowhere/weir.key"]),
    ("KAFKA_SSL_KEY_PASSWORD", &[""]),
    ("MONGODB_URI", &["", "hunter2"]),
    ("MONGODB_DATABASE", &["admin"]),
    ("MONGODB_CONNECT_TIMEOUT_MS", &["99"]),
    ("MONGODB_SERVER_SELECTION_TIMEOUT_MS", &["5s"]),
    ("WEIR_DATABASE", &["a/b", "Activity_Read"]),
    ("POSTGRES_HOST", &["a\nb"]),
    ("POSTGRES_PORT", &["65536"]),
    ("POSTGRES_DB", &[""]),
    ("POSTGRES_USER", &[""]),
    ("POSTGRES_PASSWORD", &[""]),
    ("HANDLERS", &[""]),
    ("HANDLERS_CACHE", &[""]),
    ("HANDLER_DEFAULT_CEILING", &["all"]),
    ("PROCESSING_BATCH_SIZE", &["-5"]),
    ("MAX_RETRIES", &["1001"]),
    ("RETRY_DELAY_SECONDS", &["soon"]),
    ("RETRY_MAX_DELAY_SECONDS", &["-1"]),
    ("RETRY_MAX_AGE_SECONDS", &["forever"]),
    ("ON_DEAD", &["stop"]),
    ("LEDGER_RETENTION_HOURS", &["1.5"]),
    ("OUTBOX_SOURCE", &["my outbox"]),
    ("OUTBOX_COLUMNS", &["event_idd=id", "id"]),
    ("OUTBOX_OTHER_COLUMNS", &["a,,b"]),
    ("SNAPSHOT_EVENTS", &["maybe"]),
    ("SHUTDOWN_TIMEOUT_SECONDS", &["0"]),
    ("SANDBOX_SLOTS", &["0"]),
    ("SANDBOX_STACK_BYTES", &["1"]),
    ("ADMIN_LISTEN", &["7070"]),
    ("LOG_FORMAT", &["xml"]),
    ("LOG_LEVEL", &["LOUD"]),
];

/// Texts of `weir.toml` that are refused.
const TOML: &[&str] = &[
    "kafka_topik = 1",
    "max_retries = 1.5",
    "handlers = \"folder\"",
    "limits = 3",
    "[limits]\nfeul = 1",
    "[limits]\nfuel = -1",
    "[handlers.Big]",
    "[handlers.a]\nexpressions = \"some\"",
    "[handlers.a]\nevents = \"A\"",
    "[handlers.a]\ngrants = { users = [\"admin\"] }",
    "[handlers.a]\nretry = 3",
    "[handlers.a.retry]\nmax_retries = 1001",
    "[handlers.a.retry]\nmax_retry = 1",
    "[handlers.a.retry]\ndelay_seconds = \"5s\"",
    "[handlers.a.retry]\non_dead = \"stop\"",
    "[handlers.a.retry]\nmax_retries_by_reason = { trap = 3 }",
    "[kafka]\ngroup.id = \"other\"",
    "[kafka]\nenable.auto.commit = true",
    "[kafka]\nallow.auto.create.topics = true",
    "[kafka]\nssl.keystore.password = \"hunter2\"",
    "[kafka]\ndebug = [\"fetch\"]",
    "kafka_topik = 1\nmax_retries = \"x\"",
];

fn refused(title: &str, sources: &Sources, text: &mut String) {
    let error = Settings::load(sources).expect_err(title);
    let _ = writeln!(text, "# {title}\n{}", complaint(&error.to_string()));
}

#[test]
fn every_setting_refuses_as_the_snapshot_says() {
    let names: Vec<_> = REFUSED.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, table().iter().map(|setting| setting.name).collect::<Vec<_>>(), "each setting is there once");
    let mut text = String::new();
    let uri = ("MONGODB_URI".to_owned(), "mongodb://h".to_owned());
    for (name, value) in REFUSED.iter().flat_map(|(name, values)| values.iter().map(move |value| (*name, *value))) {
        let flags = vec![(name.to_owned(), value.to_owned()), uri.clone()];
        let flags = flags.into_iter().take(if name == uri.0 { 1 } else { 2 }).collect();
        refused(&format!("{name}={value:?}"), &Sources { flags, ..Sources::default() }, &mut text);
    }
    refused("nothing is set", &Sources::default(), &mut text);
    let shown = text.lines().filter(|line| !line.starts_with('#') && line.contains("hunter2"));
    assert_eq!(shown.count(), 0, "a secret is shown");
    insta::assert_snapshot!(text);
}

#[test]
fn files_are_refused_as_the_snapshot_says() {
    let mut text = String::new();
    let environment = || vec![("MONGODB_URI".into(), "mongodb://h".into())];
    for toml in TOML {
        let toml = Some((PathBuf::from("weir.toml"), (*toml).to_owned()));
        let title = toml.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
        refused(&title, &Sources { environment: environment(), toml, ..Sources::default() }, &mut text);
    }
    for dotenv in ["KAFKA_TOPIC=a b", "NOTE=it's open\nKAFKA_TOPIC=b", "POSTGRES_PASSWORD_FILE=/nowhere/password"] {
        let sources = Sources { environment: environment(), dotenv: Some(dotenv.to_owned()), ..Sources::default() };
        refused(&format!("in .env: {dotenv}"), &sources, &mut text);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_start_fails_as_the_snapshot_says() {
    let io = || std::io::Error::from_raw_os_error(2);
    let handlers = || PathBuf::from("handlers");
    let file = || handlers().join("user-created.wasm");
    let name = || "user-created".to_owned();
    let load =
        |reason| registry::Error::Refused { path: file(), source: Box::new(LoadError { handler: name(), reason }) };
    let errors: Vec<anyhow::Error> = vec![
        registry::Error::Folder { folder: handlers(), source: io() }.into(),
        registry::Error::Unreadable { path: file(), source: io() }.into(),
        registry::Error::Name { path: handlers().join("User.wasm") }.into(),
        registry::Error::Twice { name: name(), first: file(), second: handlers().join("user_created.wasm") }.into(),
        registry::Error::Ceiling { name: name(), path: file(), beyond: "grants: write users".to_owned() }.into(),
        registry::Error::Empty { folder: handlers() }.into(),
        registry::Error::Unknown { name: name(), folder: handlers() }.into(),
        load(Reason::NotWasm).into(),
        load(Reason::CoreModule).into(),
        load(Reason::Compile("unknown import: \u{1b}[2J".to_owned())).into(),
        load(Reason::Imports(vec!["wasi:sockets/tcp@0.2.6: a handler has no network".to_owned()])).into(),
        load(Reason::Exports("there is no export of that name".to_owned())).into(),
        load(Reason::Limit { limit: "memory_bytes", wanted: 2, allowed: 1 }).into(),
        load(Reason::Description("missing field `events`".to_owned())).into(),
        store::Error::Uri("an invalid argument was provided".to_owned()).into(),
        store::Error::Unauthorized("not authorized on weir to execute command".to_owned()).into(),
        store::Error::Denied("Authentication failed.".to_owned()).into(),
        store::Error::Newer { found: 3, known: 2 }.into(),
        store::Error::Standalone.into(),
        kafka::Error::Compacted("outbox".to_owned()).into(),
        kafka::Error::Refused(hint::with("SASL authentication failed", "check KAFKA_SASL_PASSWORD")).into(),
        kafka::Error::Property { name: "fetch.min.byte".to_owned(), why: "No such property".to_owned() }.into(),
        crate::api::Error::Bind {
            address: ([127, 0, 0, 1], 7070).into(),
            source: std::io::Error::from_raw_os_error(98),
        }
        .into(),
    ];
    let mut text = String::new();
    for error in errors {
        let _ = writeln!(text, "# status {}\n{}", status(&error), complaint(&with_causes(&error)));
    }
    insta::assert_snapshot!(text);
}
