//! The only composition root: it makes everything, and starts and stops it in order.

mod summary;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::api;
use crate::clock::HostClock;
use crate::config::Settings;
use crate::driver::{Address, Driver};
use crate::kafka::{self, Embedded, Kafka, Reading, Recording};
use crate::registry::{self, Policies, Registry};
use crate::shutdown::Shutdown;
use weir_core::clock::Clock;
use weir_core::delivery::hop::Later;
use weir_core::delivery::{Committer, CommitterSettings, Lanes, Ledger};
use weir_core::failpoint;
use weir_core::store::{self, Session, Store, Swept};
use weir_core::telemetry::Telemetry;
use weir_core::telemetry::health::{HANDLERS, Health, MONGODB};
use weir_core::telemetry::metrics::Metrics;
use weir_sandbox::{CodeCache, Compiler, Engine, EngineSettings, Handler};

/// How long a stop may take beyond `SHUTDOWN_TIMEOUT_SECONDS`: to give up the work in flight, and for the last words to
/// Kafka, MongoDB, probes and the log.
pub const GOODBYES: Duration = Duration::from_secs(14);
/// How long the last word to MongoDB may take.
const RETIRE: Duration = Duration::from_secs(2);
/// How often the ledger is swept.
const SWEEP: Duration = Duration::from_mins(1);
/// How long to wait before MongoDB is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs until `shutdown` is requested and everything that was begun has ended or was given up.
///
/// # Errors
/// Anything that keeps it from starting: a setting, a component that is refused, a MongoDB without transactions.
pub async fn run(settings: Settings, shutdown: Shutdown) -> anyhow::Result<()> {
    serve(settings, shutdown, Source::Kafka).await
}

/// Does the same on an embedded Kafka that holds the records of a file, with databases of its own, which are emptied
/// first.
///
/// # Errors
/// As for [`run`], and a file that is not a recording.
pub async fn run_embedded(settings: Settings, file: &Path, shutdown: Shutdown) -> anyhow::Result<()> {
    let text = tokio::fs::read_to_string(file).await.with_context(|| format!("cannot read {}", file.display()))?;
    let topic = settings.kafka_topic.only().context("with --embedded, KAFKA_TOPIC has to name one topic")?.to_owned();
    let recording = Recording::read(&text, &topic).with_context(|| file.display().to_string())?;
    let kafka = Embedded::start(&recording).await?;
    let settings = settings.for_embedded(kafka.brokers());
    tracing::warn!(
        records = recording.count(&topic),
        file = %file.display(),
        emptied = format!("{}, {}", settings.mongodb_database, settings.weir_database),
        "embedded_kafka: this is no Kafka, but records of a file in the memory of this process, for trying handlers"
    );
    drop(recording);
    serve(settings, shutdown, Source::Embedded).await
}

/// The source of the records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Kafka,
    Embedded,
}

async fn serve(settings: Settings, shutdown: Shutdown, source: Source) -> anyhow::Result<()> {
    let telemetry = Telemetry { metrics: Metrics::new(), health: Health::new() };
    let listener = api::bind(settings.admin_listen).await?;
    let (ended, end) = oneshot::channel::<()>();
    let connected = Arc::new(OnceLock::new());
    let state = api::State::new(telemetry.health.clone(), telemetry.metrics.clone(), Arc::clone(&connected));
    let admin = tokio::spawn(api::serve(listener, state, api::Bounds::default(), async {
        let _ = end.await;
    }));
    tokio::spawn(summary::summarize(telemetry.metrics.clone(), shutdown.clone()));

    let result = process(&settings, source, &shutdown, &telemetry, &connected).await;
    drop(ended);
    admin.await.context("the admin server panicked")?;
    if result.is_ok() {
        tracing::info!("stopped");
    }
    result
}

