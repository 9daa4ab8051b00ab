use std::path::PathBuf;
use std::time::Duration;

use super::*;
use weir_core::documents::Expressions;

/// The places as a test gives them: flags, environment, the text of `.env`, the text of `weir.toml`.
fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)], dotenv: &str, toml: &str) -> Sources {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Sources {
        flags: owned(flags),
        environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        dotenv: Some(dotenv.to_owned()),
        toml: Some((PathBuf::from("weir.toml"), toml.to_owned())),
    }
}

const URI: (&str, &str) = ("MONGODB_URI", "mongodb://h");

fn of_environment(environment: &[(&str, &str)]) -> Result<Settings, Error> {
    Settings::load(&sources(&[], &[&[URI], environment].concat(), "", ""))
}

fn of_toml(toml: &str) -> Result<Settings, Error> {
    Settings::load(&sources(&[], &[URI], "", toml))
}

fn wrong_in(result: Result<Settings, Error>) -> Vec<String> {
    result.expect_err("something is wrong").wrong().to_vec()
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let settings = Settings::of(&[URI]).expect("the address suffices");
    assert_eq!(settings.kafka_topic.only(), Some("postgres.activity.event_outbox"));
    assert_eq!((settings.kafka_max_poll_records, settings.processing_batch_size), (100, 2_000));
    assert_eq!(settings.kafka_auto_offset_reset, OffsetReset::Earliest);
    assert_eq!((settings.mongodb_database.as_str(), settings.weir_database.as_str()), ("activity_read", "weir"));
    assert_eq!(settings.mongodb_connect_timeout, Duration::from_secs(5));
    assert_eq!(settings.ledger_retention, Duration::from_hours(24));
    assert_eq!((settings.postgres_port, settings.postgres_host.is_none()), (5432, true));
    assert_eq!(settings.admin_listen.to_string(), "127.0.0.1:7070");
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(settings.limits_of("any"), &Limits::default());
    assert_eq!(settings.origins.iter().map(|origin| origin.name).collect::<Vec<_>>(), ["MONGODB_URI"]);
}

#[test]
fn the_stronger_place_wins() {
    let toml = "kafka_topic = \"toml\"\nkafka_group_id = \"toml\"\noutbox_source = \"toml\"\nmax_retries = 7\n";
    let dotenv = "KAFKA_TOPIC=dotenv\nkafka_group_id=dotenv\nOUTBOX_SOURCE=first\nexport OUTBOX_SOURCE='last'\n";
    let environment = [URI, ("Kafka_Topic", "environment"), ("KAFKA_GROUP_ID", "environment")];
    let settings =
        Settings::load(&sources(&[("KAFKA_TOPIC", "flag")], &environment, dotenv, toml)).expect("all is right");
    assert_eq!(
        (settings.kafka_topic.only(), settings.kafka_group_id.as_str(), settings.outbox_source.as_str()),
        (Some("flag"), "environment", "last")
    );
    assert_eq!(settings.max_retries, 7);
    let origins: Vec<_> =
        settings.origins.iter().map(|o| (o.name, o.value.as_str(), o.source.as_str(), o.later)).collect();
    assert_eq!(
        origins,
        [
            ("KAFKA_TOPIC", "flag", "--kafka-topic", false),
            ("KAFKA_GROUP_ID", "environment", "environment", false),
            ("MONGODB_URI", "***", "environment", false),
            ("MAX_RETRIES", "7", "weir.toml", false),
            ("OUTBOX_SOURCE", "last", ".env", false),
        ]
    );
}

#[test]
fn names_have_any_case_and_upper_case_goes_first() {
    let settings = of_environment(&[("kafka_topic", "lower"), ("Kafka_topic", "mixed"), ("KAFKA_TOPIC", "upper")]);
    assert_eq!(settings.expect("all is right").kafka_topic.only(), Some("upper"));
}

