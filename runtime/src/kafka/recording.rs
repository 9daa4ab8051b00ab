//! Reads records from a file, one a line, for the embedded Kafka. Pure.
//!
//! A line is a JSON object in the form of a capture: `{"topic", "partition", "offset", "timestamp", "key", "value",
//! "headers"}`. Only `value` is required. Key and value are the text that Kafka held, or JSON, which is written as it
//! is, and `null` is none. Offsets are not kept: a partition's records are numbered from 0 in the file's order.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use serde::Deserialize;
use serde_json::value::RawValue;

/// The most that the embedded Kafka is given for one partition. It drops the oldest records beyond 5 MiB.
const PARTITION_BYTES: usize = 4 << 20;
/// The most partitions that records without a partition are spread over.
const MOST_PARTITIONS: i32 = 64;
/// A generous bound for what a record takes besides its key, value and headers.
const RECORD_BYTES: usize = 128;

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line does not have the form of a record.
    #[error("line {line} is no record: {source}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A number that no partition can have.
    #[error("line {line}: a partition is 0 to 999, and not {partition}")]
    Partition {
        /// The line's number, from 1.
        line: usize,
        /// The partition.
        partition: i32,
    },
    /// The recording has nothing for the handlers to read.
    #[error("no record is of the topic {topic} (KAFKA_TOPIC), {found}")]
    NoneOfTopic {
        /// The topic that is read.
        topic: String,
        /// What the recording has instead.
        found: String,
    },
    /// The recording is more than the embedded Kafka holds.
    #[error("partition {partition} of {topic} has more than 4 MiB of records: the embedded Kafka holds no more")]
    TooMuch {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    topic: Option<String>,
    partition: Option<i32>,
    #[serde(rename = "offset")]
    _offset: Option<i64>,
    timestamp: Option<i64>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    headers: Vec<(String, Option<String>)>,
}

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The topic to write it to.
    pub topic: String,
    /// The partition to write it to.
    pub partition: i32,
    /// Its time, in milliseconds since 1970. If there is none, it gets the time of writing.
    pub timestamp_ms: Option<i64>,
    /// The key.
    pub key: Option<String>,
    /// The value.
    pub value: Option<String>,
    /// The headers in their order.
    pub headers: Vec<(String, Option<String>)>,
}

impl Recorded {
    fn bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + length(value) + 8).sum();
        RECORD_BYTES + length(&self.key) + length(&self.value) + headers
    }
}

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Recording {
    /// The records in the file's order.
    pub records: Vec<Recorded>,
    /// How many partitions each topic needs.
    pub partitions: BTreeMap<String, i32>,
}

impl Recording {
    /// Reads a file's text. A record without a topic belongs to `topic`, which must have at least one record.
    ///
    /// # Errors
    /// Fails if a line is no record, if nothing belongs to the topic, or if the embedded Kafka cannot hold it all.
    pub fn read(text: &str, topic: &str) -> Result<Self, Error> {
        let mut lines = Vec::new();
        for (at, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let line: Line<'_> = serde_json::from_str(text).map_err(|source| Error::Line { line: at + 1, source })?;
            if let Some(partition) = line.partition.filter(|number| !(0..1_000).contains(number)) {
                return Err(Error::Partition { line: at + 1, partition });
            }
            lines.push(line);
        }
        let mut count = 1;
        loop {
            let recording = Self::spread(&lines, topic, count);
            match recording.crowded() {
                None => return recording.with(topic),
                Some(_) if count < MOST_PARTITIONS => count *= 2,
                Some((topic, partition)) => return Err(Error::TooMuch { topic, partition }),
            }
        }
    }

    /// Returns the records, with those that name no partition spread by key over that many.
    fn spread(lines: &[Line<'_>], default: &str, count: i32) -> Self {
        let mut partitions = BTreeMap::new();
        let record = |line: &Line<'_>| {
            let (topic, key) = (line.topic.as_deref().unwrap_or(default).to_owned(), text(line.key));
            let partition = line.partition.unwrap_or_else(|| of_key(key.as_deref(), count));
            let most = partitions.entry(topic.clone()).or_insert(0);
            *most = (partition + 1).max(*most);
            let (value, headers) = (text(line.value), line.headers.clone());
            Recorded { topic, partition, timestamp_ms: line.timestamp, key, value, headers }
        };
        let records = lines.iter().map(record).collect();
        Self { records, partitions }
    }

    /// Returns a partition with more than it can hold.
    fn crowded(&self) -> Option<(String, i32)> {
        let mut bytes = BTreeMap::new();
        for record in &self.records {
            *bytes.entry((record.topic.as_str(), record.partition)).or_insert(0) += record.bytes();
        }
        let crowded = bytes.into_iter().find(|(_, bytes)| *bytes > PARTITION_BYTES);
        crowded.map(|((topic, partition), _)| (topic.to_owned(), partition))
    }

