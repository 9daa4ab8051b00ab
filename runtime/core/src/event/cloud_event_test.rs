use crate::event::{Decoded, Event, Ignored, Record, Settings, Undecodable, decode};

type Headers<'a> = [(&'a str, Option<&'a [u8]>)];

const ROW: &str = r#"{"event_id":"e","aggregate_id":"a","aggregate_type":"User","event_type":"T","payload":"{}"}"#;

fn given(value: Option<&str>, headers: &Headers<'_>) -> Decoded {
    let record = Record {
        topic: "events.users",
        partition: 0,
        offset: 7,
        timestamp_ms: Some(1),
        key: Some(b"k"),
        value: value.map(str::as_bytes),
        headers,
    };
    decode(&record, &Settings::default())
}

fn of_change(attributes: &str, data: &str) -> String {
    format!(
        r#"{{"id":"name:postgres;lsn:1;txId:2","source":"/debezium/postgresql/postgres","specversion":"1.0",
            "type":"io.debezium.connector.postgresql.DataChangeEvent","time":"2026-11-23T07:09:10Z",{attributes}
            "data":{data}}}"#
    )
}

fn read(value: &str, headers: &Headers<'_>) -> Event {
    match given(Some(value), headers) {
        Decoded::Event(event) => *event,
        other => panic!("{value} gave {other:?}"),
    }
}

fn refused(value: &str, headers: &Headers<'_>) -> Undecodable {
    match given(Some(value), headers) {
        Decoded::Undecodable(undecodable) => undecodable,
        other => panic!("{value} gave {other:?}"),
    }
}

