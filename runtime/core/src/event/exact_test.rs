use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::event::bounds::MAX_DECIMAL_BYTES;
use crate::event::members::Members;
use crate::event::{Others, Settings};

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).expect("the test's text is JSON")
}

fn given(json: &str, schema: &str) -> Result<String, String> {
    let schema: Schema = serde_json::from_str(schema).expect("a schema");
    let mut columns = Columns { json: String::new(), work: Work::default() };
    columns.add("c", raw(json), Some(&schema), 0).map(|()| columns.json).map_err(|error| error.to_string())
}

fn of_type(name: &str, json: &str) -> String {
    given(json, &format!(r#"{{"type":"int64","name":"{name}"}}"#)).expect("readable")
}

#[test]
fn times_have_the_digits_of_their_type() {
    for (name, json, text) in [
        ("io.debezium.time.Date", "20780", "2026-11-23"),
        ("org.apache.kafka.connect.data.Date", "-1", "1969-12-31"),
        ("io.debezium.time.Date", "-719529", "-000001-12-31"),
        ("io.debezium.time.Time", "25750123", "07:09:10.123"),
        ("org.apache.kafka.connect.data.Time", "0", "00:00:00.000"),
        ("io.debezium.time.MicroTime", "86400000000", "24:00:00.000000"),
        ("io.debezium.time.NanoTime", "1", "00:00:00.000000001"),
        ("io.debezium.time.Timestamp", "1795417750123", "2026-11-23T07:09:10.123"),
        ("org.apache.kafka.connect.data.Timestamp", "-1", "1969-12-31T23:59:59.999"),
        ("io.debezium.time.MicroTimestamp", "1795417750123456", "2026-11-23T07:09:10.123456"),
        ("io.debezium.time.MicroTimestamp", "9223372036825200000", "infinity"),
        ("io.debezium.time.Timestamp", "-9223372036832400", "-infinity"),
        ("io.debezium.time.NanoTimestamp", "-1", "1969-12-31T23:59:59.999999999"),
        ("io.debezium.time.Date", "11016", "2000-02-29"),
    ] {
        assert_eq!(of_type(name, json), format!("\"{text}\""), "{name} {json}");
    }
}

#[test]
fn what_has_no_such_type_is_given_as_it_stands() {
    for json in ["1.10", "\"text\"", "{ \"a\": 1 }", "12345678901234567890", "[1, 2]", "true"] {
        assert_eq!(given(json, r#"{"type":"string","name":"io.debezium.data.Json"}"#).as_deref(), Ok(json));
        assert_eq!(given(json, "{}").as_deref(), Ok(json));
    }
    assert_eq!(of_type("io.debezium.time.ZonedTimestamp", "\"infinity\""), "\"infinity\"");
    let iso = "io.debezium.time.IsoTimestamp";
    assert_eq!(of_type(iso, "\"+292278994-08-16T23:00:00Z\""), "\"infinity\"");
    assert_eq!(of_type(iso, "\"2026-11-23T07:09:10Z\""), "\"2026-11-23T07:09:10Z\"");
    assert_eq!(of_type("other", "\"+292278994-08-16T23:00:00Z\""), "\"+292278994-08-16T23:00:00Z\"");
    assert_eq!(of_type("io.debezium.time.MicroTimestamp", "99999999999999999999"), "99999999999999999999");
}

#[test]
fn what_an_array_holds_is_read_by_its_schema() {
    let schema = r#"{"type":"array","items":{"type":"int32","name":"io.debezium.time.Date"}}"#;
    assert_eq!(given("[0, null,1]", schema).as_deref(), Ok(r#"["1970-01-01",null,"1970-01-02"]"#));
}

fn of_row(members: &str, schema: Option<&str>) -> Result<String, String> {
    let settings = Settings { others: Others::All, ..Settings::default() };
    let members = Members::of(members);
    let row = Row::of_members(&members, &settings).expect("no field occurs twice");
    let schema = schema.map(|schema| RowSchema::of_row(raw(schema)));
    others(&row, schema.as_ref()).map_err(|error| error.to_string())
}

fn array(levels: usize) -> String {
    (1..levels).fold(DECIMAL.to_owned(), |items, _| format!(r#"{{"type":"array","items":{items}}}"#))
}

const DECIMAL: &str = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"0"}}"#;

#[test]
fn no_name_stands_twice() {
    assert_eq!(of_row(r#"{"a":1,"b":2,"a":1}"#, None), Err("the row has the column a twice".to_owned()));
}

#[test]
fn columns_have_a_bound() {
    let of = |count: usize| {
        let members: Vec<_> = (0..count).map(|number| format!("\"c{number}\":0")).collect();
        of_row(&format!("{{{}}}", members.join(",")), None)
    };
    assert!(of(10_000).is_ok());
    assert_eq!(of(10_001), Err("the row has more than 10000 other columns".to_owned()));
}

#[test]
fn a_column_is_looked_up_in_the_schema_and_not_searched() {
    // Columns times fields would be 100 million comparisons.
    let members: Vec<_> = (0..10_000).map(|number| format!("\"c{number}\":0")).collect();
    let fields: Vec<_> = (0..10_000).map(|number| format!(r#"{{"field":"d{number}","name":"n"}}"#)).collect();
    let schema = format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(","));
    assert!(of_row(&format!("{{{}}}", members.join(",")), Some(&schema)).is_ok());
}

#[test]
fn what_is_short_in_the_record_may_not_become_long_without_end() {
    let schema = format!(r#"{{"fields":[{{"field":"a","type":"array","items":{DECIMAL}}}]}}"#);
    let of = |count: usize| of_row(&format!(r#"{{"a":[{}]}}"#, vec!["1e-19999"; count].join(",")), Some(&schema));
    assert_eq!(of(100).map(|json| json.len()), Ok(100 * (2 + 19_999 + 2) + 99 + 8));
    assert_eq!(of(1000), Err("the row's other columns have more than 16777216 bytes as JSON".to_owned()));
}

#[test]
fn the_work_of_decimals_is_counted_over_all_of_them() {
    let schema = format!(r#"{{"fields":[{{"field":"a","type":"array","items":{DECIMAL}}}]}}"#);
    let longest = format!("\"{}\"", STANDARD.encode(vec![0x7f; MAX_DECIMAL_BYTES]));
    let of = |count: usize| of_row(&format!(r#"{{"a":[{}]}}"#, vec![&*longest; count].join(",")), Some(&schema));
    assert!(of(4).is_ok());
    assert_eq!(of(5), Err("the row's decimals have too many digits together".to_owned()));
}

#[test]
fn arrays_are_read_by_their_schema_to_a_depth() {
    let value = |levels: usize| format!("{}\"AQ==\"{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(given(&value(8), &array(9)), Ok(value(8).replace("AQ==", "1")));
    let refused = given(&value(9), &array(10)).expect_err("refused");
    assert_eq!(refused, "the row's c has arrays within each other on more than 8 levels");
}
