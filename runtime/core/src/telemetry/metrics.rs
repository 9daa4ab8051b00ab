//! Every metric's name, written once, and the methods that other modules call. Names carry their unit. The encoding
//! adds a counter's `_total` and a unit's suffix.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::window::Window;
use crate::clock;

pub use super::labels::{EventResult, Outcome, RecordKind, Service};

type Label = (&'static str, String);
type By<const N: usize, M> = Family<[Label; N], M>;
type Seconds = Gauge<f64, AtomicU64>;

/// The process's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) started: Instant,
    pub(super) window: Window,
    pub(super) records: Vec<Counter>,
    pub(super) events: Vec<Counter>,
    pub(super) handlers: Mutex<BTreeMap<String, HandlerMetrics>>,
    lags: Mutex<BTreeMap<(String, i32), i64>>,
    oldest_uncommitted_ms: AtomicI64,
    families: Families,
    registry: Registry,
}

/// The value if nothing is uncommitted.
const NONE_MS: i64 = i64::MAX;

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The metrics as they are registered.
struct Families {
    records: By<1, Counter>,
    events: By<1, Counter>,
    deliveries: By<2, Counter>,
    failures: By<2, Counter>,
    delivery: By<1, Histogram>,
    fuel: By<1, Counter>,
    log_lines_dropped: By<1, Counter>,
    escalations: By<2, Counter>,
    batches: Counter,
    batch: Histogram,
    batch_cuts: By<1, Counter>,
    commit: Histogram,
    event_latency: Histogram,
    transactions_redone: By<1, Counter>,
    faults: By<1, Counter>,
    partition_lag: By<2, Gauge>,
    lag: Gauge,
    oldest_uncommitted: Seconds,
    partitions_owned: Gauge,
    partition_stopped: By<2, Gauge>,
    handler_away: By<1, Gauge>,
    handler_stopped: By<2, Gauge>,
    ledger_buckets: Gauge,
    ledger_sweeps_failed: Counter,
    log_lines_lost: Counter,
    resident_memory: Gauge,
}

impl Families {
    fn new() -> Self {
        Self {
            records: Family::default(),
            events: Family::default(),
            deliveries: Family::default(),
            failures: Family::default(),
            delivery: Family::new_with_constructor(|| Histogram::new(DELIVERY_SECONDS)),
            fuel: Family::default(),
            log_lines_dropped: Family::default(),
            escalations: Family::default(),
            batches: Counter::default(),
            batch: Histogram::new(BATCH_EVENTS),
            batch_cuts: Family::default(),
            commit: Histogram::new(COMMIT_SECONDS),
            event_latency: Histogram::new(LATENCY_SECONDS),
            transactions_redone: Family::default(),
            faults: Family::default(),
            partition_lag: Family::default(),
            lag: Gauge::default(),
            oldest_uncommitted: Gauge::default(),
            partitions_owned: Gauge::default(),
            partition_stopped: Family::default(),
            handler_away: Family::default(),
            handler_stopped: Family::default(),
            ledger_buckets: Gauge::default(),
            ledger_sweeps_failed: Counter::default(),
            log_lines_lost: Counter::default(),
            resident_memory: Gauge::default(),
        }
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register_with_unit(
            "process_resident_memory",
            "Memory of the process in RAM",
            Unit::Bytes,
            self.resident_memory.clone(),
        );
        let weir = registry.sub_registry_with_prefix("weir");
        weir.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let help = "Lines of the log that were lost because nobody read it";
        weir.register("log_lines_lost", help, self.log_lines_lost.clone());
        weir.register("records", "Records of Kafka's, by what they turned out to be", self.records.clone());
        weir.register("events", "Events accounted for, by result", self.events.clone());
        self.register_deliveries(weir);
        self.register_batches(weir);
        self.register_partitions(weir);
        let help = "Collections in which the ledger keeps its marks";
        weir.register("ledger_buckets", help, self.ledger_buckets.clone());
        let help = "Times that old marks could not be removed from the ledger";
        weir.register("ledger_sweeps_failed", help, self.ledger_sweeps_failed.clone());
        registry
    }

