//! What one test or proof has to itself: a topic, a group, two databases and a folder for its handlers.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use mongodb::{Client, Collection, Database};

use super::{Kafka, Record};
use crate::pipeline::Pipeline;

/// Anything that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// A pipeline that nothing else uses, with clients on both of its ends.
pub struct World {
    /// Its names and addresses.
    pub pipeline: Pipeline,
    /// Kafka.
    pub kafka: Kafka,
    /// MongoDB.
    pub mongodb: Client,
    /// The handlers' database.
    pub data: Database,
    /// Weir's own database.
    pub own: Database,
    /// The folder of the handlers, and of a `weir.toml` if there is one.
    pub handlers: PathBuf,
}

impl World {
    /// Connects, and makes the topic and an empty folder for handlers.
    pub async fn new(pipeline: Pipeline, handlers: PathBuf, partitions: i32) -> Result<Self> {
        fs::create_dir_all(&handlers).with_context(|| format!("cannot make {}", handlers.display()))?;
        let mongodb = Client::with_uri_str(&pipeline.mongodb).await?;
        let (data, own) = (mongodb.database(&pipeline.data), mongodb.database(&pipeline.own));
        let kafka = Kafka::new(&pipeline.kafka)?;
        kafka.create(&pipeline.topic, partitions, &[]).await?;
        Ok(Self { pipeline, kafka, mongodb, data, own, handlers })
    }

    /// Sends records to the topic in their order.
    pub async fn send<R: Into<Record>>(&self, records: impl IntoIterator<Item = R>) -> Result<()> {
        self.kafka.send(&self.pipeline.topic, records).await
    }

    /// A collection of the handlers' database.
    pub fn data(&self, collection: &str) -> Collection<Document> {
        self.data.collection(collection)
    }

    /// A collection of Weir's own database.
    pub fn own(&self, collection: &str) -> Collection<Document> {
        self.own.collection(collection)
    }

    /// Returns the progress of each partition that has any: the offset of the next record.
    pub async fn progress(&self) -> Result<BTreeMap<i32, i64>> {
        let Pipeline { group, topic, .. } = &self.pipeline;
        let found = find(&self.own("progress"), doc! { "_id.group": group, "_id.topic": topic }).await?;
        let next = |each: &Document| -> Result<(i32, i64)> {
            Ok((each.get_document("_id")?.get_i32("partition")?, each.get_i64("next")?))
        };
        found.iter().map(next).collect()
    }

    /// Waits until all partitions together have advanced past that many records.
    pub async fn until_passed(&self, records: i64) -> Result<()> {
        let begun = Instant::now();
        loop {
            let found: i64 = find(&self.own("progress"), doc! {})
                .await?
                .iter()
                .map(|partition| partition.get_i64("next").unwrap_or(0))
                .sum();
            if found >= records {
                return Ok(());
            }
            let seconds = PATIENCE.as_secs();
            ensure!(begun.elapsed() < PATIENCE, "{found} of {records} records are accounted for after {seconds} s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Drops both databases and the topic.
    pub async fn remove(&self) -> Result<()> {
        self.data.drop().await?;
        self.own.drop().await?;
        self.kafka.delete(&self.pipeline.topic).await
    }
}

/// Returns all documents of a collection that match.
pub async fn find(collection: &Collection<Document>, filter: Document) -> Result<Vec<Document>> {
    let mut cursor = collection.find(filter).await?;
    let mut found = Vec::new();
    while cursor.advance().await? {
        found.push(cursor.deserialize_current()?);
    }
    Ok(found)
}
