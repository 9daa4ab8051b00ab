use crate::event::{Decoded, Event, Ignored, Others, Record, Settings, ToldBy, Undecodable, decode};

const ROW: &str = r#"{"event_id":"e","sequence_id":3,"aggregate_id":"a","aggregate_type":"User","event_type":"T",
        "payload":"{\"n\": 1.50}","created_at":"1969-12-31T23:59:59.9995Z","status":"pending"}"#;

fn record(value: Option<&[u8]>) -> Record<'_> {
    Record { topic: "t", partition: 0, offset: 7, timestamp_ms: Some(99), key: None, value, headers: &[] }
}

fn given(value: &str) -> Decoded {
    decode(&record(Some(value.as_bytes())), &Settings::default())
}

fn of_op(op: &str, after: &str) -> String {
    format!(r#"{{"before":null,"after":{after},"source":{{}},"transaction":null,"op":{op},"ts_ms":1}}"#)
}

fn read(value: &str) -> Event {
    match given(value) {
        Decoded::Event(event) => *event,
        other => panic!("{value} gave {other:?}"),
    }
}

fn refused(value: &str) -> Undecodable {
    match given(value) {
        Decoded::Undecodable(undecodable) => undecodable,
        other => panic!("{value} gave {other:?}"),
    }
}

#[test]
fn a_created_row_is_an_event() {
    let expected = Event {
        id: "e".to_owned(),
        sequence: Some("3".to_owned()),
        event_type: "T".to_owned(),
        aggregate_type: "User".to_owned(),
        aggregate_id: "a".to_owned(),
        payload: r#"{"n": 1.50}"#.to_owned(),
        created_at_ms: -1,
        row_created_at_us: Some(-500),
        headers: Vec::new(),
        columns: "{}".to_owned(),
        says_op: true,
    };
    assert_eq!(read(&of_op("\"c\"", ROW)), expected);
    assert_eq!(read(&of_op("\"\\u0063\"", ROW)), expected);
    let wrapped = |schema| format!(r#" {{"schema":{schema},"payload": {}}}"#, of_op("\"c\"", ROW));
    assert_eq!(read(&wrapped("null")), expected);
    assert_eq!(read(&wrapped(r#"{"type":"struct"}"#)), expected);
}

#[test]
fn the_other_ops_are_none_whatever_the_rows_are() {
    for (op, ignored) in [
        ("r", Ignored::Snapshot),
        ("u", Ignored::Update),
        ("d", Ignored::Delete),
        ("t", Ignored::Truncate),
        ("m", Ignored::LogicalMessage),
    ] {
        for after in ["null", "{}", ROW] {
            assert_eq!(given(&of_op(&format!("\"{op}\""), after)), Decoded::Ignored(ignored), "{op} {after}");
        }
    }
    assert_eq!(given(r#"{"op":"m","message":{}}"#), Decoded::Ignored(Ignored::LogicalMessage));
    assert_eq!(decode(&record(None), &Settings::default()), Decoded::Ignored(Ignored::Tombstone));
}

#[test]
fn a_snapshots_row_is_an_event_where_asked_for() {
    let value = of_op("\"r\"", ROW);
    let decoded = decode(&record(Some(value.as_bytes())), &Settings { snapshot_events: true, ..Settings::default() });
    assert!(matches!(decoded, Decoded::Event(event) if event.id == "e"));
}

#[test]
fn a_row_without_a_time_has_the_records() {
    let row = ROW.replace(r#""1969-12-31T23:59:59.9995Z""#, "null");
    let event = read(&of_op("\"c\"", &row));
    assert_eq!((event.created_at_ms, event.row_created_at_us), (99, None));
    let value = of_op("\"c\"", &row);
    let timeless = Record { timestamp_ms: None, ..record(Some(value.as_bytes())) };
    assert!(matches!(decode(&timeless, &Settings::default()), Decoded::Undecodable(_)));
}

#[test]
fn a_number_of_time_means_what_the_schema_says() {
    let row = ROW.replace(r#""1969-12-31T23:59:59.9995Z""#, "-1500");
    let schema = |name| {
        format!(
            r#"{{"type":"struct","fields":[{{"field":"after","fields":[{{"field":"created_at","name":"{name}"}}]}}]}}"#
        )
    };
    let value = |name| format!(r#"{{"schema":{},"payload":{}}}"#, schema(name), of_op("\"c\"", &row));
    let event = read(&value("io.debezium.time.MicroTimestamp"));
    assert_eq!((event.created_at_ms, event.row_created_at_us), (-2, Some(-1500)));
    let event = read(&value("io.debezium.time.Timestamp"));
    assert_eq!((event.created_at_ms, event.row_created_at_us), (-1500, Some(-1_500_000)));
}

#[test]
fn a_payload_of_any_json_is_given_as_it_stands() {
    for (column, text) in [
        ("{\"a\": 1.10}", "{\"a\": 1.10}"),
        ("null", "null"),
        ("\"null\"", "null"),
        ("[12345678901234567890]", "[12345678901234567890]"),
    ] {
        let row = ROW.replace(r#""{\"n\": 1.50}""#, column);
        assert_eq!(read(&of_op("\"c\"", &row)).payload, text);
    }
}

#[test]
fn a_fault_of_one_column_is_named_and_the_rest_is_read() {
    let faults = [
        (r#""event_id":"e""#, r#""event_id":7.5"#, "the row's event_id is a number, not a text"),
        (r#""event_id":"e","#, "", "the row has no column event_id"),
        (r#""event_id":"e""#, r#""event_id":"""#, "the row's event_id is an empty text"),
        (r#""aggregate_id":"a""#, r#""aggregate_id":null"#, "the row's aggregate_id is null, not a text"),
        (r#""event_type":"T""#, r#""event_type":["T"]"#, "the row's event_type is an array, not a text"),
        (r#""aggregate_type":"User""#, r#""aggregate_type":{}"#, "the row's aggregate_type is an object, not a text"),
        (r#""payload":"{\"n\": 1.50}","#, "", "the row has no column payload"),
        (r#""sequence_id":3"#, r#""sequence_id":1.5"#, "the row's sequence_id is a number, not a whole number"),
    ];
    for (from, to, reason) in faults {
        let row = ROW.replace(from, to);
        assert_ne!(row, ROW);
        let refused = refused(&of_op("\"c\"", &row));
        assert_eq!(refused.reason, reason);
        assert_eq!(refused.event_id.as_deref(), Some("e").filter(|_| !from.contains("event_id")));
        assert_eq!(refused.aggregate_id.as_deref(), Some("a").filter(|_| !from.contains("aggregate_id")));
        assert_eq!(refused.event_type.as_deref(), Some("T").filter(|_| !from.contains("event_type")));
    }
}

#[test]
fn a_payload_that_was_not_sent_is_never_data() {
    let row = ROW.replace(r#""{\"n\": 1.50}""#, r#""__debezium_unavailable_value""#);
    let told_by = ToldBy { aggregate_id: "a".to_owned(), event_type: "T".to_owned(), row_created_at_us: Some(-500) };
    let unsent = |row: &str| match given(&of_op("\"c\"", row)) {
        Decoded::Unsent(unsent) => *unsent,
        other => panic!("{row} gave {other:?}"),
    };
    let found = unsent(&row);
    assert_eq!((found.id.as_str(), found.told_by), ("e", Some(told_by)));
    assert!(found.why.reason.contains("the row's payload is Debezium's placeholder"), "{}", found.why.reason);
    let row = ROW.replace(r#""aggregate_id":"a""#, r#""aggregate_id":"__debezium_unavailable_value""#);
    assert_eq!(unsent(&row).told_by, None);
    let row = ROW.replace(r#""event_id":"e""#, r#""event_id":"__debezium_unavailable_value""#);
    assert_eq!(refused(&of_op("\"c\"", &row)).event_id, None);
    assert_eq!(given(&of_op("\"u\"", &row)), Decoded::Ignored(Ignored::Update));
}

#[test]
fn other_columns_are_given_where_asked_for() {
    let row = ROW.replace(r#""status":"pending""#, r#""amount":"BNI=","day":1,"status":"pending""#);
    let schema = r#"{"type":"struct","fields":[{"field":"after","fields":[
            {"field":"amount","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},
            {"field":"day","name":"io.debezium.time.Date"}]}]}"#;
    let value = format!(r#"{{"schema":{schema},"payload":{}}}"#, of_op("\"c\"", &row));
    let columns = |others| {
        let settings = Settings { others, ..Settings::default() };
        match decode(&record(Some(value.as_bytes())), &settings) {
            Decoded::Event(event) => event.columns,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(columns(Others::All), r#"{"amount":"12.34","day":"1970-01-02","status":"pending"}"#);
    assert_eq!(columns(Others::Named(vec!["day".to_owned(), "none".to_owned()])), r#"{"day":"1970-01-02"}"#);
    let value = of_op("\"c\"", &ROW.replace("\"pending\"", "\"__debezium_unavailable_value\""));
    let settings = Settings { others: Others::All, ..Settings::default() };
    let decoded = decode(&record(Some(value.as_bytes())), &settings);
    assert!(matches!(decoded, Decoded::Unsent(_)), "{decoded:?}");
}

#[test]
fn ids_that_are_decimals_are_read_by_their_schema() {
    let row = ROW
        .replace(r#""event_id":"e""#, r#""event_id":"BNI=""#)
        .replace(r#""sequence_id":3"#, r#""sequence_id":"BNI=""#);
    let column = |name, scale| {
        format!(
            r#"{{"field":"{name}","name":"org.apache.kafka.connect.data.Decimal","parameters":{{"scale":"{scale}"}}}}"#
        )
    };
    let value = format!(
        r#"{{"schema":{{"type":"struct","fields":[{{"field":"after","fields":[{},{}]}}]}},"payload":{}}}"#,
        column("event_id", 1),
        column("sequence_id", 0),
        of_op("\"c\"", &row)
    );
    let event = read(&value);
    assert_eq!((event.id.as_str(), event.sequence.as_deref()), ("123.4", Some("1234")));
}

#[test]
fn what_is_no_envelope_says_why() {
    for (value, reason) in [
        (of_op("\"c\"", "null"), "the envelope's op is c and it has no row in after"),
        (of_op("\"x\"", ROW), "the op \"x\" is not known"),
        (of_op("\"x\"", "7"), "the op \"x\" is not known"),
        (of_op("7", ROW), "the envelope's op is a number, not a text"),
        (of_op("null", ROW), "the envelope's op is null, not a text"),
        (of_op("\"c\"", "\"row\""), "the envelope's after is a text, not a row"),
        (of_op("\"c\"", "[1]"), "the envelope's after is an array, not a row"),
        (String::new(), "the value is not JSON: EOF while parsing a value at line 1 column 0"),
        (of_op("\"c\"", "7}"), "the value is not JSON: trailing characters at line 1 column 26"),
        ("{\"op\":\"c\"".to_owned(), "the value is not JSON: EOF while parsing an object at line 1 column 9"),
        (r#"{"op":"c","op":"d","source":{}}"#.to_owned(), "twice there"),
        (of_op("\"c\"", r#"{"event_id":"e","event_id":"f"}"#), "twice there"),
    ] {
        let refused = refused(&value);
        assert!(refused.reason.contains(reason), "{value}: {}", refused.reason);
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_the_place() {
    let Decoded::Undecodable(refused) = decode(&record(Some(b"{\"op\":\"\xff\"}")), &Settings::default()) else {
        panic!("not refused");
    };
    assert_eq!(refused.reason, "the value is not UTF-8 at byte 7");
}

#[test]
fn a_bomb_of_brackets_is_refused_anywhere() {
    let bomb = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(matches!(given(&bomb), Decoded::Undecodable(_)));
    let row = ROW.replace(r#""{\"n\": 1.50}""#, &bomb);
    assert_eq!(refused(&of_op("\"c\"", &row)).reason, "the row's payload nests deeper than 127 levels");
    let row = ROW.replace("\"pending\"", &bomb);
    assert_eq!(read(&of_op("\"c\"", &row)).id, "e");
    let row = ROW.replace(r#""1969-12-31T23:59:59.9995Z""#, "5");
    let fields = format!("{}{}", "[{\"fields\":".repeat(1000), "null}]".to_owned() + &"}]".repeat(999));
    let value = format!(r#"{{"schema":{{"type":"struct","fields":{fields}}},"payload":{}}}"#, of_op("\"c\"", &row));
    assert!(refused(&value).reason.contains("recursion limit"));
}