    fn register_deliveries(&self, weir: &mut Registry) {
        weir.register("deliveries", "Deliveries, by handler and outcome", self.deliveries.clone());
        weir.register("failures", "Failed deliveries, by handler and reason", self.failures.clone());
        let help = "Time of one delivery in its handler, reads included";
        weir.register_with_unit("delivery", help, Unit::Seconds, self.delivery.clone());
        weir.register("delivery_fuel", "Units of fuel burnt", self.fuel.clone());
        weir.register("log_lines_dropped", "Lines of handlers over their limit", self.log_lines_dropped.clone());
        weir.register("escalations", "Events run alone in a transaction, by cause", self.escalations.clone());
    }

    fn register_batches(&self, weir: &mut Registry) {
        weir.register("batches", "Batches committed", self.batches.clone());
        weir.register_with_unit("batch", "Events of a batch", Unit::Other("events".to_owned()), self.batch.clone());
        weir.register("batch_cuts", "Batches cut before their end, by cause", self.batch_cuts.clone());
        weir.register_with_unit("commit", "Time of one transaction", Unit::Seconds, self.commit.clone());
        let help = "Time from an event's created_at to its commit, by two machines' clocks";
        weir.register_with_unit("event_latency", help, Unit::Seconds, self.event_latency.clone());
        weir.register("transactions_redone", "Transactions begun anew, by cause", self.transactions_redone.clone());
        weir.register("faults", "Faults of a service, by service", self.faults.clone());
    }

    fn register_partitions(&self, weir: &mut Registry) {
        let records = || Unit::Other("records".to_owned());
        let help = "Records between progress and a partition's end";
        weir.register_with_unit("partition_lag", help, records(), self.partition_lag.clone());
        let help = "Records between progress and the end, over all partitions owned";
        weir.register_with_unit("lag", help, records(), self.lag.clone());
        let help = "Age of the oldest event fetched and not committed";
        weir.register_with_unit("oldest_uncommitted", help, Unit::Seconds, self.oldest_uncommitted.clone());
        weir.register("partitions_owned", "Partitions that this process has claimed", self.partitions_owned.clone());
        let help = "1 for a partition that stands still until somebody acts";
        weir.register("partition_stopped", help, self.partition_stopped.clone());
        let help = "1 for a handler whose line is away, so that nobody waits for it";
        weir.register("handler_away", help, self.handler_away.clone());
        let help = "1 for a handler that does not run, because it is paused or has tripped";
        weir.register("handler_stopped", help, self.handler_stopped.clone());
    }
}

const DELIVERY_SECONDS: [f64; 14] =
    [0.00001, 0.000_025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];
const COMMIT_SECONDS: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 20.0];
const LATENCY_SECONDS: [f64; 18] =
    [0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3_600.0];
const BATCH_EVENTS: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 10_000.0];

impl Metrics {
    /// Returns metrics that are all zero.
    #[must_use]
    pub fn new() -> Self {
        let families = Families::new();
        let each = |family: &By<1, Counter>, label, names: &[&str]| -> Vec<Counter> {
            names.iter().map(|name| family.get_or_create_owned(&[(label, (*name).to_owned())])).collect()
        };
        each(&families.faults, "service", Service::NAMES);
        Self {
            inner: Arc::new(Inner {
                started: Instant::now(),
                window: Window::new(),
                records: each(&families.records, "kind", RecordKind::NAMES),
                events: each(&families.events, "result", EventResult::NAMES),
                handlers: Mutex::default(),
                lags: Mutex::default(),
                oldest_uncommitted_ms: AtomicI64::new(NONE_MS),
                registry: families.registry(),
                families,
            }),
        }
    }

    /// Counts a record that was read.
    pub fn record(&self, kind: RecordKind) {
        self.inner.records[kind as usize].inc();
    }

    /// Counts an event that was accounted for.
    pub fn event(&self, result: EventResult) {
        self.events(result, 1);
    }

    /// Counts several events that were accounted for.
    pub fn events(&self, result: EventResult, count: u64) {
        self.inner.events[result as usize].inc_by(count);
        self.inner.window.count(count);
    }

    /// Returns the metrics of a handler, the same ones each time. Keep them beside the handler.
    #[must_use]
    pub fn handler(&self, name: &str) -> HandlerMetrics {
        let mut handlers = lock(&self.inner.handlers);
        handlers.entry(name.to_owned()).or_insert_with(|| HandlerMetrics::new(name, &self.inner.families)).clone()
    }