#[test]
fn a_change_is_read_from_its_row() {
    let bare = format!(r#"{{"before":null,"after":{ROW}}}"#);
    let with_schema = format!(r#"{{"schema":{{"type":"struct"}},"payload":{bare}}}"#);
    let with_op = format!(r#"{{"before":null,"after":{ROW},"op":"c"}}"#);
    for (attributes, data) in
        [(r#""iodebeziumop":"c","#, &bare), (r#""iodebeziumop":"c","#, &with_schema), ("", &with_op)]
    {
        let event = read(&of_change(attributes, data), &[]);
        assert_eq!((event.id.as_str(), event.event_type.as_str(), event.says_op), ("e", "T", true), "{data}");
        assert_eq!(event.row_created_at_us, None);
    }
    assert!(!read(&of_change("", &bare), &[]).says_op);
}

#[test]
fn a_change_that_is_no_event_is_told_by_its_op() {
    for (op, ignored) in [
        ("u", Ignored::Update),
        ("d", Ignored::Delete),
        ("r", Ignored::Snapshot),
        ("t", Ignored::Truncate),
        ("m", Ignored::LogicalMessage),
    ] {
        for data in ["null", r#"{"before":null,"after":null}"#, "\"text\""] {
            let value = of_change(&format!(r#""iodebeziumop":"{op}","#), data);
            assert_eq!(given(Some(&value), &[]), Decoded::Ignored(ignored), "{op} {data}");
        }
    }
    let value = of_change("", r#"{"before":{},"after":null}"#);
    assert_eq!(given(Some(&value), &[]), Decoded::Ignored(Ignored::Delete));
}

#[test]
fn a_change_without_a_row_is_refused() {
    let value = |data| of_change(r#""iodebeziumop":"c","#, data);
    assert!(refused(&value(r#"{"before":null,"after":null}"#), &[]).reason.contains("no row in after"));
    assert!(refused(&value("[1]"), &[]).reason.contains("the CloudEvent's data is an array"));
    let unknown = of_change(r#""iodebeziumop":"x","#, "{}");
    assert!(refused(&unknown, &[]).reason.contains("the op \"x\" is not known"));
}

#[test]
fn any_other_is_an_event_by_its_attributes() {
    let value = r#"{"specversion":"1.0","id":"e","source":"/s","type":"T","subject":"a","time":"1970-01-01T00:00:01Z",
            "aggregatetype":"User","data":{"n": 1.10}}"#;
    let event = read(value, &[]);
    assert_eq!((event.id.as_str(), event.event_type.as_str(), event.aggregate_id.as_str()), ("e", "T", "a"));
    assert_eq!((event.aggregate_type.as_str(), event.payload.as_str()), ("User", r#"{"n": 1.10}"#));
    assert_eq!((event.row_created_at_us, event.says_op), (Some(1_000_000), true));
    let event = read(r#"{"specversion":"1.0","id":"e","source":"/s","type":"T"}"#, &[]);
    assert_eq!((event.aggregate_id.as_str(), event.aggregate_type.as_str()), ("k", "users"));
    assert_eq!((event.payload.as_str(), event.created_at_ms, event.row_created_at_us), ("null", 1, None));
    let base64 = r#"{"specversion":"1.0","id":"e","source":"/s","type":"T","data_base64":"eyJhIjoxfQ=="}"#;
    assert_eq!(read(base64, &[]).payload, r#"{"a":1}"#);
}

#[test]
fn the_routers_payload_is_an_event_of_the_type_that_it_was_told() {
    let value = |op: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"e","source":"/s","type":"T","iodebeziumop":"{op}","data":{{"after":1,"n":2}}}}"#
        )
    };
    let event = read(&value("c"), &[]);
    assert_eq!((event.event_type.as_str(), event.payload.as_str()), ("T", r#"{"after":1,"n":2}"#));
    assert_eq!(given(Some(&value("r")), &[]), Decoded::Ignored(Ignored::Snapshot));
    let named = of_change(r#""iodebeziumop":"c","#, &format!(r#"{{"before":null,"after":{ROW}}}"#))
        .replace("io.debezium.connector.postgresql.DataChangeEvent", "OutboxChanged");
    assert_eq!(read(&named, &[]).event_type, "T");
}

#[test]
fn binary_has_its_attributes_in_headers() {
    let headers: &Headers<'_> = &[
        ("ce_specversion", Some(b"1.0")),
        ("ce_id", Some(b"e")),
        ("ce_source", Some(b"/s")),
        ("ce_type", Some(b"T")),
        ("ce_partitionkey", Some(b"a")),
        ("content-type", Some(b"application/json")),
    ];
    let event = read(r#"{"op":"c"}"#, headers);
    assert_eq!((event.id.as_str(), event.event_type.as_str(), event.aggregate_id.as_str()), ("e", "T", "a"));
    assert_eq!(event.payload, r#"{"op":"c"}"#);
    let Decoded::Event(event) = given(None, headers) else { panic!("no event") };
    assert_eq!(event.payload, "null");
    let own = read(r#"{"op":"d","source":"web","before":1}"#, headers);
    assert_eq!(own.payload, r#"{"op":"d","source":"web","before":1}"#);
    let envelope = format!(r#"{{"before":null,"after":{ROW},"source":{{"connector":"postgresql"}},"op":"u"}}"#);
    assert_eq!(given(Some(&envelope), headers), Decoded::Ignored(Ignored::Update));
}

#[test]
fn what_is_wrong_is_said_with_the_id() {
    let binary: &Headers<'_> = &[("ce_specversion", Some(b"0.3")), ("ce_id", Some(b"e"))];
    let right: &Headers<'_> = &[("ce_specversion", Some(b"1.0")), ("ce_id", Some(b"e"))];
    let not_text: &Headers<'_> = &[
        ("ce_specversion", Some(b"1.0")),
        ("ce_id", Some(b"e")),
        ("ce_type", Some(b"T")),
        ("ce_subject", Some(b"\xff")),
    ];
    let of = |data| format!(r#"{{"specversion":"1.0","id":"e","source":"/s","type":"T",{data}}}"#);
    for (value, headers, reason) in [
        ("{}".to_owned(), binary, "specversion is not 1.0"),
        ("no json".to_owned(), right, "the value is not JSON"),
        ("{}".to_owned(), right, "the row has no column event_type"),
        (of(r#""data":1,"data_base64":"e30=""#), &[], "both data and data_base64"),
        (of(r#""data_base64":"?""#), &[], "no base64"),
        (of(r#""data":"text""#), &[], "is not JSON"),
        (of(r#""data":1,"subject":{}"#), &[], "the row's subject is an object, not a text"),
        (of(r#""data":1,"time":1.5"#), &[], "the row's time is a number, not a text"),
        (of(r#""data":1,"id":"e""#), &[], "the attribute id twice"),
        ("{}".to_owned(), not_text, "the header ce_subject is not UTF-8"),
    ] {
        let refused = refused(&value, headers);
        assert!(refused.reason.contains(reason), "{value}: {}", refused.reason);
        assert_eq!(refused.event_id.as_deref(), Some("e"), "{value}");
    }
}
