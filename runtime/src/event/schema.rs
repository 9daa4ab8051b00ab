//! Connect's schema beside an envelope: what a number in a column of the row means. Pure.
//!
//! It is looked at only where a column cannot be read without it, so records with schemas cost little more than
//! those without.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::error::Error;

/// The name of a column's semantic type, where the schema of `after` gives it one.
pub(super) fn type_of(schema: &RawValue, column: &str) -> Result<Option<String>, Error> {
    let schema: Option<Field> = serde_json::from_str(schema.get()).map_err(Error::Schema)?;
    let name = schema.and_then(|envelope| envelope.field("after")).and_then(|row| row.field(column));
    Ok(name.and_then(|field| field.name))
}

/// A schema, of a struct or of one of its fields.
#[derive(Deserialize)]
struct Field {
    #[serde(rename = "field")]
    column: Option<String>,
    name: Option<String>,
    fields: Option<Vec<Field>>,
}

impl Field {
    fn field(self, name: &str) -> Option<Field> {
        self.fields?.into_iter().find(|field| field.column.as_deref() == Some(name))
    }
}