    /// Counts a committed batch of this many events.
    pub fn batch(&self, events: usize) {
        self.inner.families.batches.inc();
        self.inner.families.batch.observe(f64::from(u32::try_from(events).unwrap_or(u32::MAX)));
    }

    /// Counts a batch that was cut before its end; `cause` is one of few.
    pub fn batch_cut(&self, cause: &str) {
        self.inner.families.batch_cuts.get_or_create(&[("cause", cause.to_owned())]).inc();
    }

    /// Returns how many batches were cut for this cause.
    #[must_use]
    pub fn batches_cut(&self, cause: &str) -> u64 {
        self.inner.families.batch_cuts.get_or_create(&[("cause", cause.to_owned())]).get()
    }

    /// Records how long a transaction took.
    pub fn commit(&self, took: Duration) {
        self.inner.families.commit.observe(took.as_secs_f64());
    }

    /// Records that an event was committed. Both times are in milliseconds since 1970, the first PostgreSQL's, the
    /// second the host's.
    pub fn event_latency(&self, created_at_ms: i64, committed_at_ms: i64) {
        let ms = committed_at_ms.saturating_sub(created_at_ms).max(0);
        let ms_u64 = u64::try_from(ms).unwrap_or(0);
        self.inner.families.event_latency.observe(Duration::from_millis(ms_u64).as_secs_f64());
        self.inner.window.latency(ms);
    }

    /// Counts a transaction that was begun again; `cause` is one of few.
    pub fn transaction_redone(&self, cause: &str) {
        self.inner.families.transactions_redone.get_or_create(&[("cause", cause.to_owned())]).inc();
    }

    /// Returns how many transactions were begun again for this cause.
    #[must_use]
    pub fn transactions_redone(&self, cause: &str) -> u64 {
        self.inner.families.transactions_redone.get_or_create(&[("cause", cause.to_owned())]).get()
    }

    /// Counts a fault: a service was unreachable, slow or in conflict.
    pub fn fault(&self, service: Service) {
        self.inner.families.faults.get_or_create(&[("service", service.as_str().to_owned())]).inc();
    }

    /// Records how many records lie between a partition's progress and its end.
    pub fn lag(&self, topic: &str, partition: i32, records: i64) {
        let families = &self.inner.families;
        families.partition_lag.get_or_create(&of_partition(topic, partition)).set(records);
        let mut lags = lock(&self.inner.lags);
        lags.insert((topic.to_owned(), partition), records);
        families.lag.set(lags.values().sum());
    }

    /// Forgets a partition that this process no longer owns.
    pub fn partition_gone(&self, topic: &str, partition: i32) {
        let families = &self.inner.families;
        families.partition_lag.remove(&of_partition(topic, partition));
        families.partition_stopped.remove(&of_partition(topic, partition));
        let mut lags = lock(&self.inner.lags);
        lags.remove(&(topic.to_owned(), partition));
        families.lag.set(lags.values().sum());
    }