    fn with(self, topic: &str) -> Result<Self, Error> {
        if self.partitions.contains_key(topic) {
            return Ok(self);
        }
        let topics: Vec<_> = self.partitions.keys().map(String::as_str).collect();
        let found =
            if topics.is_empty() { "there is none at all".to_owned() } else { format!("but of {}", topics.join(", ")) };
        Err(Error::NoneOfTopic { topic: topic.to_owned(), found })
    }

    /// Returns how many records belong to the topic.
    #[must_use]
    pub fn count(&self, topic: &str) -> usize {
        self.records.iter().filter(|record| record.topic == topic).count()
    }
}

/// Returns the text of a JSON string, and any other JSON as it is. It avoids `serde_json::Value`, which treats keys
/// such as `$serde_json::private::RawValue` as its own.
fn text(value: Option<&RawValue>) -> Option<String> {
    let json = value?.get();
    match json.as_bytes().first() {
        Some(b'n') => None,
        // An escape that encodes no character has no bytes in Kafka.
        Some(b'"') => Some(serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())),
        _ => Some(json.to_owned()),
    }
}

/// Returns the partition of a key, so that its records stay in one partition and in order.
fn of_key(key: Option<&str>, count: i32) -> i32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key.unwrap_or_default().as_bytes());
    let count = u64::from(count.unsigned_abs()).max(1);
    i32::try_from(hasher.finish() % count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_needs_no_more_than_a_value() {
        let text =
            "{\"value\": {\"a\": 1.50, \"b\": [12345678901234567890]}}\n\n{\"key\":\"k\",\"value\":\" as it was\"}\n";
        let recording = Recording::read(text, "t").expect("it is a recording");
        let values: Vec<_> = recording.records.iter().map(|record| record.value.as_deref()).collect();
        assert_eq!(values, [Some("{\"a\": 1.50, \"b\": [12345678901234567890]}"), Some(" as it was")]);
        assert_eq!(recording.partitions, BTreeMap::from([("t".to_owned(), 1)]));
        assert_eq!(recording.count("t"), 2);
    }

    #[test]
    fn no_key_is_taken_for_another_value() {
        for value in [r#"{"$serde_json::private::RawValue":"[1]"}"#, r#"{"$serde_json::private::Number":"1"}"#] {
            let text = format!(r#"{{"key":{value},"value":{value}}}"#);
            let recording = Recording::read(&text, "t").expect("it is a recording");
            let record = &recording.records[0];
            assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(value), Some(value)));
        }
    }

    #[test]
    fn a_capture_keeps_its_places_and_headers() {
        let text =
            r#"{"topic":"t","partition":2,"offset":9,"timestamp":5,"key":null,"value":null,"headers":[["h",null]]}"#;
        let recording = Recording::read(text, "t").expect("it is a recording");
        let expected = Recorded {
            topic: "t".to_owned(),
            partition: 2,
            timestamp_ms: Some(5),
            key: None,
            value: None,
            headers: vec![("h".to_owned(), None)],
        };
        assert_eq!(recording.records, [expected]);
        assert_eq!(recording.partitions["t"], 3);
    }

    #[test]
    fn what_is_much_is_spread_and_a_key_stays_together() {
        let value = "x".repeat(3000);
        let line = |n: i32| format!("{{\"key\":\"{}\",\"value\":\"{value}\"}}", n % 500);
        let lines = (0..4000).map(line).collect::<Vec<_>>().join("\n");
        let recording = Recording::read(&lines, "t").expect("it is a recording");
        assert!(recording.partitions["t"] >= 4, "{:?}", recording.partitions);
        let mut places = BTreeMap::new();
        for record in &recording.records {
            assert_eq!(*places.entry(record.key.clone()).or_insert(record.partition), record.partition);
        }
        let one = format!("{{\"partition\":0,\"value\":\"{value}\"}}\n").repeat(2000);
        let error = Recording::read(&one, "t").expect_err("one partition cannot hold it");
        assert_eq!(
            error.to_string(),
            "partition 0 of t has more than 4 MiB of records: the embedded Kafka holds no more"
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let told = |text: &str| Recording::read(text, "t").expect_err("it is no recording").to_string();
        assert!(told("{\"value\":1}\n{\"worth\":1}").starts_with("line 2 is no record: unknown field `worth`"));
        assert_eq!(told("{\"partition\":-1}"), "line 1: a partition is 0 to 999, and not -1");
        assert_eq!(told(""), "no record is of the topic t (KAFKA_TOPIC), there is none at all");
        let other = told("{\"topic\":\"u\",\"value\":\"\"}");
        assert_eq!(other, "no record is of the topic t (KAFKA_TOPIC), but of u");
    }
}
