//! Kafka's client: how it is made, and how it leaves the group.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, StreamConsumer};
use tokio::sync::mpsc;

use super::assigning;
use super::callbacks::{Context, View};
use super::connection::{self, Connection};
use super::error::Error;
use super::questions::Questions;
use crate::config::Settings;
use weir_core::consumer::action::Change;

/// How long leaving the group may take.
const CLOSE: Duration = Duration::from_secs(3);

/// The client, and the receiving ends of its callbacks' channels.
pub struct Kafka {
    pub(super) client: Arc<StreamConsumer<Context>>,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) views: mpsc::Receiver<View>,
    pub(super) questions: Questions,
}

impl Kafka {
    /// Checks that a client can be made of the settings, and keeps none.
    ///
    /// # Errors
    /// Fails if librdkafka refuses a setting, such as an unknown property or a certificate that it cannot read.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        let _: BaseConsumer = connection::configuration(settings)?.create()?;
        Ok(())
    }

    /// Makes the client. Nothing is sent before it subscribes.
    ///
    /// # Errors
    /// Fails if librdkafka refuses a setting.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Self::make(settings, true)
    }

    /// Makes the client for the embedded Kafka, whose brokers the settings name.
    ///
    /// # Errors
    /// Fails if librdkafka refuses a setting.
    pub fn of_embedded(settings: &Settings) -> Result<Self, Error> {
        Self::make(settings, false)
    }

    fn make(settings: &Settings, describes: bool) -> Result<Self, Error> {
        let (changes_in, changes) = mpsc::channel(16);
        let (views_in, views) = mpsc::channel(1);
        let context = Context::new(changes_in, views_in, Connection::of(settings));
        let client: StreamConsumer<Context> = connection::configuration(settings)?.create_with_context(context)?;
        let client = Arc::new(client);
        let questions = Questions::new(&client, settings, describes);
        Ok(Self { client, changes, views, questions })
    }
}

/// Leaves the group. The loop has given everything back before, but Kafka's client may still wait for the answer to a
/// revocation that came too late for it, and then never leaves.
pub(super) async fn close(client: Arc<StreamConsumer<Context>>) {
    client.context().begin_close();
    let closed = tokio::task::spawn_blocking(move || {
        if let Err(error) = assigning::unassign_all(&client) {
            tracing::debug!(%error, "close_unassign_failed");
        }
        // A question that is under way holds the client too, for a few seconds at most.
        while Arc::strong_count(&client) > 1 {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(client);
    });
    if tokio::time::timeout(CLOSE, closed).await.is_err() {
        tracing::warn!("kafka_close_timed_out");
    }
}