    /// Records how many partitions the process has claimed.
    pub fn partitions_owned(&self, count: usize) {
        self.inner.families.partitions_owned.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Records whether a partition has stopped.
    pub fn partition_stopped(&self, topic: &str, partition: i32, stopped: bool) {
        let labels = of_partition(topic, partition);
        self.inner.families.partition_stopped.get_or_create(&labels).set(i64::from(stopped));
    }

    /// Records whether a handler's line is away.
    pub fn handler_away(&self, handler: &str, is_away: bool) {
        let labels = [("handler", handler.to_owned())];
        self.inner.families.handler_away.get_or_create(&labels).set(i64::from(is_away));
    }

    /// Records whether a handler is stopped for this cause.
    pub fn handler_stopped(&self, handler: &str, cause: &str, stands: bool) {
        let labels = [("handler", handler.to_owned()), ("cause", cause.to_owned())];
        self.inner.families.handler_stopped.get_or_create(&labels).set(i64::from(stands));
    }

    /// Records that the ledger was swept, and how many buckets it has left.
    pub fn ledger_swept(&self, left: usize) {
        self.inner.families.ledger_buckets.set(i64::try_from(left).unwrap_or(i64::MAX));
    }

    /// Counts a sweep of the ledger that failed.
    pub fn ledger_not_swept(&self) {
        self.inner.families.ledger_sweeps_failed.inc();
    }

    /// Records when the oldest event that is fetched but not committed was created, in milliseconds since 1970.
    pub fn oldest_uncommitted(&self, created_at_ms: Option<i64>) {
        self.inner.oldest_uncommitted_ms.store(created_at_ms.unwrap_or(NONE_MS), Ordering::Relaxed);
    }

    /// Records how many lines of the log were lost so far.
    pub fn log_lines_lost(&self, lines: u64) {
        self.inner.families.log_lines_lost.inner().store(lines, Ordering::Relaxed);
    }

    /// Returns all metrics in the text form of `OpenMetrics`.
    #[must_use]
    pub fn render(&self) -> String {
        let families = &self.inner.families;
        let oldest_ms = self.inner.oldest_uncommitted_ms.load(Ordering::Relaxed);
        let age_ms = if oldest_ms == NONE_MS { 0 } else { clock::now_ms().saturating_sub(oldest_ms).max(0) };
        families.oldest_uncommitted.set(Duration::from_millis(age_ms.unsigned_abs()).as_secs_f64());
        if let Some(bytes) = resident_bytes() {
            families.resident_memory.set(bytes);
        }
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.inner.registry) {
            tracing::error!(%error, "metrics_not_written");
        }
        text
    }

    /// Returns the number of records between progress and the end, over all partitions owned.
    pub(super) fn total_lag(&self) -> i64 {
        self.inner.families.lag.get()
    }
}

/// The metrics of one handler. Cheap to clone, and used without a look-up.
#[derive(Clone)]
pub struct HandlerMetrics {
    name: String,
    failures: By<2, Counter>,
    escalations: By<2, Counter>,
    pub(super) outcomes: Vec<Counter>,
    delivery: Histogram,
    fuel: Counter,
    log_lines_dropped: Counter,
}

impl fmt::Debug for HandlerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandlerMetrics({})", self.name)
    }
}

impl HandlerMetrics {
    fn new(name: &str, families: &Families) -> Self {
        let handler = ("handler", name.to_owned());
        let outcome = |outcome: &&str| {
            families.deliveries.get_or_create_owned(&[handler.clone(), ("outcome", (*outcome).to_owned())])
        };
        let labels = [handler.clone()];
        Self {
            name: name.to_owned(),
            outcomes: Outcome::NAMES.iter().map(outcome).collect(),
            delivery: families.delivery.get_or_create_owned(&labels),
            fuel: families.fuel.get_or_create_owned(&labels),
            log_lines_dropped: families.log_lines_dropped.get_or_create_owned(&labels),
            failures: families.failures.clone(),
            escalations: families.escalations.clone(),
        }
    }

    /// Counts a delivery that ended.
    pub fn delivery(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].inc();
    }

    /// Counts a delivery that failed; `reason` is one of few, such as `fuel` or `must-match`.
    pub fn failure(&self, reason: &str) {
        self.failures.get_or_create(&self.and("reason", reason)).inc();
    }

    /// Records how long a delivery ran and how much fuel it used.
    pub fn ran(&self, took: Duration, fuel: u64) {
        self.delivery.observe(took.as_secs_f64());
        self.fuel.inc_by(fuel);
    }

    /// Counts lines over the handler's limit.
    pub fn log_lines_dropped(&self, lines: u64) {
        self.log_lines_dropped.inc_by(lines);
    }

    /// Counts an event that had to be run alone; `cause` is one of few.
    pub fn escalation(&self, cause: &str) {
        self.escalations.get_or_create(&self.and("cause", cause)).inc();
    }

    fn and(&self, label: &'static str, value: &str) -> [Label; 2] {
        [("handler", self.name.clone()), (label, value.to_owned())]
    }
}

fn of_partition(topic: &str, partition: i32) -> [Label; 2] {
    [("topic", topic.to_owned()), ("partition", partition.to_string())]
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the resident memory. Only Linux reports it; elsewhere the metric stays at 0.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok().map(|kib| kib * 1_024)
}

#[cfg(test)]
#[path = "metrics_test.rs"]
mod tests;
