//! A pipeline's own outbox: a database with the table, and a connector with a slot that sends its rows to the topic.
//!
//! It uses the database of `deploy/local`, the connector of `deploy/debezium` and the registration of both, under other
//! names. So tests use what is shipped, and outboxes on one instance never meet.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use super::{Instance, connect, postgres};
use crate::paths;
use crate::pipeline::Pipeline;

/// An outbox whose rows reach the pipeline's topic. Dropping it deletes its connector.
pub struct Outbox<'a> {
    instance: &'a Instance,
    name: String,
    settings: PathBuf,
}

impl<'a> Outbox<'a> {
    /// Makes it on an instance whose PostgreSQL, Kafka and Connect are up, and waits until a row would be sent.
    pub fn make(instance: &'a Instance, pipeline: &Pipeline) -> Result<Self> {
        postgres::prepare(instance, &pipeline.postgres)?;
        let (_, mut config) = connect::connector(instance)?;
        let database = pipeline.postgres.rsplit('/').next().context("the outbox has no database")?;
        config["database.dbname"] = database.into();
        config["topic.prefix"] = pipeline.name.clone().into();
        config["slot.name"] = pipeline.name.clone().into();
        // The registration waits for the first heartbeat.
        config["heartbeat.interval.ms"] = "500".into();
        let settings = instance.path(&format!("connector-{}.json", pipeline.name));
        fs::write(&settings, json!({ "name": pipeline.name, "config": config }).to_string())?;
        let outbox = Self { instance, name: pipeline.name.clone(), settings };
        connect::register(instance, &outbox.settings)?;
        Ok(outbox)
    }
}

impl Drop for Outbox<'_> {
    fn drop(&mut self) {
        if let Err(error) = connect::delete(self.instance, &self.name).and_then(|()| paths::remove(&self.settings)) {
            eprintln!("the connector {} was not deleted: {error:#}", self.name);
        }
    }
}
