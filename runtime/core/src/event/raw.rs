//! A record's own bytes, which are kept until the record is accounted for.

/// A record as it came from Kafka. It is kept until it is accounted for, because a parked record is stored with its
/// bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawRecord {
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub value: Option<Vec<u8>>,
    /// The headers, in their order. A name may be any bytes.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Kafka's timestamp, in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// How many bytes of key, value and headers the record has, if they are too many to be kept. Then none of them is
    /// here.
    pub left_out_bytes: Option<usize>,
}
