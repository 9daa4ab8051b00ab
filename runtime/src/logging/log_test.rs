use std::sync::{Arc, Mutex};

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// Returns what is logged while `run` runs.
pub(crate) fn logged(format: LogFormat, level: &str, run: impl FnOnce()) -> String {
    let level = crate::config::Settings::of(&[("MONGODB_URI", "mongodb://h"), ("LOG_LEVEL", level)])
        .expect("the settings are right")
        .log_level;
    let written = Written::default();
    let lines = Lines::start(format, false, Box::new(written.clone())).expect("a thread");
    let subscriber = tracing_subscriber::registry().with(lines.clone().with_filter(targets(&level)));
    tracing::subscriber::with_default(subscriber, run);
    assert!(lines.queue.flush(SOON));
    written.text()
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no test panics here").clone()).expect("the log is UTF-8")
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics here").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the line without its time, after checking the time's form.
fn without_time(line: &str) -> &str {
    let (start, rest) = line.split_at(r#"{"timestamp":"2026-01-02T03:04:05.678Z","#.len());
    let digits = start.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(digits, r#"{"timestamp":"0000-00-00T00:00:00.000Z","#, "{line}");
    rest
}

#[test]
fn a_hint_is_a_field_of_its_own_and_no_handler_gives_one() {
    let error = weir_core::hint::with("no", "try again");
    let text = logged(LogFormat::Json, "INFO", || {
        tracing::error!(%error, "failed");
        tracing::error!(error = error.as_str(), "delivery_failed");
    });
    let lines: Vec<_> = text.lines().map(without_time).collect();
    let [own, of_a_handler] = lines.as_slice() else { panic!("{text}") };
    assert!(own.ends_with(r#""error":"no","hint":"try again"}"#), "{own}");
    assert!(of_a_handler.ends_with(r#""error":"no\nhint: try again"}"#), "{of_a_handler}");
}

#[test]
fn a_json_line_is_flat_and_keeps_types() {
    let text = logged(LogFormat::Json, "INFO", || {
        let none: Option<u64> = None;
        let error = io::Error::other("no \"route\"\nto host");
        tracing::warn!(handler = "user-created", offset = -3_i64, big = u64::MAX, ms = 1.5, nan = f64::NAN, ok = true,
            none, kind = ?Level::INFO, error = %error, level = "mine", "delivery_failed");
        tracing::debug!("unseen");
    });
    let line = text.strip_suffix('\n').expect("a line ends");
    assert!(!line.contains('\n'));
    assert_eq!(
        without_time(line),
        concat!(
            r#""level":"warning","event":"delivery_failed","handler":"user-created","offset":-3,"#,
            r#""big":18446744073709551615,"ms":1.5,"nan":"NaN","ok":true,"kind":"Level(Info)","#,
            r#""error":"no \"route\"\nto host","level_":"mine"}"#
        )
    );
}

#[test]
fn an_object_in_fields_is_embedded_and_anything_else_is_text() {
    for (fields, shown) in [
        ("{\"n\": 0.12345678901234567890,\n \"a\": [1]}", r#"{"n":0.12345678901234567890,"a":[1]}"#),
        ("[1]", r#""[1]""#),
        ("{\"n\":", r#""{\"n\":""#),
    ] {
        let text = logged(LogFormat::Json, "INFO", || tracing::info!(fields, "handler_log"));
        let expected = format!(r#""level":"info","event":"handler_log","fields":{shown}}}"#);
        assert_eq!(without_time(text.trim_end()), expected);
        assert_eq!(text.lines().count(), 1);
    }
}

#[test]
fn libraries_are_heard_from_warnings_on_unless_asked() {
    let lines = || {
        tracing::info!(target: "mongodb::command", "started");
        tracing::warn!(target: "mongodb::command", target = 1, "slow command");
        tracing::debug!("own");
        tracing::debug!(target: "weir_core::delivery::redo", "own_too");
        tracing::warn!(target: "weird", "no package of weir");
    };
    let warning =
        r#""level":"warning","event":"library_log","target":"mongodb::command","message":"slow command","target_":1}"#;
    let text = logged(LogFormat::Json, "DEBUG", lines);
    let seen: Vec<_> = text.lines().map(without_time).collect();
    let other = r#""level":"warning","event":"library_log","target":"weird","message":"no package of weir"}"#;
    let own = [r#""level":"debug","event":"own"}"#, r#""level":"debug","event":"own_too"}"#];
    assert_eq!(seen, [warning, own[0], own[1], other]);
    assert_eq!(logged(LogFormat::Json, "ERROR,mongodb=INFO", lines).lines().count(), 2);
}

#[test]
fn lines_through_the_log_crate_follow_the_same_rule() {
    let written = Written::default();
    let lines = Lines::start(LogFormat::Json, false, Box::new(written.clone())).expect("a thread");
    let level = LogLevel { weir: Level::TRACE, libraries: vec![("rdkafka".to_owned(), Level::INFO)] };
    let logger = LibraryLines { lines: lines.clone(), targets: targets(&level) };
    for (target, level) in [("rdkafka::client", log::Level::Info), ("wasmtime", log::Level::Info)] {
        log::Log::log(&logger, &log::Record::builder().target(target).level(level).args(format_args!("hi")).build());
    }
    assert!(lines.queue.flush(SOON));
    let text = written.text();
    let line = r#""level":"info","event":"library_log","target":"rdkafka::client","message":"hi"}"#;
    assert_eq!(text.lines().map(without_time).collect::<Vec<_>>(), [line]);
}

#[test]
fn a_line_for_people_is_one_line_and_moves_no_cursor() {
    let text = logged(LogFormat::Text, "INFO", || {
        tracing::info!(handler = "a", words = "two words", evil = "\x1b[2J", trace = "one\n\x1b[2Jtwo", n = 3, "named");
        tracing::warn!(target: "rdkafka", "broker down");
    });
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0][13..], *r#" info    named handler=a words="two words" evil=\u{1b}[2J n=3"#);
    assert_eq!(lines[1..4], ["    trace:", "      one", r"      \u{1b}[2Jtwo"]);
    assert_eq!(lines[4][13..], *" warning rdkafka: broker down");
    assert!(!text.contains('\x1b'));
}
