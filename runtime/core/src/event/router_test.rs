use crate::event::{Columns, Decoded, Event, Ignored, Others, Record, Settings, Undecodable, decode};

type Headers<'a> = [(&'a str, Option<&'a [u8]>)];
const ID: &Headers<'_> = &[("id", Some(b"e"))];
const TYPED: &Headers<'_> = &[("id", Some(b"e")), ("eventType", Some(b"UserCreated"))];

fn given(key: Option<&str>, value: Option<&str>, headers: &Headers<'_>, settings: &Settings) -> Decoded {
    let record = Record {
        topic: "outbox.event.User",
        partition: 0,
        offset: 7,
        timestamp_ms: Some(1),
        key: key.map(str::as_bytes),
        value: value.map(str::as_bytes),
        headers,
    };
    decode(&record, settings)
}

fn read_with(value: &str, headers: &Headers<'_>, settings: &Settings) -> Event {
    match given(Some("\"a\""), Some(value), headers, settings) {
        Decoded::Event(event) => *event,
        other => panic!("{value} gave {other:?}"),
    }
}

fn read(value: &str, headers: &Headers<'_>) -> Event {
    read_with(value, headers, &Settings::default())
}

fn refused(key: Option<&str>, value: &str, headers: &Headers<'_>) -> Undecodable {
    match given(key, Some(value), headers, &Settings::default()) {
        Decoded::Undecodable(undecodable) => undecodable,
        other => panic!("{value} gave {other:?}"),
    }
}