#[test]
fn what_is_set_to_nothing_is_not_set() {
    let dotenv = "KAFKA_TOPIC=\nKAFKA_GROUP_ID=\"\"\n";
    let settings = Settings::load(&sources(&[], &[URI, ("POSTGRES_PASSWORD", "")], dotenv, "")).expect("all is right");
    assert!(settings.postgres_password.is_none());
    assert_eq!(settings.kafka_topic.only(), Some("postgres.activity.event_outbox"));
    let wrong = wrong_in(Settings::of(&[URI, ("OUTBOX_SOURCE", "")]));
    let allowed = "1 to 63 of the letters a-z and A-Z, digits, '.', '_' and '-'";
    assert_eq!(wrong, [format!("OUTBOX_SOURCE is \"\" (--outbox-source), but must be {allowed}")]);
}

#[test]
fn a_wrong_value_is_told_with_place_and_what_is_allowed() {
    let whole = |name, value, unit, range| {
        format!("{name} is \"{value}\" (environment), but must be a whole number {unit}{range}")
    };
    let database = "a database's name: 1 to 63 bytes, without space and /\\.\"$*<>:|?, and not admin, local or config";
    let columns = "pairs FIELD=COLUMN, separated by commas, where FIELD is one of event_id, sequence_id, aggregate_id, \
                   aggregate_type, event_type, payload, created_at, each at most once";
    for (name, value, line) in [
        ("KAFKA_MAX_POLL_RECORDS", "0", whole("KAFKA_MAX_POLL_RECORDS", "0", "", "from 1 to 100000")),
        ("PROCESSING_BATCH_SIZE", "-5", whole("PROCESSING_BATCH_SIZE", "-5", "", "from 1 to 10000")),
        ("POSTGRES_PORT", "65536", whole("POSTGRES_PORT", "65536", "", "from 1 to 65535")),
        ("RETRY_DELAY_SECONDS", "soon", whole("RETRY_DELAY_SECONDS", "soon", "of seconds ", "from 0 to 86400")),
        ("LEDGER_RETENTION_HOURS", "1.5", whole("LEDGER_RETENTION_HOURS", "1.5", "of hours ", "from 1 to 8760")),
        ("SANDBOX_STACK_BYTES", "1", whole("SANDBOX_STACK_BYTES", "1", "of bytes ", "from 65536 to 8388608")),
        ("KAFKA_AUTO_OFFSET_RESET", "none",
            "KAFKA_AUTO_OFFSET_RESET is \"none\" (environment), but must be earliest or latest".to_owned()),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092,:1",
            "KAFKA_BOOTSTRAP_SERVERS is \"kafka:9092,:1\" (environment), but must be host:port, several separated by commas".to_owned()),
        ("MONGODB_DATABASE", "admin", format!("MONGODB_DATABASE is \"admin\" (environment), but must be {database}")),
        ("ADMIN_LISTEN", "7070",
            "ADMIN_LISTEN is \"7070\" (environment), but must be address:port, such as 127.0.0.1:7070".to_owned()),
        ("SNAPSHOT_EVENTS", "maybe", "SNAPSHOT_EVENTS is \"maybe\" (environment), but must be true or false".to_owned()),
        ("LOG_FORMAT", "xml", "LOG_FORMAT is \"xml\" (environment), but must be json or text".to_owned()),
        ("LOG_LEVEL", "LOUD",
            "LOG_LEVEL is \"LOUD\" (environment), but must be TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL, and for a \
             library's lines more of the form library=LEVEL, separated by commas".to_owned()),
        ("KAFKA_ENABLE_AUTO_COMMIT", "True",
            "KAFKA_ENABLE_AUTO_COMMIT is \"True\" (environment), but must be false: Kafka's own commits run ahead of the \
             transaction that holds an event's effects, so a crash would lose events; Weir commits offsets itself".to_owned()),
        ("OUTBOX_COLUMNS", "event_idd=id", format!(
            "OUTBOX_COLUMNS is \"event_idd=id\" (environment), but must be {columns}: event_idd is no field of an \
             event\nhint: did you mean event_id?")),
        ("OUTBOX_COLUMNS", "event_id=id,event_id=key", format!(
            "OUTBOX_COLUMNS is \"event_id=id,event_id=key\" (environment), but must be {columns}: event_id is there twice")),
        ("OUTBOX_COLUMNS", "id", format!(
            "OUTBOX_COLUMNS is \"id\" (environment), but must be {columns}: \"id\" is no pair of a field and a column, such \
             as event_id=id")),
        ("OUTBOX_OTHER_COLUMNS", "a,,b",
            "OUTBOX_OTHER_COLUMNS is \"a,,b\" (environment), but must be names of columns, separated by commas, or * for \
             all".to_owned()),
    ] {
        assert_eq!(wrong_in(of_environment(&[(name, value)])), [line]);
    }
}

