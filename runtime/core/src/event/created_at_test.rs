use super::*;

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).expect("the test's text is JSON")
}

fn given(json: &str) -> Result<Option<i64>, String> {
    of_row("created_at", Some(&Cell::Json(raw(json))), None).map_err(|error| error.to_string())
}

fn of_type(name: &str, json: &str) -> Result<Option<i64>, String> {
    let schema = format!(
        r#"{{"type":"struct","fields":[
                {{"type":"struct","field":"before","fields":[{{"type":"int64","name":"wrong","field":"created_at"}}]}},
                {{"type":"struct","field":"after","fields":[{{"type":"string","field":"event_id"}},
                    {{"type":"int64","optional":false,"name":{name},"version":1,"field":"created_at"}}]}}]}}"#
    );
    let schema = RowSchema::of_envelope(raw(&schema));
    of_row("created_at", Some(&Cell::Json(raw(json))), Some(&schema)).map_err(|error| error.to_string())
}

#[test]
fn text_with_any_number_of_fraction_digits() {
    for (text, us) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1970-01-01T00:00:00.000001999Z", 1),
        ("1970-01-01T00:00:00.0000019999999999999999Z", 1),
        ("2026-11-23T07:09:10.123456Z", 1_795_417_750_123_456),
        ("2026-11-23T09:09:10.123456+02:00", 1_795_417_750_123_456),
        ("2026-11-23T01:39:10.123456-05:30", 1_795_417_750_123_456),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
        ("0000-12-31T23:59:59.999999Z", -62_135_596_800_000_001),
        ("-0043-03-15T12:00:00Z", -63_517_780_800_000_000),
        ("-4712-01-01T00:00:00Z", -210_863_520_000_000_000),
        ("+10000-01-01T00:00:00Z", 253_402_300_800_000_000),
        ("+20000-01-01T00:00:00Z", 568_971_820_800_000_000),
        ("+20000-02-29T23:30:00.5-01:00", 568_977_006_600_500_000),
        ("+294246-12-31T23:59:59.999999Z", 9_223_371_244_799_999_999),
    ] {
        assert_eq!(given(&format!("\"{text}\"")), Ok(Some(us)), "{text}");
    }
}

