//! Properties that hold for any bytes and any row.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::bounds::{MAX_COLUMNS_BYTES, MAX_HEADERS, MAX_NAME_BYTES, nests_too_deep};
use super::captures_test::{Captured, capture, names};
use super::unavailable::is_unavailable;
use super::{Columns, Decoded, Event, Others, Record, Settings, Undecodable, decode};

fn record(value: &[u8]) -> Record<'_> {
    Record { topic: "t", partition: 0, offset: 0, timestamp_ms: Some(5), key: None, value: Some(value), headers: &[] }
}

/// Checks what is true of every event, however its record came about.
fn check(decoded: &Decoded) {
    match decoded {
        Decoded::Event(event) => {
            for (text, may_be_empty) in [
                (&event.id, false),
                (&event.aggregate_id, false),
                (&event.event_type, false),
                (&event.aggregate_type, true),
            ] {
                assert!((may_be_empty || !text.is_empty()) && text.len() <= MAX_NAME_BYTES, "{event:?}");
            }
            assert!(event.sequence.as_ref().is_none_or(|digits| digits.len() <= MAX_NAME_BYTES), "{event:?}");
            assert!(event.headers.len() <= MAX_HEADERS, "{event:?}");
            for json in [&event.payload, &event.columns] {
                assert!(serde_json::from_str::<IgnoredAny>(json).is_ok() && !nests_too_deep(json), "{event:?}");
            }
            assert!(event.columns.starts_with('{') && event.columns.len() <= MAX_COLUMNS_BYTES, "{event:?}");
            assert!(!is_unavailable(serde_json::from_str(&event.payload).expect("it is JSON")), "{event:?}");
            if let Some(us) = event.row_created_at_us {
                assert_eq!(event.created_at_ms, us.div_euclid(1000));
            }
        }
        Decoded::Ignored(_) => {}
        Decoded::Unsent(unsent) => {
            assert!(!unsent.id.is_empty() && unsent.id.len() <= MAX_NAME_BYTES);
            check_kept(&unsent.why);
        }
        Decoded::Undecodable(undecodable) => check_kept(undecodable),
    }
}

fn check_kept(undecodable: &Undecodable) {
    assert!(!undecodable.reason.is_empty() && undecodable.reason.len() <= 4096, "{undecodable:?}");
    for text in [&undecodable.event_id, &undecodable.event_type, &undecodable.aggregate_id] {
        assert!(text.as_ref().is_none_or(|text| text.len() <= MAX_NAME_BYTES), "{undecodable:?}");
    }
}

fn all_captured() -> Vec<Captured> {
    names().iter().flat_map(|name| capture(name)).filter(|record| record.value.is_some()).collect()
}

