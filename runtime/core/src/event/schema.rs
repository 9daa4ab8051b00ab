//! Connect's schema beside a value: the meaning of the row's columns. Pure.
//!
//! It is read only if a column cannot be understood without it, and then once. So records with schemas cost little more
//! than those without.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::bounds::{MAX_SCHEMA_BYTES, shown};
use crate::event::error::{self, Error};
use crate::event::json;

/// The schemas of a row's columns by the columns' names, or why they cannot be read.
type Columns = Result<BTreeMap<String, Schema>, String>;

/// The schema of a record, and the place of the row's schema in it.
#[derive(Debug)]
pub(super) struct RowSchema<'a> {
    raw: &'a RawValue,
    /// The member that holds the row, or `None` if the row is the whole value.
    row: Option<&'static str>,
    columns: OnceCell<Columns>,
}

impl<'a> RowSchema<'a> {
    /// The schema of an envelope, whose row is `after`.
    pub(super) fn of_envelope(raw: &'a RawValue) -> Self {
        Self { raw, row: Some("after"), columns: OnceCell::new() }
    }

    /// The schema of a row by itself.
    pub(super) fn of_row(raw: &'a RawValue) -> Self {
        Self { raw, row: None, columns: OnceCell::new() }
    }

    /// Returns whether the schema mentions a decimal. This costs less than reading the schema, so it is cheap enough
    /// for every record.
    pub(super) fn has_decimals(&self) -> bool {
        self.raw.get().contains(DECIMAL) || self.raw.get().contains(VARIABLE_SCALE_DECIMAL)
    }

    /// Returns the schema of a column, if there is one.
    ///
    /// # Errors
    /// The record's schema cannot be read.
    pub(super) fn column(&self, name: &str) -> Result<Option<&Schema>, Error> {
        match self.columns.get_or_init(|| self.read()) {
            Ok(columns) => Ok(columns.get(name)),
            Err(why) => Err(Error::Schema(why.clone())),
        }
    }

    fn read(&self) -> Columns {
        if self.raw.get().len() > MAX_SCHEMA_BYTES {
            return Err(format!("it has {} bytes, and at most {MAX_SCHEMA_BYTES} are allowed", self.raw.get().len()));
        }
        let read = serde_json::from_str::<Option<Schema>>(self.raw.get());
        let schema = read.map_err(|error| error::of_json(&error))?;
        let row = match self.row {
            Some(member) => schema
                .and_then(|envelope| envelope.fields)
                .and_then(|fields| fields.into_iter().find(|field| field.column.as_deref() == Some(member))),
            None => schema,
        };
        let mut columns = BTreeMap::new();
        for mut field in row.and_then(|row| row.fields).unwrap_or_default() {
            let Some(name) = field.column.take() else { continue };
            if columns.contains_key(&name) {
                return Err(format!("it has the field {} twice", shown(&name)));
            }
            columns.insert(name, field);
        }
        Ok(columns)
    }
}

const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const VARIABLE_SCALE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";

/// The schema of a struct or of one of its fields.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Schema {
    /// The name of the field that this is the schema of.
    #[serde(rename = "field")]
    column: Option<String>,
    /// The semantic type.
    pub(super) name: Option<String>,
    fields: Option<Vec<Schema>>,
    /// The schema of an array's elements.
    pub(super) items: Option<Box<Schema>>,
    parameters: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
struct Parameters {
    scale: Option<String>,
}

impl Schema {
    /// Returns the number of digits after a decimal's point, if it is fixed.
    pub(super) fn scale(&self) -> Option<i32> {
        self.parameters.as_ref()?.scale.as_deref()?.parse().ok()
    }

    pub(super) fn is_decimal(&self) -> bool {
        matches!(self.name.as_deref(), Some(DECIMAL | VARIABLE_SCALE_DECIMAL))
    }
}

/// Returns whether an object's `schema` is one of Connect's and describes its `payload`. If not, the object is data
/// that happens to have members of these names. Connect's converter writes null as the schema of a value that has none.
pub(super) fn describes(schema: &RawValue, payload: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a RawValue,
    }
    if schema.get() == "null" {
        return true;
    }
    let Ok(Typed { kind }) = serde_json::from_str(schema.get()) else { return false };
    let kinds: &[&str] = match kind.get() {
        "\"struct\"" => &["an object"],
        "\"map\"" => &["an object", "an array"],
        "\"array\"" => &["an array"],
        "\"string\"" => &["a text"],
        // A decimal may be written as a number (`decimal.format`).
        "\"bytes\"" => &["a text", "a number"],
        "\"boolean\"" => &["a boolean"],
        "\"int8\"" | "\"int16\"" | "\"int32\"" | "\"int64\"" => &["a number"],
        // JSON has no number for infinity.
        "\"float\"" | "\"double\"" => &["a number", "a text"],
        _ => return false,
    };
    payload.get() == "null" || kinds.contains(&json::kind(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).expect("the test's text is JSON")
    }

    #[test]
    fn a_schema_of_connects_has_a_type_that_the_payload_is_of() {
        for (schema, payload) in [
            ("null", "7"),
            (r#"{"type":"struct","fields":[]}"#, "{}"),
            (r#"{"type":"string","optional":false}"#, "\"{}\""),
            (r#"{"type":"string","optional":true}"#, "null"),
            (r#"{"type":"bytes"}"#, "1.10"),
            (r#"{"type":"map"}"#, "[]"),
            (r#"{"type":"int64"}"#, "7"),
            (r#"{"type":"double"}"#, "\"NaN\""),
        ] {
            assert!(describes(raw(schema), raw(payload)), "{schema} {payload}");
        }
        for (schema, payload) in [
            (r#"{"name":"orders","version":1}"#, r#"{"id":1}"#),
            (r#"{"type":"object"}"#, "{}"),
            (r#"{"type":"string"}"#, "{}"),
            (r#"{"type":"struct"}"#, "\"{}\""),
            (r#"{"type":["struct"]}"#, "{}"),
            (r#"{"type":"struct","type":"string"}"#, "{}"),
            ("\"orders\"", "{}"),
            ("{}", "{}"),
        ] {
            assert!(!describes(raw(schema), raw(payload)), "{schema} {payload}");
        }
    }

    #[test]
    fn a_schema_is_read_within_its_bounds() {
        let refused = |schema: &str| {
            RowSchema::of_row(raw(schema)).column("a").map(|_| ()).expect_err("it is refused").to_string()
        };
        let large = format!(r#"{{"fields":[],"doc":"{}"}}"#, "x".repeat(MAX_SCHEMA_BYTES));
        assert!(refused(&large).ends_with("bytes, and at most 1048576 are allowed"), "{}", refused(&large));
        let twice = r#"{"fields":[{"field":"a","name":"x"},{"field":"a","name":"y"}]}"#;
        assert!(refused(twice).ends_with("it has the field a twice"));
        let quoted = refused(r#"{"fields":"a secret"}"#);
        assert!(quoted.ends_with("another type was expected at line 1 column 20"), "{quoted}");
    }
}
