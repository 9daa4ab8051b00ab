use crate::event::{Columns, Decoded, Event, Ignored, Others, Record, Settings, Undecodable, decode};

const ROW: &str = r#"{"event_id":"e","aggregate_id":"a","aggregate_type":"","event_type":"T","payload":"{}"#;

fn given(value: &str, headers: &[(&str, Option<&[u8]>)], settings: &Settings) -> Decoded {
    let record = Record {
        topic: "outbox",
        partition: 0,
        offset: 7,
        timestamp_ms: Some(1),
        key: Some(b"{\"event_id\":\"e\"}"),
        value: Some(value.as_bytes()),
        headers,
    };
    decode(&record, settings)
}

fn row(more: &str) -> String {
    format!("{ROW}\"{more}}}")
}

fn read(value: &str, headers: &[(&str, Option<&[u8]>)]) -> Event {
    match given(value, headers, &Settings::default()) {
        Decoded::Event(event) => *event,
        other => panic!("{value} gave {other:?}"),
    }
}

fn refused(value: &str) -> Undecodable {
    match given(value, &[], &Settings::default()) {
        Decoded::Undecodable(undecodable) => undecodable,
        other => panic!("{value} gave {other:?}"),
    }
}

#[test]
fn the_operation_is_where_it_was_asked_for() {
    for (more, headers) in [
        (r#","__op":"c""#, &[] as &[(&str, Option<&[u8]>)]),
        (r#","__op":"c","__deleted":"false""#, &[]),
        ("", &[("__op", Some(b"c"))]),
        ("", &[("__op", Some(b"\"c\""))]),
    ] {
        let event = read(&row(more), headers);
        assert!(event.says_op && event.id == "e" && event.payload == "{}", "{more} {event:?}");
    }
    for (more, headers, ignored) in [
        (r#","__op":"u""#, &[] as &[(&str, Option<&[u8]>)], Ignored::Update),
        (r#","__op":"r""#, &[], Ignored::Snapshot),
        (r#","__op":"d","__deleted":"true""#, &[], Ignored::Delete),
        (r#","__deleted":"true""#, &[], Ignored::Delete),
        (r#","__deleted":true"#, &[], Ignored::Delete),
        ("", &[("__deleted", Some(b"true"))], Ignored::Delete),
        ("", &[("__op", Some(b"u"))], Ignored::Update),
        ("", &[("__op", Some(b"t"))], Ignored::Truncate),
    ] {
        assert_eq!(given(&row(more), headers, &Settings::default()), Decoded::Ignored(ignored), "{more}");
    }
}

#[test]
fn without_the_operation_it_is_an_event_that_says_so() {
    assert!(!read(&row(""), &[]).says_op);
    assert!(!read(&row(r#","__deleted":"false""#), &[]).says_op);
    assert!(!read(&format!(r#"{{"schema":{{"type":"struct"}},"payload":{}}}"#, row("")), &[]).says_op);
}

#[test]
fn columns_called_as_an_envelopes_members_make_no_envelope_of_it() {
    for more in [r#","op":"d","source":"web""#, r#","op":"u","message":"m""#, r#","op":"t","source":{"a":1}"#] {
        assert_eq!(read(&row(more), &[]).id, "e", "{more}");
    }
}

#[test]
fn a_header_that_is_no_text_is_not_passed_over() {
    let decoded = given(&row(""), &[("__op", Some(b"\xff"))], &Settings::default());
    let Decoded::Undecodable(refused) = decoded else { panic!("{decoded:?}") };
    assert_eq!(refused.reason, "the header __op is not UTF-8");
}

#[test]
fn ids_and_types_have_a_bound() {
    for (column, value) in [("event_id", "e"), ("aggregate_id", "a"), ("aggregate_type", ""), ("event_type", "T")] {
        let of = |bytes| {
            let column = |value: &str| format!(r#""{column}":"{value}""#);
            row("").replace(&column(value), &column(&"i".repeat(bytes)))
        };
        read(&of(1024), &[]);
        let refused = refused(&of(1025));
        assert_eq!(refused.reason, format!("the row's {column} has 1025 bytes, and at most 1024 are allowed"));
        assert_eq!(refused.event_id.as_deref(), Some("e").filter(|_| column != "event_id"));
    }
}

#[test]
fn an_event_that_was_not_sent_whole_has_the_bounds_too() {
    let unsent = row("").replace(r#""payload":"{}""#, r#""payload":"__debezium_unavailable_value""#);
    let of = |column: &str| {
        given(&unsent.replace(column, &format!("{column}{}", "i".repeat(1024))), &[], &Settings::default())
    };
    assert!(matches!(of(r#""event_id":""#), Decoded::Undecodable(_)));
    assert!(matches!(of(r#""aggregate_id":""#), Decoded::Undecodable(_)));
}

#[test]
fn a_delete_may_be_null() {
    for value in ["null", r#"{"schema":null,"payload":null}"#] {
        assert_eq!(given(value, &[], &Settings::default()), Decoded::Ignored(Ignored::Delete));
    }
}

#[test]
fn a_snapshots_row_is_an_event_where_asked_for() {
    let settings = Settings { snapshot_events: true, ..Settings::default() };
    assert!(matches!(given(&row(r#","__op":"r""#), &[], &settings), Decoded::Event(_)));
}

#[test]
fn the_columns_are_those_that_are_set() {
    let settings = Settings {
        columns: Columns::parse("event_id=id,aggregate_id=aggregateid,aggregate_type=aggregatetype,event_type=type")
            .expect("a list"),
        others: Others::All,
        ..Settings::default()
    };
    let value = r#"{"id":12345678901234567890,"aggregatetype":"User","aggregateid":"a","type":"T",
            "payload":{"n":1.10},"tenant":1.10,"__lsn":1}"#;
    let Decoded::Event(event) = given(value, &[], &settings) else { panic!("no event") };
    assert_eq!((event.id.as_str(), event.aggregate_type.as_str()), ("12345678901234567890", "User"));
    assert_eq!((event.payload.as_str(), event.columns.as_str()), (r#"{"n":1.10}"#, r#"{"tenant":1.10}"#));
}

#[test]
fn what_is_wrong_is_said() {
    for (value, reason) in [
        (row(r#","__op":"x""#), "the op \"x\" is not known"),
        (row(r#","__op":7"#), "the envelope's op is a number, not a text"),
        (row(r#","__deleted":"maybe""#), "the row's __deleted is a text, neither true nor false"),
        (row(r#","event_id":"f""#), "the row has the column event_id twice"),
        (row(r#","__op":"c","__op":"d""#), "the row has the column __op twice"),
        (row(r#","__deleted":"false","__deleted":"true""#), "the row has the column __deleted twice"),
        (r#"{"event_id":"e"}"#.to_owned(), "the row has no column aggregate_id"),
        (r#"{"id":1,"__deleted":"false"}"#.to_owned(), "the row has no column event_id"),
    ] {
        assert_eq!(refused(&value).reason, reason, "{value}");
    }
}