#[derive(Debug, Clone)]
enum Damage {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![any::<u8>(), sample::select(b"{}[]\",:\\0123456789nulltrue ".to_vec())];
    prop_oneof![
        (any::<usize>(), byte.clone()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<usize>(), byte).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        (any::<usize>(), 1..80_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (any::<usize>(), 1..80_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        any::<usize>().prop_map(Damage::Cut),
    ]
}

fn damaged(mut bytes: Vec<u8>, all: &[Damage]) -> Vec<u8> {
    for damage in all {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match *damage {
            Damage::Set(at, byte) => bytes[at % length] = byte,
            Damage::Insert(at, byte) => bytes.insert(at % length, byte),
            Damage::Remove(at, count) => drop(bytes.drain(at % length..(at % length + count).min(length))),
            Damage::Repeat(at, count) => {
                let part = bytes[at % length..(at % length + count).min(length)].to_vec();
                bytes.splice(at % length..at % length, part);
            }
            Damage::Cut(at) => bytes.truncate(at % length),
        }
    }
    bytes
}

/// Any JSON text, in a spelling that no serializer would choose: spaces, long numbers, escapes.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?",
        any::<String>().prop_map(|text| Value::String(text).to_string()),
        Just(r#""\u00fc\ud83d\ude00\/""#.to_owned()),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|items| format!("[ {} ]", items.join(" ,"))),
            vec((any::<String>(), inner), 0..5).prop_map(|members| {
                let members: Vec<_> =
                    members.into_iter().map(|(name, value)| format!("{}:  {value}", Value::String(name))).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

fn header_name() -> impl Strategy<Value = &'static str> {
    sample::select(vec![
        "id",
        "__op",
        "__deleted",
        "ce_specversion",
        "ce_id",
        "ce_type",
        "ce_time",
        "ce_iodebeziumop",
        "eventType",
        "createdAt",
    ])
}

fn header_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        json_text().prop_map(String::into_bytes),
        sample::select(vec!["1.0", "c", "d", "true", "{\"schema\":null,\"payload\":\"1.0\"}"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

/// Names that decoding looks at.
const NAMES: [&str; 33] = [
    "op",
    "after",
    "before",
    "source",
    "connector",
    "schema",
    "payload",
    "message",
    "event_id",
    "aggregate_id",
    "aggregate_type",
    "event_type",
    "sequence_id",
    "created_at",
    "__op",
    "__deleted",
    "specversion",
    "id",
    "type",
    "data",
    "data_base64",
    "iodebeziumop",
    "fields",
    "field",
    "items",
    "name",
    "parameters",
    "scale",
    "value",
    "status",
    "$serde_json::private::Number",
    "$serde_json::private::RawValue",
    "__debezium_unavailable_value",
];

/// Texts that decoding looks at.
const TEXTS: [&str; 19] = [
    "c",
    "d",
    "1.0",
    "struct",
    "after",
    "created_at",
    "amount",
    "2",
    "AQ==",
    "{}",
    "[1",
    "infinity",
    "io.debezium.time.Date",
    "io.debezium.time.MicroTimestamp",
    "org.apache.kafka.connect.data.Decimal",
    "io.debezium.data.VariableScaleDecimal",
    "io.debezium.connector.postgresql.DataChangeEvent",
    "__debezium_unavailable_value",
    "-0043-03-15T12:00:00Z",
];

/// JSON without members, as decoding looks at it.
fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        sample::select(&TEXTS[..]).prop_map(|text| Value::from(text).to_string()),
        sample::select(vec![
            "null",
            "true",
            "-0",
            "1.5",
            "1E-20000",
            "9223372036854775807",
            "12345678901234567890123",
            "\"\\ud83d\""
        ])
        .prop_map(str::to_owned),
        (1..200_usize).prop_map(|levels| "[".repeat(levels) + &"]".repeat(levels)),
        json_text(),
    ]
}

/// JSON of the names and values that decoding looks at, combined in any way.
fn hostile_json() -> impl Strategy<Value = String> {
    let name = sample::select(&NAMES[..]);
    leaf().prop_recursive(6, 60, 8, move |inner| {
        prop_oneof![
            4 => vec((name.clone(), inner.clone()), 0..8).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            1 => vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            1 => inner.prop_map(|json| Value::from(json).to_string()),
        ]
    })
}

/// Returns one event in each form that can hold it, as headers and a value. The key is the aggregate's id.
fn forms(row: &Value, payload: &str) -> Vec<(Vec<(&'static str, String)>, String)> {
    let with_payload = |object: &Value, name: &str, payload: &str| {
        let text = object.to_string();
        format!("{},\"{name}\":{payload}}}", text.strip_suffix('}').expect("an object"))
    };
    let text = Value::from(payload).to_string();
    let columns = with_payload(row, "payload", &text);
    let envelope = format!(r#"{{"before":null,"after":{columns},"source":{{"connector":"postgresql"}},"op":"c"}}"#);
    let with_schema = |value: &str| format!(r#"{{"schema":{{"type":"struct","fields":[]}},"payload":{value}}}"#);
    let of = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let routed = vec![
        ("id", of("event_id")),
        ("eventType", of("event_type")),
        ("aggregateType", of("aggregate_type")),
        ("sequence_id", row["sequence_id"].to_string()),
        ("createdAt", of("created_at")),
        ("aggregate_id", of("aggregate_id")),
    ];
    let cloud_event = json!({
        "specversion": "1.0", "id": row["event_id"], "type": row["event_type"], "source": "/s",
        "subject": row["aggregate_id"], "aggregatetype": row["aggregate_type"], "sequenceId": row["sequence_id"],
        "time": row["created_at"],
    });
    let binary = vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", of("event_id")),
        ("ce_type", of("event_type")),
        ("ce_source", "/s".to_owned()),
        ("ce_subject", of("aggregate_id")),
        ("ce_aggregatetype", of("aggregate_type")),
        ("ce_sequenceId", row["sequence_id"].to_string()),
        ("ce_time", of("created_at")),
    ];
    vec![
        (Vec::new(), with_schema(&envelope)),
        (Vec::new(), envelope),
        (Vec::new(), with_schema(&columns)),
        (vec![("__op", "c".to_owned())], columns),
        (Vec::new(), with_payload(&cloud_event, "data", &text)),
        (binary, text.clone()),
        (routed, text),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in vec(any::<u8>(), 0..600)) {
        check(&decode(&record(&bytes), &Settings::default()));
    }

    #[test]
    fn damaged_records_are_decoded_without_panic(
        which in any::<sample::Index>(),
        damages in vec(damage(), 1..6),
        snapshot_events in any::<bool>(),
        mapped in any::<bool>(),
        others in prop_oneof![Just(Others::None), Just(Others::All), Just(Others::Named(vec!["status".to_owned()]))],
    ) {
        let all = all_captured();
        let captured = which.get(&all);
        let value = captured.value.clone().expect("those without were left out").into_bytes();
        let columns = if mapped { Columns::parse("event_id=id,aggregate_id=aggregateid,event_type=type") } else { Columns::parse("created_at=createdAt") };
        let settings = Settings { snapshot_events, columns: columns.expect("a list"), others };
        check(&captured.decode(Some(&damaged(value, &damages)), &settings));
    }

    #[test]
    fn headers_and_keys_of_any_bytes_are_decoded_without_panic(
        value in proptest::option::of(json_text()),
        key in proptest::option::of(vec(any::<u8>(), 0..40)),
        headers in vec((header_name(), proptest::option::of(header_value())), 0..6),
    ) {
        let headers: Vec<(&str, Option<&[u8]>)> =
            headers.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        let record = Record { key: key.as_deref(), value: value.as_deref().map(str::as_bytes), headers: &headers, ..record(b"") };
        check(&decode(&record, &Settings::default()));
    }

    #[test]
    fn hostile_json_is_decoded_without_panic(
        value in hostile_json(),
        key in proptest::option::of(hostile_json()),
        headers in vec((header_name(), proptest::option::of(header_value())), 0..3),
        all in any::<bool>(),
    ) {
        let headers: Vec<(&str, Option<&[u8]>)> =
            headers.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        let record = Record { key: key.as_deref().map(str::as_bytes), headers: &headers, ..record(value.as_bytes()) };
        let others = if all { Others::All } else { Others::None };
        check(&decode(&record, &Settings { others, ..Settings::default() }));
    }

    #[test]
    fn an_event_is_the_same_in_every_form(
        // Plain text only, because a header in another spelling, such as JSON, is read differently.
        id in "[a-zA-Z0-9äöü €-]{1,40}",
        kind in "[a-zA-Z0-9äöü €-]{1,40}",
        aggregate in "[a-zA-Z][a-zA-Z0-9äöü €-]{0,40}",
        aggregate_type in "[a-zA-Z0-9äöü €-]{0,40}",
        sequence in any::<i64>(),
        payload in json_text(),
        us in -62_135_596_800_000_000_i64..253_402_300_800_000_000,
    ) {
        let time = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1000).expect("in range");
        let time = time.format(&time::format_description::well_known::Rfc3339).expect("a year of four digits");
        let row = json!({
            "event_id": id, "aggregate_id": aggregate, "aggregate_type": aggregate_type, "event_type": kind,
            "sequence_id": sequence, "created_at": time,
        });
        let expected = Event {
            id, sequence: Some(sequence.to_string()), event_type: kind, aggregate_type, aggregate_id: aggregate,
            payload: payload.clone(), created_at_ms: us.div_euclid(1000), row_created_at_us: Some(us),
            headers: Vec::new(), columns: "{}".to_owned(), says_op: true,
        };
        for (headers, value) in forms(&row, &payload) {
            let headers: Vec<(&str, Option<&[u8]>)> =
                headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
            let decoded = decode(&Record { headers: &headers, ..record(value.as_bytes()) }, &Settings::default());
            let Decoded::Event(event) = decoded else { return Err(TestCaseError::fail(format!("{value}: {decoded:?}"))) };
            prop_assert_eq!(Event { headers: Vec::new(), says_op: true, ..*event }, expected.clone(), "{}", value);
        }
    }

    #[test]
    fn a_rows_texts_come_out_as_they_went_in(
        id in ".{1,40}",
        aggregate in ".{1,40}",
        kind in ".{1,40}",
        sequence in any::<i64>(),
        payload in json_text(),
        us in -62_135_596_800_000_000_i64..253_402_300_800_000_000,
        as_text in any::<bool>(),
    ) {
        let time = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1000).expect("in range");
        let time = time.format(&time::format_description::well_known::Rfc3339).expect("a year of four digits");
        let column = if as_text { Value::String(payload.clone()).to_string() } else { payload.clone() };
        // Only Debezium's schema could tell a JSON string in an expanded column from a string that holds JSON text.
        prop_assume!(as_text || !payload.starts_with('"'));
        let value = format!(
            r#"{{"before":null,"after":{{"payload":{column},"event_id":{},"aggregate_id":{},"aggregate_type":"",
            "event_type":{},"sequence_id":{sequence},"created_at":{}}},"op":"c"}}"#,
            json!(id), json!(aggregate), json!(kind), json!(time),
        );
        let Decoded::Event(event) = decode(&record(value.as_bytes()), &Settings::default()) else {
            return Err(TestCaseError::fail(value));
        };
        prop_assert_eq!(event.id, id);
        prop_assert_eq!(event.aggregate_id, aggregate);
        prop_assert_eq!(event.event_type, kind);
        prop_assert_eq!(event.sequence, Some(sequence.to_string()));
        prop_assert_eq!(event.payload, payload);
        prop_assert_eq!(event.row_created_at_us, Some(us));
        prop_assert_eq!(event.created_at_ms, us.div_euclid(1000));
    }
}
