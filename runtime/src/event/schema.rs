//! Connect's schema beside a value: what a column of the row means. Pure.
//!
//! It is looked at only where a column cannot be read without it, so records with schemas cost little more than
//! those without.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::error::Error;

/// The schema of a record, and where in it the row's stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowSchema<'a> {
    raw: &'a RawValue,
    /// The member that holds the row; none where the row is all there is.
    row: Option<&'static str>,
}

impl<'a> RowSchema<'a> {
    /// Of an envelope, whose row is `after`.
    pub(super) fn of_envelope(raw: &'a RawValue) -> Self {
        Self { raw, row: Some("after") }
    }

    /// Of a row by itself.
    pub(super) fn of_row(raw: &'a RawValue) -> Self {
        Self { raw, row: None }
    }

    /// Whether a decimal is anywhere in it. It may be asked of every record: it costs less than reading the schema.
    pub(super) fn has_decimals(&self) -> bool {
        self.raw.get().contains(DECIMAL) || self.raw.get().contains(VARIABLE_SCALE_DECIMAL)
    }

    /// The schema of a column, where there is one.
    pub(super) fn column(&self, name: &str) -> Result<Option<Schema>, Error> {
        Ok(self.columns()?.into_iter().find(|field| field.column.as_deref() == Some(name)))
    }

    /// The schemas of the row's columns.
    pub(super) fn columns(&self) -> Result<Vec<Schema>, Error> {
        let schema: Option<Schema> = serde_json::from_str(self.raw.get()).map_err(Error::Schema)?;
        let row = match self.row {
            Some(member) => schema.and_then(|envelope| {
                envelope.fields?.into_iter().find(|field| field.column.as_deref() == Some(member))
            }),
            None => schema,
        };
        Ok(row.and_then(|row| row.fields).unwrap_or_default())
    }
}

const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const VARIABLE_SCALE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";

/// A schema, of a struct or of one of its fields.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Schema {
    /// The name of the field that it is of.
    #[serde(rename = "field")]
    pub(super) column: Option<String>,
    /// The semantic type.
    pub(super) name: Option<String>,
    fields: Option<Vec<Schema>>,
    /// What an array holds.
    pub(super) items: Option<Box<Schema>>,
    parameters: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
struct Parameters {
    scale: Option<String>,
}

impl Schema {
    /// The digits after a decimal's point, where it is fixed.
    pub(super) fn scale(&self) -> Option<i32> {
        self.parameters.as_ref()?.scale.as_deref()?.parse().ok()
    }

    pub(super) fn is_decimal(&self) -> bool {
        matches!(self.name.as_deref(), Some(DECIMAL | VARIABLE_SCALE_DECIMAL))
    }
}