async fn process(
    settings: &Settings,
    source: Source,
    shutdown: &Shutdown,
    telemetry: &Telemetry,
    connected_to: &OnceLock<Store>,
) -> anyhow::Result<()> {
    Kafka::check(settings)?;
    telemetry.health.waiting_for(HANDLERS, "they are being compiled; the log names each");
    let loaded = tokio::select! {
        () = shutdown.wait() => return Ok(()),
        loaded = load(settings) => loaded,
    };
    let handlers = match loaded {
        // The signal that ends the host may have ended its compiler first.
        Err(_) if shutdown.requested() => return Ok(()),
        loaded => loaded?,
    };
    telemetry.health.found(HANDLERS);
    let Some(store) = connected(settings, &telemetry.health, shutdown).await? else { return Ok(()) };
    // Only this sets it.
    let _ = connected_to.set(store.clone());
    let ledger = Ledger {
        group: Arc::from(settings.kafka_group_id.as_str()),
        source: Arc::from(settings.outbox_source.as_str()),
        retention_ms: i64::try_from(settings.ledger_retention.as_millis()).unwrap_or(i64::MAX),
    };
    let policy = |name: &str| settings.policy_of(name);
    let prepared = prepare((handlers, &policy), &store, source, &ledger, telemetry, shutdown).await?;
    let Some((registry, session)) = prepared else { return Ok(()) };
    let give_up = Arc::new(AtomicBool::new(false));
    tokio::spawn(sweep(store.clone(), ledger.retention_ms, telemetry.metrics.clone(), shutdown.clone()));
    let clock: Arc<dyn Clock> = Arc::new(HostClock::default());
    let committer = Committer::new(
        store.clone(),
        session,
        (Arc::new(registry), Arc::new(settings.decoding())),
        &CommitterSettings { ledger, batch_size: settings.processing_batch_size },
        Arc::clone(&clock),
        telemetry.clone(),
        (Arc::clone(&give_up), Arc::new(Tasks)),
    );
    let kafka = match source {
        Source::Kafka => Kafka::new(settings)?,
        Source::Embedded => Kafka::of_embedded(settings)?,
    };
    let reading = Reading::new(kafka, store.clone(), committer, settings, clock, telemetry.clone(), give_up);
    let beating = tokio::spawn(beat(store.clone()));
    let looking = tokio::spawn(look_at_collections(store.clone()));
    let ended = match Box::pin(reading.subscribe(shutdown)).await? {
        Some(reading) => Box::pin(reading.run(shutdown)).await,
        None => Ok(true),
    };
    beating.abort();
    looking.abort();
    last_word(&store, &ended).await;
    ended.map(drop).context("the committer failed")
}

/// Runs each lane in a task of its own.
#[derive(Debug)]
struct Tasks;

impl Lanes for Tasks {
    fn start(&self, lane: Later<'static, ()>) {
        // The committer learns of a panic.
        drop(tokio::spawn(lane));
    }
}

/// Reports at intervals that this process is alive.
async fn beat(store: Store) {
    let mut due = tokio::time::interval(store::BEAT);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if let Err(error) = store.beat().await {
            tracing::debug!(%error, "beat_not_heard");
        }
    }
}

/// Looks at intervals at the handlers' collections, which somebody may have replaced.
async fn look_at_collections(store: Store) {
    let mut due = tokio::time::interval(kafka::look_every());
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if let Err(error) = store.look_at_collections().await {
            tracing::debug!(%error, "collections_not_looked_at");
        }
    }
}

/// Records how this process has ended, for those that come later. `ended` says whether everything was given back, or
/// that the committer has panicked.
async fn last_word<E>(store: &Store, ended: &Result<bool, E>) {
    let word = async {
        match ended {
            Ok(true) => store.retire().await,
            // The record tells the next owner which sessions to end.
            Ok(false) => {
                tracing::warn!("work_given_up: the next owner does it");
                store.leave().await
            }
            Err(_) => store.crash().await,
        }
    };
    match tokio::time::timeout(RETIRE, word).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "owner_record_left"),
        Err(_) => tracing::warn!("owner_record_left"),
    }
}