#[test]
fn the_value_is_the_payload() {
    for (value, payload) in [
        (r#""{\"n\": 1.50}""#, r#"{"n": 1.50}"#),
        (r#"{"n":1.50}"#, r#"{"n":1.50}"#),
        ("null", "null"),
        (r#"{"payload":1}"#, r#"{"payload":1}"#),
        (r#"{"payload":1,"title":"t"}"#, r#"{"payload":1,"title":"t"}"#),
        (r#"{"schema":{"type":"string"},"payload":"{}"}"#, "{}"),
        (r#"{"schema":{"name":"orders"},"payload":{"id":1}}"#, r#"{"schema":{"name":"orders"},"payload":{"id":1}}"#),
        (r#"{"schema":{"type":"object"},"payload":{"id":1}}"#, r#"{"schema":{"type":"object"},"payload":{"id":1}}"#),
        (r#"{"type":"Invoice","payload":{"id":1}}"#, r#"{"type":"Invoice","payload":{"id":1}}"#),
        (r#"{"event_id":"other","payload":1}"#, r#"{"event_id":"other","payload":1}"#),
        (r#"{"schema":null,"payload":null}"#, "null"),
        (r#"{"ts_ms":1}"#, r#"{"ts_ms":1}"#),
        (r#"{"event_id":"other"}"#, r#"{"event_id":"other"}"#),
        (r#"{"op":"d","source":"web","message":"m"}"#, r#"{"op":"d","source":"web","message":"m"}"#),
        (r#"{"op":"u","after":"noon"}"#, r#"{"op":"u","after":"noon"}"#),
        (r#"{"__deleted":"true","__op":"d"}"#, r#"{"__deleted":"true","__op":"d"}"#),
    ] {
        let event = read(value, TYPED);
        assert_eq!(event.payload, payload, "{value}");
        assert_eq!((event.id.as_str(), event.aggregate_id.as_str()), ("e", "a"));
        assert_eq!((event.event_type.as_str(), event.aggregate_type.as_str()), ("UserCreated", "User"));
        assert_eq!((event.created_at_ms, event.row_created_at_us, event.says_op), (1, None, true));
    }
    let Decoded::Event(event) = given(Some("a"), None, TYPED, &Settings::default()) else { panic!("no event") };
    assert_eq!(event.payload, "null");
}

#[test]
fn an_envelope_with_a_header_id_is_an_envelope() {
    let value = r#"{"before":null,"after":null,"source":{"connector":"postgresql"},"op":"t"}"#;
    assert_eq!(given(None, Some(value), ID, &Settings::default()), Decoded::Ignored(Ignored::Truncate));
}

#[test]
fn the_type_is_the_route_where_it_is_not_placed() {
    assert_eq!(read("{}", ID).event_type, "User");
}

#[test]
fn what_is_placed_beside_the_payload_is_taken_from_there() {
    let value = r#"{"payload":"{\"a\":1}","sequence_id":3,"createdAt":"1970-01-01T00:00:01Z","type":"T",
            "aggregateType":"Account","aggregate_id":"b"}"#;
    let event = read(value, ID);
    assert_eq!((event.payload.as_str(), event.sequence.as_deref()), (r#"{"a":1}"#, Some("3")));
    assert_eq!((event.event_type.as_str(), event.aggregate_type.as_str()), ("T", "Account"));
    assert_eq!((event.aggregate_id.as_str(), event.row_created_at_us), ("b", Some(1_000_000)));
    let schema = r#"{"type":"struct","fields":[{"field":"createdAt","name":"io.debezium.time.MicroTimestamp"}]}"#;
    let value = format!(r#"{{"schema":{schema},"payload":{{"payload":"{{}}","createdAt":5}}}}"#);
    assert_eq!(read(&value, TYPED).row_created_at_us, Some(5));
}

#[test]
fn a_header_decides_what_a_member_of_the_same_name_is() {
    let placed_twice = r#"{"payload":{"a":1},"type":"UserCreated"}"#;
    let event = read(placed_twice, TYPED);
    assert_eq!((event.event_type.as_str(), event.payload.as_str()), ("UserCreated", r#"{"a":1}"#));
    let value = r#"{"payload":{"a":1},"sequence_id":3,"type":"Invoice"}"#;
    assert!(refused(Some("a"), value, TYPED).reason.contains("beside it type"));
    let settings = Settings { others: Others::All, ..Settings::default() };
    let event = read_with(value, TYPED, &settings);
    assert_eq!((event.event_type.as_str(), event.columns.as_str()), ("UserCreated", r#"{"type":"Invoice"}"#));
}

#[test]
fn what_is_placed_twice_is_refused() {
    let value = r#"{"payload":{"a":1},"payload":{"a":2},"sequence_id":3}"#;
    assert_eq!(refused(Some("a"), value, TYPED).reason, "the row has the column payload twice");
    let alone = r#"{"payload":{"a":1},"payload":{"a":2}}"#;
    assert_eq!(read(alone, TYPED).payload, alone);
}

#[test]
fn what_could_be_either_is_refused_until_it_is_said() {
    let value = r#"{"payload":{"a":1},"createdAt":"1970-01-01T00:00:01Z","tenant":7}"#;
    let refused = refused(Some("a"), value, TYPED);
    assert!(refused.reason.contains("beside it tenant"), "{}", refused.reason);
    assert_eq!(refused.event_id.as_deref(), Some("e"));
    for others in ["tenant", "*"] {
        let others = Others::parse(others).expect("a list");
        let event = read_with(value, TYPED, &Settings { others, ..Settings::default() });
        assert_eq!((event.payload.as_str(), event.columns.as_str()), (r#"{"a":1}"#, r#"{"tenant":7}"#));
    }
    let columns = Columns::parse("sequence_id=tenant").expect("a list");
    let event = read_with(value, TYPED, &Settings { columns, ..Settings::default() });
    assert_eq!(event.sequence.as_deref(), Some("7"));
}

#[test]
fn the_key_is_the_aggregate_in_every_converters_writing() {
    for key in ["a", "\"a\"", r#"{"schema":{"type":"string"},"payload":"a"}"#] {
        let Decoded::Event(event) = given(Some(key), Some("{}"), ID, &Settings::default()) else {
            panic!("{key} gave no event")
        };
        assert_eq!(event.aggregate_id, "a", "{key}");
    }
    let Decoded::Event(event) = given(Some("12"), Some("{}"), ID, &Settings::default()) else { panic!("no event") };
    assert_eq!(event.aggregate_id, "12");
    for (key, found) in
        [(None, "absent"), (Some("null"), "null"), (Some("{\"id\":1}"), "an object"), (Some(""), "empty")]
    {
        let reason = refused(key, "{}", ID).reason;
        assert!(reason.contains(&format!("the record's key is {found}")), "{reason}");
    }
}

#[test]
fn a_header_that_is_no_text_is_not_passed_over() {
    let headers: &Headers<'_> = &[("id", Some(b"e")), ("eventType", Some(b"\xff"))];
    assert_eq!(refused(Some("a"), "{}", headers).reason, "the header eventType is not UTF-8");
    let null: &Headers<'_> = &[("id", Some(b"e")), ("eventType", None)];
    assert_eq!(read("{}", null).event_type, "User");
}

#[test]
fn headers_may_be_json() {
    let headers: &Headers<'_> =
        &[("id", Some(b"\"e\"")), ("type", Some(br#"{"schema":{"type":"string"},"payload":"T"}"#))];
    let event = read("{}", headers);
    assert_eq!((event.id.as_str(), event.event_type.as_str()), ("e", "T"));
}

#[test]
fn a_payload_that_was_not_sent_is_known_by_its_id_at_most() {
    let decoded = given(Some("a"), Some("\"__debezium_unavailable_value\""), TYPED, &Settings::default());
    let Decoded::Unsent(unsent) = decoded else { panic!("{decoded:?}") };
    assert_eq!(unsent.id, "e");
}