#[test]
fn right_values_in_their_various_forms_are_taken() {
    let settings = of_environment(&[
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092, b , [::1]:9093,PLAINTEXT://c:1"),
        ("KAFKA_ENABLE_AUTO_COMMIT", "0"),
        ("KAFKA_AUTO_OFFSET_RESET", "LATEST"),
        ("SNAPSHOT_EVENTS", "Yes"),
        ("OUTBOX_COLUMNS", "event_id=id, event_type=type"),
        ("OUTBOX_OTHER_COLUMNS", "*"),
        ("LOG_LEVEL", "critical,rdkafka=debug"),
        ("MONGODB_CONNECT_TIMEOUT_MS", " 250 "),
    ])
    .expect("all is right");
    assert_eq!(settings.kafka_bootstrap_servers, "a:9092,b,[::1]:9093,PLAINTEXT://c:1");
    assert_eq!((settings.kafka_auto_offset_reset, settings.snapshot_events), (OffsetReset::Latest, true));
    let id = settings.outbox_columns.of(weir_core::event::Field::EventId);
    assert_eq!((id, &settings.outbox_other_columns), ("id", &weir_core::event::Others::All));
    let libraries = vec![("rdkafka".to_owned(), tracing::Level::DEBUG)];
    assert_eq!(settings.log_level, LogLevel { weir: tracing::Level::ERROR, libraries });
    assert_eq!(settings.mongodb_connect_timeout, Duration::from_millis(250));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let error = Settings::load(&sources(&[("MAX_RETRIES", "x")], &[("LOG_FORMAT", "xml")], "", "kafka_topik = 1\n"));
    assert_eq!(
        error.expect_err("much is wrong").to_string(),
        "4 settings are wrong:\n  \
         kafka_topik is not a setting (weir.toml)\n    \
         hint: did you mean kafka_topic?\n  \
         MONGODB_URI is not set, but must be a connection string, mongodb://host:port or mongodb+srv://host\n  \
         MAX_RETRIES is \"x\" (--max-retries), but must be a whole number from 0 to 1000\n  \
         LOG_FORMAT is \"xml\" (environment), but must be json or text"
    );
}

#[test]
fn names_of_other_programs_are_theirs() {
    let environment = [URI, ("KAFKA_TOPIK", "x"), ("PATH", "/bin"), ("KAFKA_TOPIC_FILE", "/nowhere")];
    let dotenv = "COMPOSE_PROJECT_NAME=x\nOTHER=not quoted at all\nKAFKA_TOPIC=space-at-the-end ";
    let settings = Settings::load(&sources(&[], &environment, dotenv, "")).expect("all is right");
    assert_eq!(settings.kafka_topic.only(), Some("space-at-the-end"));
}

#[test]
fn a_line_that_swallows_others_is_told() {
    let dotenv = "KAFKA_GROUP_ID=a\nNOTE=it's open\nKAFKA_TOPIC=b\n";
    let wrong = wrong_in(Settings::load(&sources(&[], &[URI], dotenv, "")));
    assert_eq!(wrong, [".env cannot be read from line 2 on: a quote is not closed"]);
}