/// Does the same as [`connect`], as soon as the name service has answered. Returns `None` if a stop was requested
/// first.
async fn connected(settings: &Settings, health: &Health, shutdown: &Shutdown) -> Result<Option<Store>, store::Error> {
    while !shutdown.requested() {
        let connected = tokio::select! {
            () = shutdown.wait() => break,
            connected = connect(settings) => connected,
        };
        match connected {
            Err(error) if error.is_fault() => health.waiting_for(MONGODB, error.to_string()),
            connected => return connected.map(Some),
        }
        tokio::select! {
            () = shutdown.wait() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    Ok(None)
}

/// Returns the store for the MongoDB that the settings name. Nothing is sent to it yet.
///
/// # Errors
/// The connection string is not valid, or the name service does not answer.
pub async fn connect(settings: &Settings) -> Result<Store, store::Error> {
    let driver = Driver::new(&Address {
        uri: settings.mongodb_uri.expose().to_owned(),
        connect_timeout: settings.mongodb_connect_timeout,
        server_selection_timeout: settings.mongodb_server_selection_timeout,
    })
    .await?;
    let options = store::Options {
        database: settings.mongodb_database.clone(),
        own_database: settings.weir_database.clone(),
        group: settings.kafka_group_id.clone(),
        owner: Uuid::now_v7().to_string(),
    };
    Ok(Store::new(Arc::new(driver), &options))
}

/// Drops at intervals what the ledger need not remember.
async fn sweep(store: Store, retention_ms: i64, metrics: Metrics, shutdown: Shutdown) {
    let period = failpoint::sweep_period().unwrap_or(SWEEP);
    while !shutdown.requested() {
        match store.sweep_ledger(retention_ms).await {
            Ok(Swept { dropped, left }) => {
                metrics.ledger_swept(left);
                if dropped > 0 {
                    tracing::info!(dropped, left, "ledger_swept");
                }
            }
            Err(error) => {
                metrics.ledger_not_swept();
                let hint = "nothing is lost, but old events take space until this succeeds";
                tracing::warn!(%error, hint, "ledger_not_swept");
            }
        }
        tokio::select! {
            () = shutdown.wait() => {}
            () = tokio::time::sleep(period) => {}
        }
    }
}

async fn load(settings: &Settings) -> anyhow::Result<Vec<Handler>> {
    let settings_of_engine = EngineSettings {
        slots: u32::try_from(settings.sandbox_slots).unwrap_or(u32::MAX),
        stack_bytes: settings.sandbox_stack_bytes as u64,
        ..EngineSettings::default()
    };
    let cache = settings.handlers_cache.as_deref().map(CodeCache::open).transpose()?;
    let engine = Engine::new(&settings_of_engine, Compiler::child(cache)?)?;
    if !engine.pagemap_scan() {
        let hint = "Linux 6.7 and later have it";
        tracing::warn!(hint, "no_pagemap_scan: a fresh instance for every delivery costs several times more here");
    }
    Ok(registry::read(&engine, settings).await?)
}

/// Waits for MongoDB, creates what is missing in it, and enters the handlers. Returns `None` if a stop was requested
/// first.
async fn prepare(
    (handlers, policy): (Vec<Handler>, Policies<'_>),
    store: &Store,
    source: Source,
    ledger: &Ledger,
    telemetry: &Telemetry,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<(Registry, Session)>> {
    while !shutdown.requested() {
        let prepared = async {
            store.check().await?;
            if source == Source::Embedded {
                store.drop_databases().await?;
            }
            store.bring_up_to_date().await?;
            store.create_own_collections().await?;
            store.begin_floors(ledger.retention_ms).await?;
            let registry =
                Registry::enter((handlers.clone(), policy), store, &telemetry.metrics, &ledger.source).await?;
            Ok::<_, store::Error>((registry, store.session().await?))
        };
        let prepared = tokio::select! {
            () = shutdown.wait() => break,
            prepared = prepared => prepared,
        };
        match prepared {
            Ok(prepared) => {
                telemetry.health.found(MONGODB);
                return Ok(Some(prepared));
            }
            // A problem that a person must fix stops the start. A host that is running waits instead.
            Err(error @ (store::Error::Denied(_) | store::Error::Unauthorized(_))) => return Err(error.into()),
            Err(error) if error.is_fault() => telemetry.health.waiting_for(MONGODB, error.to_string()),
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = shutdown.wait() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
#[path = "server/last_word_test.rs"]
mod tests;
