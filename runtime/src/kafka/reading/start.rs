//! Finds out what must be known before the group is joined.

use std::sync::Arc;

use rdkafka::consumer::{Consumer as _, StreamConsumer};

use super::{PAUSE, Reading};
use crate::kafka::Error;
use crate::kafka::callbacks::Context;
use crate::shutdown::Shutdown;
use weir_core::consumer::claiming::First;
use weir_core::consumer::topics::Topics;

impl Reading {
    /// Stores how many partitions each topic has at the group's first start, then joins the group. Returns none if it
    /// was asked to stop while it waited for Kafka. Nothing is read before a claim.
    ///
    /// # Errors
    /// Fails if a named topic is compacted, or if Kafka refuses the login or a certificate.
    pub async fn subscribe(self, shutdown: &Shutdown) -> Result<Option<Self>, Error> {
        let client = Arc::clone(&self.kafka.client);
        tokio::select! {
            () = shutdown.wait() => return Ok(None),
            started = self.started() => started?,
            why = refused(&client) => return Err(Error::Refused(why)),
        }
        self.kafka.client.subscribe(&self.settings.kafka_topic.subscription())?;
        Ok(Some(self))
    }

    /// Waits until Kafka and MongoDB have answered what must be known before the group is joined.
    async fn started(&self) -> Result<(), Error> {
        loop {
            let started = match &self.settings.kafka_topic {
                Topics::Names(names) => self.started_with(names).await?,
                Topics::Pattern(pattern) => self.claiming.first_start_with(pattern).await,
            };
            if started {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn started_with(&self, names: &[String]) -> Result<bool, Error> {
        for topic in names {
            match self.claiming.first_start(topic).await {
                Some(First::Found) => {}
                Some(First::Missing) => tracing::warn!(topic, "topic_does_not_exist_yet"),
                Some(First::Compacted) => return Err(Error::Compacted(topic.clone())),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Serves the client's callbacks until they report that Kafka refuses the client, which another try would not change.
async fn refused(client: &StreamConsumer<Context>) -> String {
    loop {
        // There is no subscription yet, so only errors come.
        let _ = client.recv().await;
        if let Some(trouble) = client.context().connection.trouble().filter(|trouble| trouble.refused) {
            return trouble.why;
        }
    }
}
