//! The table of settings, and the struct that it fills.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use super::check::{self, LogLevel};
use super::found::Found;
use super::handlers::ON_DEAD;
use super::security::{SASL_MECHANISMS, SECURITY_PROTOCOLS, SaslMechanism, SecurityProtocol};
use super::{DefaultCeiling, HandlerSettings, Origin, Secret, Setting};
use weir_core::consumer::topics::{OffsetReset, Topics};
use weir_core::delivery::OnDead;
use weir_core::event::{Columns, Others};
use weir_sandbox::Limits;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Makes the struct, the table and the function that fills the one from the other, so that none of them can lack what
/// another has.
macro_rules! settings {
    ($( $(#[doc = $help:literal])+ $name:literal $field:ident: $type:ty = $check:expr; )+) => {
        /// Every setting of a process, checked.
        #[derive(Debug, Clone)]
        pub struct Settings {
            $( $(#[doc = $help])+ pub $field: $type, )+
            /// `[limits]` of `weir.toml` over the defaults.
            pub limits: Limits,
            /// `[handlers.NAME]` of `weir.toml`, by the handler's name.
            pub handler_settings: BTreeMap<String, HandlerSettings>,
            /// `[kafka]` of `weir.toml` and `KAFKA__…`: properties of librdkafka, handed on as they are.
            pub kafka_properties: BTreeMap<String, String>,
            /// The settings that are not at their default, in the table's order.
            pub origins: Vec<Origin>,
        }

        static TABLE: LazyLock<Vec<Setting>> = LazyLock::new(|| vec![
            $( setting($name, &[$($help),+], &$check), )+
        ]);

        /// Reads the settings from `found`. If something is wrong, reports it in `found` and returns `None`.
        pub(super) fn fill(
            found: &mut Found,
            limits: Limits,
            handler_settings: BTreeMap<String, HandlerSettings>,
            kafka_properties: BTreeMap<String, String>,
        ) -> Option<Settings> {
            $( let $field: Option<$type> = found.read($name, &$check); )+
            Some(Settings { $( $field: $field?, )+ limits, handler_settings, kafka_properties, origins: found.origins() })
        }
    };
}

settings! {
    /// Kafka's brokers.
    "KAFKA_BOOTSTRAP_SERVERS" kafka_bootstrap_servers: String = check::brokers().default("localhost:9092");
    /// The topic that Debezium writes the outbox to; several topics, or a pattern of them.
    "KAFKA_TOPIC" kafka_topic: Topics = check::topics().default("postgres.activity.event_outbox");
    /// The consumer group, and the name under which Weir keeps its progress.
    "KAFKA_GROUP_ID" kafka_group_id: String = check::text().default("event-processor-group");
    /// Where a group without progress starts: at the topic's beginning or at its end.
    "KAFKA_AUTO_OFFSET_RESET" kafka_auto_offset_reset: OffsetReset = check::one_of(OFFSET_RESETS).default("earliest");
    /// Kept from the predecessor; only false is accepted.
    "KAFKA_ENABLE_AUTO_COMMIT" kafka_enable_auto_commit: bool = check::never_auto_commit().default("false");
    /// The most records of one poll. It does not bound a batch.
    "KAFKA_MAX_POLL_RECORDS" kafka_max_poll_records: usize = check::whole::<usize>(1, 100_000).default("100");
    /// How connections to Kafka are made: with TLS (SSL), with a login (SASL), with both or with neither.
    "KAFKA_SECURITY_PROTOCOL" kafka_security_protocol: SecurityProtocol =
        check::one_of(SECURITY_PROTOCOLS).default("PLAINTEXT");
    /// How to log in to Kafka.
    "KAFKA_SASL_MECHANISM" kafka_sasl_mechanism: Option<SaslMechanism> = check::one_of(SASL_MECHANISMS).optional();
    /// Kafka's user, for PLAIN and SCRAM.
    "KAFKA_SASL_USERNAME" kafka_sasl_username: Option<String> = check::text().optional();
    /// Kafka's password, for PLAIN and SCRAM.
    "KAFKA_SASL_PASSWORD" kafka_sasl_password: Option<Secret> = check::password().optional();
    /// The file that holds the token for OAUTHBEARER, a JWT. Another program renews it; it is read again before the
    /// token expires.
    "KAFKA_SASL_OAUTHBEARER_TOKEN_PATH" kafka_sasl_oauthbearer_token_path: Option<PathBuf> =
        check::readable().optional();
    /// A PEM file of the authorities that may sign Kafka's certificate. Without it, the system's authorities are trusted.
    "KAFKA_SSL_CA_LOCATION" kafka_ssl_ca_location: Option<PathBuf> = check::readable().optional();
    /// The certificate to show to Kafka (mTLS): a PEM file, in which the certificates of its issuers follow.
    "KAFKA_SSL_CERTIFICATE_LOCATION" kafka_ssl_certificate_location: Option<PathBuf> = check::readable().optional();
    /// The certificate's private key: a PEM file.
    "KAFKA_SSL_KEY_LOCATION" kafka_ssl_key_location: Option<PathBuf> = check::readable().optional();
    /// The password of the private key.
    "KAFKA_SSL_KEY_PASSWORD" kafka_ssl_key_password: Option<Secret> = check::password().optional();

    /// The MongoDB for documents and progress: a replica set, or a sharded cluster.
    "MONGODB_URI" mongodb_uri: Secret = check::mongodb_uri();
    /// The database of the handlers' collections.
    "MONGODB_DATABASE" mongodb_database: String = check::database().default("activity_read");
    /// How long opening a connection to MongoDB may take.
    "MONGODB_CONNECT_TIMEOUT_MS" mongodb_connect_timeout: Duration =
        check::milliseconds(100, 600_000).default("5000");
    /// How long a call waits for a server that can answer it.
    "MONGODB_SERVER_SELECTION_TIMEOUT_MS" mongodb_server_selection_timeout: Duration =
        check::milliseconds(100, 600_000).default("5000");
    /// The database of Weir's own collections. It must differ from `MONGODB_DATABASE`.
    "WEIR_DATABASE" weir_database: String = check::database().default("weir");

    /// PostgreSQL's host, for the outbox rows' status.
    "POSTGRES_HOST" postgres_host: Option<String> = check::text().optional().later();
    /// PostgreSQL's port.
    "POSTGRES_PORT" postgres_port: u16 = check::whole::<u16>(1, 65_535).default("5432").later();
    /// PostgreSQL's database.
    "POSTGRES_DB" postgres_db: Option<String> = check::text().optional().later();
    /// PostgreSQL's user.
    "POSTGRES_USER" postgres_user: Option<String> = check::text().optional().later();
    /// PostgreSQL's password.
    "POSTGRES_PASSWORD" postgres_password: Option<Secret> = check::password().optional().later();

    /// The folder of the handlers: every `NAME.wasm` in it is the handler NAME.
    "HANDLERS" handlers: PathBuf = check::folder().default("handlers");
    /// A folder that keeps the handlers' compiled code, so that a host that starts again need not compile them. Only the
    /// user that runs weir may write to it.
    "HANDLERS_CACHE" handlers_cache: Option<PathBuf> = check::folder().optional();
    /// The ceiling of a handler whose table in `weir.toml` lacks `events` or `grants`: all that it declares, or nothing.
    "HANDLER_DEFAULT_CEILING" handler_default_ceiling: DefaultCeiling =
        check::one_of(DEFAULT_CEILINGS).default("declared");
    /// The most events of one transaction.
    "PROCESSING_BATCH_SIZE" processing_batch_size: usize = check::whole::<usize>(1, 10_000).default("2000");
    /// How often a delivery that may yet succeed is tried again.
    "MAX_RETRIES" max_retries: u32 = check::whole::<u32>(0, 1_000).default("3");
    /// The delay before the first retry. It doubles with each retry.
    "RETRY_DELAY_SECONDS" retry_delay: Duration = check::seconds(0, 86_400).default("5");
    /// The longest delay that doubling leads to.
    "RETRY_MAX_DELAY_SECONDS" retry_max_delay: Duration = check::seconds(0, 86_400).default("300");
    /// How long after its first failure a delivery may still be tried again.
    "RETRY_MAX_AGE_SECONDS" retry_max_age: Duration = check::seconds(0, 31_536_000).default("86400");
    /// What the later events of an aggregate do once a delivery of it is dead: wait until somebody retries or discards
    /// it, or go on without it.
    "ON_DEAD" on_dead: OnDead = check::one_of(ON_DEAD).default("hold");
    /// How long a repeated event is recognised at least. An older one that was forgotten is refused.
    "LEDGER_RETENTION_HOURS" ledger_retention: Duration = check::hours(1, 8_760).default("24");
    /// The outbox table's name in the ledger, so that equal event ids of two tables do not collide.
    "OUTBOX_SOURCE" outbox_source: String = check::name(63).default("default");
    /// The names of the outbox's columns that differ from the event's fields: `event_id=id,event_type=type`.
    "OUTBOX_COLUMNS" outbox_columns: Columns = check::columns().absent(Columns::default);
    /// The other outbox columns that handlers receive, as JSON; `*` for all.
    "OUTBOX_OTHER_COLUMNS" outbox_other_columns: Others = check::other_columns().absent(Others::default);
    /// Whether the rows of Debezium's snapshots are events too.
    "SNAPSHOT_EVENTS" snapshot_events: bool = check::truth().default("false");
    /// How long a stop may take. Work in flight is finished and committed in this time.
    "SHUTDOWN_TIMEOUT_SECONDS" shutdown_timeout: Duration = check::seconds(1, 3_600).default("30");

    /// How many instances of handlers may exist at once. Each slot reserves address space, not memory: 4 GiB for each of
    /// 8 memories.
    "SANDBOX_SLOTS" sandbox_slots: usize = check::whole::<usize>(1, 1_000).default("64");
    /// The WebAssembly stack of one delivery.
    "SANDBOX_STACK_BYTES" sandbox_stack_bytes: usize = check::bytes(65_536, 8_388_608).default("524288");

    /// The address that serves health, metrics and statistics.
    "ADMIN_LISTEN" admin_listen: SocketAddr = check::listen_address().default("127.0.0.1:7070");
    /// How log lines look: JSON for programs, text for people.
    "LOG_FORMAT" log_format: LogFormat = check::one_of(LOG_FORMATS).default("json");
    /// The least important lines that are logged. Libraries log warnings and errors, unless one has a level of its own, as
    /// in `INFO,rdkafka=DEBUG`.
    "LOG_LEVEL" log_level: LogLevel = check::log_level().default("INFO");
}

const OFFSET_RESETS: &[(&str, OffsetReset)] = &[("earliest", OffsetReset::Earliest), ("latest", OffsetReset::Latest)];
const DEFAULT_CEILINGS: &[(&str, DefaultCeiling)] =
    &[("declared", DefaultCeiling::Declared), ("none", DefaultCeiling::Nothing)];
const LOG_FORMATS: &[(&str, LogFormat)] = &[("json", LogFormat::Json), ("text", LogFormat::Text)];

/// Returns every setting, in the order in which people read about them.
#[must_use]
pub fn table() -> &'static [Setting] {
    &TABLE
}

fn setting<T>(name: &'static str, help: &[&str], check: &check::Check<T>) -> Setting {
    let lower = name.to_ascii_lowercase();
    Setting {
        name,
        flag: lower.replace('_', "-"),
        // In `weir.toml`, the table `[handlers.NAME]` has the plain name.
        key: if name == "HANDLERS" { "handlers_folder".to_owned() } else { lower },
        help: help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
        allowed: check.allowed.clone(),
        default: check.default,
        required: check.default.is_none() && check.absent.is_none(),
        secret: check.secret,
        later: check.later,
        switch: check.switch,
    }
}