#[test]
fn handlers_databases_and_weirs_are_two() {
    let wrong = wrong_in(of_environment(&[("WEIR_DATABASE", "Activity_read")]));
    assert_eq!(
        wrong,
        [
            "WEIR_DATABASE is \"Activity_read\" and MONGODB_DATABASE is \"activity_read\", but they must be two databases: \
          handlers would reach Weir's own collections"
        ]
    );
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), "mongodb://ann:hunter2@h/\n").expect("it can be written");
    let path = file.path().to_str().expect("its path is UTF-8");
    let settings = Settings::load(&sources(&[], &[("MONGODB_URI_FILE", path)], "MONGODB_URI=mongodb://weaker", ""));
    let settings = settings.expect("all is right");
    assert_eq!(settings.mongodb_uri.expose(), "mongodb://ann:hunter2@h/");
    assert_eq!(settings.origins[0].source, format!("file {path}, named in environment"));
    let settings = Settings::load(&sources(&[], &[], "", &format!("mongodb_uri_file = {path:?}\n")));
    assert_eq!(settings.expect("all is right").mongodb_uri.to_string(), "mongodb://ann:***@h/");

    let wrong = wrong_in(of_environment(&[("MONGODB_URI_FILE", path)]));
    assert_eq!(wrong, ["MONGODB_URI and MONGODB_URI_FILE are both set (environment), but only one of them may be"]);
    let wrong = wrong_in(of_environment(&[("POSTGRES_PASSWORD_FILE", "/nowhere/at/all")]));
    let expected = "POSTGRES_PASSWORD_FILE is \"/nowhere/at/all\" (environment), which cannot be read: No such file or \
                    directory (os error 2)";
    assert_eq!(wrong, [expected]);
}

#[test]
fn no_secret_is_ever_shown() {
    let settings = Settings::of(&[("MONGODB_URI", "mongodb://ann:hunter2@h"), ("POSTGRES_PASSWORD", "hunter2")]);
    let shown = format!("{:?}", settings.expect("all is right"));
    assert!(shown.contains("mongodb://ann:***@h") && !shown.contains("hunter2"), "{shown}");

    let wrong = [
        wrong_in(Settings::load(&sources(&[("MONGODB_URI", "hunter2")], &[], "", ""))),
        wrong_in(Settings::load(&sources(&[], &[], "MONGODB_URI=hunter2 and more\n", ""))),
        wrong_in(Settings::load(&sources(
            &[],
            &[],
            "",
            "mongodb_uri = \"hunter2\"\npostgres_password = [\"hunter2\"]\n",
        ))),
        wrong_in(Settings::load(&sources(&[], &[], "", "mongodb_uri = \"hunter2\npostgres_password = hunter2\n"))),
    ];
    for lines in &wrong {
        assert!(lines.iter().any(|line| line.contains("MONGODB_URI")), "{wrong:?}");
        assert!(!format!("{lines:?}").contains("hunter2"), "{wrong:?}");
    }
    assert_eq!(
        wrong[1][0],
        "MONGODB_URI (.env) cannot be read\nhint: put quotes around a value with a space or special characters"
    );
}

#[test]
fn limits_are_the_handlers_over_the_common_over_the_defaults() {
    let toml = "[limits]\nfuel = 5_000\nwrites = 3\n[handlers.user-created]\nfuel = 6000\n[handlers.other]\n";
    let settings = of_toml(toml).expect("all is right");
    let common = Limits { fuel: 5_000, writes: 3, ..Limits::default() };
    assert_eq!(settings.limits_of("user-created"), &Limits { fuel: 6_000, ..common.clone() });
    assert_eq!(settings.limits_of("other"), &common);
    assert_eq!(settings.limits_of("unnamed"), &common);
}

#[test]
fn expressions_are_the_handlers_over_the_common_over_the_default() {
    let settings = of_toml("[limits]\nfuel = 5000\n").expect("all is right");
    assert_eq!(settings.limits_of("a").expressions, Expressions::Safe);
    let text = "[limits]\nexpressions = \"all\"\n[handlers.a]\nexpressions = \"safe\"\n[handlers.b]\nfuel = 5000\n";
    let settings = of_toml(text).expect("all is right");
    let of = |handler: &str| settings.limits_of(handler).expressions;
    assert_eq!((of("a"), of("b"), of("c")), (Expressions::Safe, Expressions::All, Expressions::All));
}

