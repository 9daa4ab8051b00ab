//! Listings of texts that others chose.

use super::*;
use crate::operations::failures::{
    Attempt, Bytes, Content, Failure, FailureDetails, Header, LogLine, Page, RecordPlace,
};
use crate::operations::handlers::{Count, Decision, Handler, HandlerDetails, Tripped};
use crate::operations::progress::PartitionProgress;

/// What a terminal would obey: a line break, an escape, a control character of one byte, the reversal of text.
const HIDDEN: &str = "a\n\u{1b}[2J\u{7f}\u{9b}31m\u{202e}b\u{2028}c";

#[expect(clippy::unnecessary_wraps, reason = "what most fields take")]
fn hidden() -> Option<String> {
    Some(HIDDEN.to_owned())
}

fn failure() -> Failure {
    Failure {
        id: "0123456789abcdef".to_owned(),
        state: "parked",
        reason: "must-match".to_owned(),
        message: HIDDEN.to_owned(),
        hint: hidden(),
        handler: hidden(),
        event_id: hidden(),
        event_type: hidden(),
        aggregate_type: hidden(),
        aggregate_id: hidden(),
        record: RecordPlace { topic: "outbox".to_owned(), partition: 3, offset: "1200".to_owned(), timestamp: None },
        attempt: 1,
        parked_at: "2026-10-26T07:33:21Z".to_owned(),
    }
}

fn details() -> FailureDetails {
    let bytes = || Bytes::Text(HIDDEN.to_owned());
    FailureDetails {
        failure: failure(),
        version: hidden(),
        limit: None,
        error_type: hidden(),
        trace: hidden(),
        event_created_at: None,
        holds: true,
        requested: None,
        discarded: None,
        attempts: vec![Attempt { at: "now".to_owned(), reason: HIDDEN.to_owned(), message: HIDDEN.to_owned() }],
        log: vec![LogLine { level: "info".to_owned(), text: HIDDEN.to_owned(), fields: None }],
        content: Some(Content {
            key: Some(bytes()),
            value: Some(bytes()),
            headers: vec![Header { name: bytes(), value: Some(bytes()) }],
            left_out_bytes: None,
        }),
        left_out: None,
    }
}

/// Checks that a text has these many lines and nothing else that a terminal obeys.
fn is_plain(text: &str, lines: usize) {
    assert_eq!(text.lines().count(), lines, "{text}");
    for line in text.lines() {
        assert_eq!(line, log_line::printable(line), "it is shown as it is");
    }
    assert!(text.contains(r"\u{1b}[2J") && text.contains(r"\u{202e}"), "and what was hidden is seen: {text}");
}

#[test]
fn what_a_terminal_would_obey_is_escaped_in_every_listing() {
    is_plain(&failures::listed(&Page { failures: vec![failure(), failure()], next: None }), 3);
    is_plain(&failures::shown(&details()), 22);
    let handler = Handler {
        id: 2,
        team: "default".to_owned(),
        name: "user-updated".to_owned(),
        line: Some(1),
        state: "tripped",
        generation: 1,
        version: "9f86".to_owned(),
        events: vec![HIDDEN.to_owned()],
        description: String::new(),
    };
    is_plain(&handlers::listed(&vec![handler.clone()]), 2);
    let decision = || Some(Decision { at: "now".to_owned(), by: HIDDEN.to_owned(), why: HIDDEN.to_owned() });
    let tripped = Tripped { at: "now".to_owned(), reason: "trap".to_owned(), message: HIDDEN.to_owned() };
    let count = Count { state: "dead", count: "1".to_owned(), oldest: "now".to_owned() };
    let details = HandlerDetails {
        handler,
        paused: decision(),
        tripped: Some(tripped),
        ended: decision(),
        failures: vec![count],
    };
    is_plain(&handlers::shown(&details), 13);
    let partition = PartitionProgress {
        topic: "outbox".to_owned(),
        partition: 3,
        next: "0".to_owned(),
        epoch: "7".to_owned(),
        commits: "41".to_owned(),
        start: None,
        start_because: hidden(),
        owner: None,
    };
    is_plain(&progress::shown(&vec![partition]), 2);
}

#[test]
fn json_and_yaml_escape_the_same() {
    let json = output::Format::Json.written(&details(), failures::shown).expect("it is written");
    let yaml = output::Format::Yaml.written(&details(), failures::shown).expect("it is written");
    for (form, text) in [("json", &json), ("yaml", &yaml)] {
        let obeyed = |c: char| c != '\n' && log_line::printable(&c.to_string()) != c.to_string();
        assert!(!text.contains(obeyed), "{form}: {text}");
        let read: serde_json::Value = serde_json::from_str(text).expect("JSON, which is YAML too");
        assert_eq!(read["message"], HIDDEN, "{form}");
    }
    let plain = output::Format::Yaml.written(&vec!["a: b"], |_| String::new()).expect("it is written");
    assert!(plain.starts_with("- "), "other texts are in YAML's own form: {plain}");
}
