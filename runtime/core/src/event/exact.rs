//! The row's other columns as handlers receive them: each by its schema, to the last digit. Pure.
//!
//! - A decimal is a text of its digits, because most readers take a JSON number for a double.
//! - A date is `2026-11-23`, a time `07:09:10.123456`, a timestamp without a zone `2026-11-23T07:09:10.123456`, each
//!   with as many digits as its type has. With a zone it is text already.
//! - Everything else, and everything without a schema, is the JSON in the record.
//!
//! Invariants: Debezium's placeholder for a value that was not sent is never passed on, and no name occurs twice.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::event::bounds::{self, MAX_ARRAY_LEVELS, MAX_COLUMNS, MAX_COLUMNS_BYTES, MAX_LEVELS, shown};
use crate::event::decimal::{self, Work};
use crate::event::error::Error;
use crate::event::json::{self, Read};
use crate::event::row::Row;
use crate::event::schema::{RowSchema, Schema};
use crate::event::temporal::{ISO_TIMESTAMP, Temporal, infinite_text};
use crate::event::unavailable::is_unavailable;

/// Returns the other columns as a JSON object.
pub(super) fn others(row: &Row<'_>, schema: Option<&RowSchema<'_>>) -> Result<String, Error> {
    let others = row.others();
    if others.is_empty() {
        return Ok("{}".to_owned());
    }
    if others.len() > MAX_COLUMNS {
        return Err(Error::TooManyColumns(MAX_COLUMNS));
    }
    let mut columns = Columns { json: "{".to_owned(), work: Work::default() };
    let mut names = BTreeSet::new();
    for (name, raw) in others {
        if !names.insert(&**name) {
            return Err(Error::Twice(shown(name)));
        }
        if is_unavailable(raw) {
            return Err(Error::Unavailable(shown(name)));
        }
        if columns.json.len() > 1 {
            columns.json.push(',');
        }
        columns.text(name);
        columns.json.push(':');
        let schema = schema.map(|schema| schema.column(name)).transpose()?.flatten();
        columns.add(name, raw, schema, 0)?;
    }
    columns.json.push('}');
    if bounds::nests_too_deep(&columns.json) {
        return Err(Error::ColumnsTooDeep(MAX_LEVELS));
    }
    Ok(columns.json)
}

/// The columns written so far.
struct Columns {
    json: String,
    work: Work,
}

impl Columns {
    fn add(&mut self, column: &str, raw: &RawValue, schema: Option<&Schema>, level: usize) -> Result<(), Error> {
        let Some(schema) = schema.filter(|_| raw.get() != "null") else { return self.verbatim(raw) };
        if schema.is_decimal() {
            let digits = decimal::digits(column, raw, schema, &mut self.work)?;
            self.text(&digits);
            return self.fits();
        }
        if let Some(items) = schema.items.as_deref().filter(|_| raw.get().starts_with('[')) {
            return self.array(column, raw, items, level + 1);
        }
        let name = schema.name.as_deref().unwrap_or_default();
        if let Some((temporal, number)) = Temporal::named(name).zip(whole(raw)) {
            self.text(&temporal.text(number));
            return self.fits();
        }
        match json::string(raw) {
            Read::Text(text) if name == ISO_TIMESTAMP => {
                self.text(infinite_text(&text).unwrap_or(&text));
                self.fits()
            }
            _ => self.verbatim(raw),
        }
    }

    fn array(&mut self, column: &str, raw: &RawValue, items: &Schema, level: usize) -> Result<(), Error> {
        if level > MAX_ARRAY_LEVELS {
            return Err(Error::ArrayTooDeep { column: shown(column), levels: MAX_ARRAY_LEVELS });
        }
        let values: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| Error::Array(shown(column)))?;
        self.json.push('[');
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.json.push(',');
            }
            self.add(column, value, Some(items), level)?;
        }
        self.json.push(']');
        Ok(())
    }

    fn verbatim(&mut self, raw: &RawValue) -> Result<(), Error> {
        self.json.push_str(raw.get());
        self.fits()
    }

    fn text(&mut self, text: &str) {
        self.json.push_str(&serde_json::Value::from(text).to_string());
    }

    fn fits(&self) -> Result<(), Error> {
        if self.json.len() > MAX_COLUMNS_BYTES { Err(Error::ColumnsTooLarge(MAX_COLUMNS_BYTES)) } else { Ok(()) }
    }
}

fn whole(raw: &RawValue) -> Option<i64> {
    json::is_whole(raw.get()).then(|| raw.get().parse().ok())?
}

#[cfg(test)]
mod tests {
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

    const DECIMAL: &str =
        r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"0"}}"#;

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
}