#[test]
fn a_handlers_ceiling_is_its_tables_over_the_default() {
    let table = "[handlers.user-created]\nevents = [\"UserCreated\"]\nwrites = 3\n[handlers.user-created.grants]\n\
                 users = [\"write\"]\nstatistics = []\n";
    let settings = of_toml(table).expect("all is right");
    let ceiling = settings.ceiling_of("user-created");
    assert_eq!(ceiling.events, Some(["UserCreated".to_owned()].into()));
    let grants = ceiling.grants.expect("a ceiling");
    assert_eq!(grants["users"], Allowed { read: false, write: true });
    assert_eq!(grants["statistics"], Allowed::default());
    assert_eq!(settings.limits_of("user-created").writes, 3);
    assert_eq!(settings.ceiling_of("other"), Ceiling::default());

    let settings = of_toml(&format!("handler_default_ceiling = \"none\"\n{table}")).expect("all is right");
    assert!(settings.ceiling_of("user-created").events.is_some_and(|events| events.len() == 1));
    let nothing = Ceiling { events: Some([].into()), grants: Some([].into()) };
    assert_eq!(settings.ceiling_of("other"), nothing);
}

#[test]
fn what_is_wrong_in_weir_toml_is_told() {
    let handlers = "1 to 63 of the letters a-z, digits and '-'";
    for (toml, line) in [
        ("[limits]\nfeul = 1\n", "feul in [limits] (weir.toml) is not a limit\nhint: did you mean fuel?".to_owned()),
        ("[limits]\nfuel = -1\n",
            "fuel in [limits] is -1 (weir.toml), but must be a whole number from 1000 to 1000000000000".to_owned()),
        ("[handlers.a]\nexpressions = \"some\"\n",
            "expressions in [handlers.a] is \"some\" (weir.toml), but must be \"safe\" or \"all\"".to_owned()),
        ("[handlers.a]\ndeadline_ms = \"1s\"\n",
            "deadline_ms in [handlers.a] is \"1s\" (weir.toml), but must be a whole number from 1 to 600000".to_owned()),
        ("[handlers.a]\nevents = \"A\"\n",
            "events in [handlers.a] is \"A\" (weir.toml), but must be an array of event types, such as \
             [\"UserCreated\"]".to_owned()),
        ("[handlers.a]\ngrants = { users = [\"admin\"] }\n",
            "grants in [handlers.a] is { users = [\"admin\"] } (weir.toml), but must be a table of collections, such as \
             { users = [\"read\", \"write\"] }".to_owned()),
        ("[handlers.Big]\n", format!("[handlers.Big] (weir.toml) names no handler\nhint: a handler's name is {handlers}")),
        ("handlers = \"folder\"\n",
            "handlers is \"folder\" (weir.toml), but must be tables [handlers.NAME] of limits\nhint: handlers_folder is the \
             folder of the handlers".to_owned()),
        ("limits = 3\n", "[limits] is 3 (weir.toml), but must be a table of limits".to_owned()),
        ("max_retries = 1.5\n",
            "max_retries is of type float (weir.toml), but must be a whole number from 0 to 1000".to_owned()),
        ("zzz = 1\n", "zzz is not a setting (weir.toml)".to_owned()),
        ("KAFKA-TOPIC = \"x\"\n", "KAFKA-TOPIC is not a setting (weir.toml)\nhint: did you mean kafka_topic?".to_owned()),
    ] {
        assert_eq!(wrong_in(of_toml(toml)), [line]);
    }
    let wrong = wrong_in(of_toml("max_retries = 1\n\nkafka_topic = x\n"));
    assert!(wrong[0].starts_with("weir.toml is not TOML: line 3: "), "{wrong:?}");
    assert_eq!(of_toml("handlers_folder = \"x\"\n").expect("all is right").handlers, PathBuf::from("x"));
}
