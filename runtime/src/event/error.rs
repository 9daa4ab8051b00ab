//! Why a record cannot be decoded, as people read it. Owns the texts; knows nothing of how a form is read.
//!
//! Pure. Invariant: a text quotes names of columns and types, never a value, since a payload may hold what no log
//! should.

use crate::event::form::Form;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the value is not UTF-8 at byte {at}")]
    NotUtf8 { at: usize },
    #[error("the value is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("the value's members are twice there or not what an envelope has, at line {line} column {column}")]
    Misshapen { line: usize, column: usize },
    #[error("the value seems to be {0}, which is not read yet")]
    OtherForm(Form),
    #[error("the value is {0}, not a Debezium envelope")]
    Unknown(&'static str),
    #[error("the envelope's op is {0}, not a text")]
    OpNotText(&'static str),
    #[error("the envelope's op {0:?} is not known")]
    UnknownOp(String),
    #[error("the envelope's op is {0} and it has no row in after")]
    NoRow(&'static str),
    #[error("the envelope's after is {0}, not a row")]
    NotARow(&'static str),
    #[error("the row has no column {0}")]
    Missing(&'static str),
    #[error("the row's {column} is {found}, not a text")]
    NotText { column: &'static str, found: &'static str },
    #[error("the row's {0} is an empty text")]
    Empty(&'static str),
    #[error("the row's {0} holds half of a surrogate pair, which is no text")]
    Surrogate(&'static str),
    #[error("the row's {0} is Debezium's placeholder for a value that was not sent (__debezium_unavailable_value)")]
    Unavailable(&'static str),
    #[error("the row's sequence_id is {0}, not a whole number")]
    Sequence(&'static str),
    #[error("the text in the row's payload is not JSON: {0}")]
    PayloadNotJson(serde_json::Error),
    #[error("the row's payload nests deeper than {0} levels")]
    PayloadTooDeep(usize),
    #[error("the row's created_at is {0}, neither a text nor a whole number")]
    CreatedAtKind(&'static str),
    #[error("the row's created_at is no time with an offset, as RFC 3339 writes it: {0}")]
    CreatedAtText(time::error::Parse),
    #[error("the row's created_at is infinite, which no BSON date can hold")]
    Infinite,
    #[error("the row's created_at is out of range: 64 bits of microseconds do not hold it")]
    OutOfRange,
    #[error("the row's created_at is a number of the schema type {0}, which is no point in time")]
    SchemaType(String),
    #[error("the row's created_at is a number and the schema that says of what cannot be read: {0}")]
    Schema(serde_json::Error),
    #[error("the row has no created_at and the record has no timestamp")]
    NoTime,
}
