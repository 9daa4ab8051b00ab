//! Records of the reference mix, read from a file with one line of JSON per record.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use weir_core::event::{self, Decoded, Event};

/// A record as it goes into Kafka.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    /// The partition.
    pub partition: i32,
    /// The key's text.
    pub key: String,
    /// The value's text: an envelope.
    pub value: String,
}

impl Record {
    /// Decodes the record into an event, as Weir does.
    ///
    /// # Errors
    /// It is not an event.
    pub fn event(&self) -> Result<Event> {
        match event::decode(&self.as_record(), &event::Settings::default()) {
            Decoded::Event(event) => Ok(*event),
            other => bail!("a record of the mix is no event: {other:?}"),
        }
    }

    /// Returns the record in the form that the consumer passes to the decoder.
    #[must_use]
    pub fn as_record(&self) -> event::Record<'_> {
        event::Record {
            topic: "postgres.activity.event_outbox",
            partition: self.partition,
            offset: 0,
            timestamp_ms: Some(0),
            key: Some(self.key.as_bytes()),
            value: Some(self.value.as_bytes()),
            headers: &[],
        }
    }
}

/// Reads a file of records.
///
/// # Errors
/// The file cannot be read, or a line is not a record.
pub fn read(file: &Path) -> Result<Vec<Record>> {
    let lines = BufReader::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?).lines();
    lines.map(|line| serde_json::from_str(&line?).context("a line is no record")).collect()
}
