//! Why a record cannot be decoded, in words for people. Owns the texts; knows nothing of how a form is read.
//!
//! Pure. Invariant: a text quotes names of columns and types, never a value, because a payload may hold data that must
//! not be in a log. A name from the record is cut and escaped first (`bounds::shown`), so it cannot begin a line that
//! reads like a hint.

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "the record has {bytes} bytes, and at most {limit} are read and kept: its bytes are in Kafka for as long as its \
         topic keeps them"
    )]
    RecordTooLarge { bytes: usize, limit: usize },
    #[error(
        "its headers cannot be read: kafka's client reads at most 100,000\nhint: see which producer writes so many, and look \
         the record up in the topic"
    )]
    HeadersUnreadable,
    #[error("the value is not UTF-8 at byte {at}")]
    NotUtf8 { at: usize },
    #[error("the value is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("the value's members are twice there or not what an envelope has, at line {line} column {column}")]
    Misshapen { line: usize, column: usize },
    #[error(
        "the value is {found} of no form that is known: no envelope, no row with the column {column}, no CloudEvent, and \
         no header id as the EventRouter gives it"
    )]
    Unknown { found: &'static str, column: String },
    #[error("the envelope's op is {0}, not a text")]
    OpNotText(&'static str),
    #[error("the op {0:?} is not known")]
    UnknownOp(String),
    #[error("the row's __deleted is {0}, neither true nor false")]
    Deleted(&'static str),
    #[error("the envelope's op is {0} and it has no row in after")]
    NoRow(&'static str),
    #[error("the envelope's after is {0}, not a row")]
    NotARow(&'static str),
    #[error("the CloudEvent's specversion is not 1.0")]
    SpecVersion,
    #[error("the CloudEvent's data is {0}, neither a row's change nor one with its schema")]
    NotAChange(&'static str),
    #[error("the CloudEvent's data_base64 is no base64 of UTF-8")]
    Base64,
    #[error("the CloudEvent has both data and data_base64")]
    TwoData,
    #[error("the record's key is {0}, and no aggregate's id is placed in a header or beside the payload")]
    Key(&'static str),
    #[error(
        "the value holds a payload, and beside it {0}, so it may be what the EventRouter places beside a payload, or a \
         payload itself\nhint: if it is a column that the EventRouter places there, name it in OUTBOX_OTHER_COLUMNS or \
         OUTBOX_COLUMNS"
    )]
    Ambiguous(String),
    #[error("the row has the column {0} twice")]
    Twice(String),
    #[error("the row has no column {0}")]
    Missing(String),
    #[error("the row's {column} is {found}, not a text")]
    NotText { column: String, found: &'static str },
    #[error("the CloudEvent has the attribute {0} twice")]
    TwiceAttribute(String),
    #[error("the row's {column} has {bytes} bytes, and at most {limit} are allowed")]
    TooLong { column: String, bytes: usize, limit: usize },
    #[error("the row's {0} is an empty text")]
    Empty(String),
    #[error("the row's {0} holds half of a surrogate pair, which is no text")]
    Surrogate(String),
    #[error("the row's {0} is Debezium's placeholder for a value that was not sent (__debezium_unavailable_value)")]
    Unavailable(String),
    #[error("the row's {0} is no decimal of the bytes and scale that its schema says")]
    Decimal(String),
    #[error("the row's decimals have too many digits together")]
    DecimalWork,
    #[error("the row's {0} is an array that cannot be read")]
    Array(String),
    #[error("the row's {column} has arrays within each other on more than {levels} levels")]
    ArrayTooDeep { column: String, levels: usize },
    #[error("the row has more than {0} other columns")]
    TooManyColumns(usize),
    #[error("the row's other columns have more than {0} bytes as JSON")]
    ColumnsTooLarge(usize),
    #[error("the header {0} is not UTF-8")]
    HeaderNotUtf8(String),
    #[error("the record has {count} headers, and at most {limit} are allowed")]
    TooManyHeaders { count: usize, limit: usize },
    #[error("the record's headers have {bytes} bytes, and at most {limit} are allowed")]
    HeadersTooLarge { bytes: usize, limit: usize },
    #[error("the row's other columns nest deeper than {0} levels")]
    ColumnsTooDeep(usize),
    #[error("the row's {column} is {found}, not a whole number")]
    Sequence { column: String, found: &'static str },
    #[error("the text in the row's {column} is not JSON: {error}")]
    PayloadNotJson { column: String, error: serde_json::Error },
    #[error("the row's {column} nests deeper than {levels} levels")]
    PayloadTooDeep { column: String, levels: usize },
    #[error("the row's {column} is {found}, neither a text nor a whole number")]
    CreatedAtKind { column: String, found: &'static str },
    #[error("the row's {column} is no time with an offset, as RFC 3339 writes it: {error}")]
    CreatedAtText { column: String, error: time::error::Parse },
    #[error("the row's {0} is infinite, which no BSON date can hold")]
    Infinite(String),
    #[error("the row's {0} is out of range: 64 bits of microseconds do not hold it")]
    OutOfRange(String),
    #[error("the row's {column} is a number of the schema type {name}, which is no point in time")]
    SchemaType { column: String, name: String },
    #[error("the schema that says what a column holds cannot be read: {0}")]
    Schema(String),
    #[error("the row has no {0} and the record has no timestamp")]
    NoTime(String),
}

/// Describes an error of `serde_json` without the values that it may quote.
pub(super) fn of_json(error: &serde_json::Error) -> String {
    if error.is_data() {
        format!("another type was expected at line {} column {}", error.line(), error.column())
    } else {
        error.to_string()
    }
}