#[test]
fn before_1970_it_is_rounded_down() {
    assert_eq!(given(r#""1969-12-31T23:59:59.9999999Z""#), Ok(Some(-1)));
    assert_eq!(given(r#""1969-12-31T23:59:59.9999990Z""#), Ok(Some(-1)));
    assert_eq!(given(r#""1969-12-31T23:59:59.9999981Z""#), Ok(Some(-2)));
    assert_eq!(of_type("\"io.debezium.time.NanoTimestamp\"", "-1"), Ok(Some(-1)));
}

#[test]
fn what_is_no_time_is_refused() {
    for text in ["-0043-02-29T00:00:00Z", "+2026-11-23", "+-001-01-01T00:00:00Z", "+1-01-01T00:00:00Z", "-", "+"] {
        assert!(given(&format!("\"{text}\"")).is_err(), "{text}");
    }
    for text in ["+294300-01-01T00:00:00Z", "-999999999-01-01T00:00:00Z"] {
        let refused = given(&format!("\"{text}\"")).expect_err(text);
        assert!(refused.contains("out of range"), "{refused}");
    }
    for text in ["", "yesterday", "2026-11-23", "2026-11-23T07:09:10", "2026-13-23T07:09:10Z", "2026-02-30T00:00:00Z"] {
        let refused = given(&format!("\"{text}\"")).expect_err(text);
        assert!(refused.contains("created_at is no time with an offset"), "{refused}");
    }
    for json in ["1.5", "1e3", "true", "{}", "[]", r#""\ud83d""#] {
        assert!(given(json).expect_err(json).contains("neither a text nor a whole number"), "{json}");
    }
    assert!(given(r#""__debezium_unavailable_value""#).is_err());
}

#[test]
fn infinities_are_refused_as_such() {
    let infinite = Err("the row's created_at is infinite, which no BSON date can hold".to_owned());
    let (largest, smallest) = (i64::MAX.to_string(), i64::MIN.to_string());
    let numbers = ["9223372036825200000", "-9223372036832400000", &largest, &smallest];
    let texts = ["infinity", "-infinity", "+292278994-08-16T23:00:00Z", "-292275055-05-16T23:00:00Z"];
    for text in texts {
        assert_eq!(given(&format!("\"{text}\"")), infinite, "{text}");
    }
    for json in numbers {
        assert_eq!(given(json), infinite, "{json}");
    }
    for name in ["Timestamp", "MicroTimestamp", "NanoTimestamp"] {
        for json in numbers {
            assert_eq!(of_type(&format!("\"io.debezium.time.{name}\""), json), infinite, "{name} {json}");
        }
    }
    assert_eq!(of_type("\"io.debezium.time.Timestamp\"", "9223372036825200"), infinite);
}

#[test]
fn a_number_without_schema_is_read_by_its_size() {
    assert_eq!(given("1795417750123"), Ok(Some(1_795_417_750_123_000)));
    assert_eq!(given("1795417750123456"), Ok(Some(1_795_417_750_123_456)));
    assert_eq!(given("1795417750123456789"), Ok(Some(1_795_417_750_123_456)));
    assert_eq!(given("0"), Ok(Some(0)));
    assert_eq!(given("99999999999999"), Ok(Some(99_999_999_999_999_000)));
    assert_eq!(given("100000000000000"), Ok(Some(100_000_000_000_000)));
    assert_eq!(given("-1795417750123456"), Ok(Some(-1_795_417_750_123_456)));
    assert!(given("99999999999999999999").is_err());
}

#[test]
fn a_schema_decides() {
    assert_eq!(of_type("\"io.debezium.time.Timestamp\"", "5"), Ok(Some(5000)));
    assert_eq!(of_type("\"org.apache.kafka.connect.data.Timestamp\"", "-5"), Ok(Some(-5000)));
    assert_eq!(of_type("\"io.debezium.time.MicroTimestamp\"", "5"), Ok(Some(5)));
    assert_eq!(of_type("\"io.debezium.time.NanoTimestamp\"", "5999"), Ok(Some(5)));
    assert_eq!(of_type("\"io.debezium.time.ZonedTimestamp\"", "\"1970-01-01T00:00:01Z\""), Ok(Some(1_000_000)));
    assert_eq!(of_type("null", "1795417750123"), Ok(Some(1_795_417_750_123_000)));
    assert!(of_type("\"io.debezium.time.Timestamp\"", "9223372036854775806").is_err());
    let refused = of_type("\"io.debezium.time.Date\"", "20000").expect_err("refused");
    assert!(refused.contains("io.debezium.time.Date"), "{refused}");
    let five = Cell::Json(raw("5"));
    let with = |schema| of_row("created_at", Some(&five), Some(&RowSchema::of_envelope(raw(schema))));
    assert!(with(r#"{"fields": 7}"#).is_err());
    assert!(matches!(with("null"), Ok(Some(5000))));
    let row = r#"{"fields":[{"field":"created_at","name":"io.debezium.time.MicroTimestamp"}]}"#;
    let of_row_itself = of_row("created_at", Some(&five), Some(&RowSchema::of_row(raw(row))));
    assert!(matches!(of_row_itself, Ok(Some(5))));
}

#[test]
fn none_where_the_row_has_none() {
    assert_eq!(given("null"), Ok(None));
    assert!(matches!(of_row("created_at", None, None), Ok(None)));
}

#[test]
fn a_headers_text_is_a_time_or_a_number() {
    let given = |text: &str| {
        of_row("created_at", Some(&Cell::Text(text.to_owned().into())), None).map_err(|error| error.to_string())
    };
    assert_eq!(given("1970-01-01T00:00:01Z"), Ok(Some(1_000_000)));
    assert_eq!(given("1795417750123"), Ok(Some(1_795_417_750_123_000)));
    assert!(given("infinity").is_err() && given("").is_err());
}
