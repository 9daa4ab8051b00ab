//! What holds for any bytes and any row.

use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::captures::{Captured, capture, names};
use super::{Columns, Decoded, Others, Record, Settings, decode};

fn record(value: &[u8]) -> Record<'_> {
    Record { topic: "t", partition: 0, offset: 0, timestamp_ms: Some(5), key: None, value: Some(value), headers: &[] }
}

/// What every event holds, however its record came about.
fn check(decoded: &Decoded) {
    match decoded {
        Decoded::Event(event) => {
            assert!(!event.id.is_empty() && !event.aggregate_id.is_empty() && !event.event_type.is_empty());
            assert!(serde_json::from_str::<IgnoredAny>(&event.payload).is_ok(), "{event:?}");
            assert!(serde_json::from_str::<serde_json::Map<String, Value>>(&event.columns).is_ok(), "{event:?}");
            assert_ne!(event.payload, "__debezium_unavailable_value");
            if let Some(us) = event.row_created_at_us {
                assert_eq!(event.created_at_ms, us.div_euclid(1000));
            }
        }
        Decoded::Ignored(_) => {}
        Decoded::Unsent(unsent) => assert!(!unsent.id.is_empty() && !unsent.why.reason.is_empty()),
        Decoded::Undecodable(undecodable) => assert!(!undecodable.reason.is_empty()),
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
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(b"{}[]\",:\\0123456789nulltrue ".to_vec())];
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
    proptest::sample::select(vec![
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
        proptest::sample::select(vec!["1.0", "c", "d", "true", "{\"schema\":null,\"payload\":\"1.0\"}"])
            .prop_map(|text| text.as_bytes().to_vec()),
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
        which in any::<proptest::sample::Index>(),
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
        // What stands in a JSON string that is not told to be JSON text is told apart by Debezium's schema alone.
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
