//! A topic, a group, two databases and hosts for one test.

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::{Collection, Database};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::FutureRecord;
use rig::clients;
use rig::guests::Guests;
use rig::instance::{Daemon, ports};
use rig::pipeline::Pipeline;
use rig::weir::Weir;
use serde_json::{Value, json};
use uuid::Uuid;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`, which sets it"))
}

pub(crate) struct World {
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) data: Database,
    pub(crate) own: Database,
    rig: clients::World,
    folder: tempfile::TempDir,
    hosts: AtomicU32,
}

impl World {
    pub(crate) async fn new(partitions: i32) -> Self {
        let pipeline = Pipeline::on(&given("WEIR_TEST_KAFKA"), &given("WEIR_TEST_MONGODB"), "", "test");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("log")).expect("a folder");
        let handlers = folder.path().join("handlers");
        let world = clients::World::new(pipeline, handlers, partitions).await.expect("kafka and mongodb answer");
        Self {
            topic: world.pipeline.topic.clone(),
            group: world.pipeline.group.clone(),
            data: world.data.clone(),
            own: world.own.clone(),
            rig: world,
            folder,
            hosts: AtomicU32::new(0),
        }
    }

    pub(crate) async fn create_topic(&self, partitions: i32) {
        self.create(&self.topic, partitions, &[]).await;
    }

    /// Makes a topic with another name, which should begin with the test's own.
    pub(crate) async fn create(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        self.rig.kafka.create(name, partitions, settings).await.expect("the topic is made");
    }

    /// Returns whether the topic could be made. Kafka removes a deleted topic a little later.
    pub(crate) async fn remade(&self, partitions: i32) -> bool {
        self.rig.kafka.create(&self.topic, partitions, &[]).await.is_ok()
    }

    pub(crate) async fn delete_topic(&self) {
        self.rig.kafka.delete(&self.topic).await.expect("the topic is deleted");
    }

    /// Puts components into the hosts' folder, each one of the six handlers or a behaviour.
    pub(crate) fn handlers(&self, names: &[&str]) {
        let [handlers, behaviours] =
            ["WEIR_TEST_HANDLERS", "WEIR_TEST_BEHAVIOURS"].map(|name| PathBuf::from(given(name)));
        Guests { handlers, behaviours }.put(&self.rig.handlers, names.iter().copied()).expect("they are built");
    }

    /// Writes the hosts' `weir.toml`.
    pub(crate) fn toml(&self, text: &str) {
        std::fs::write(self.rig.handlers.join("weir.toml"), text).expect("a file");
    }

    /// Returns the path of a component in the hosts' folder.
    pub(crate) fn component(&self, name: &str) -> PathBuf {
        self.rig.handlers.join(format!("{name}.wasm"))
    }

    /// Renames a file in the hosts' folder.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.rig.handlers.join(from), self.rig.handlers.join(to)).expect("a new name");
    }

    /// Sends records in their order.
    pub(crate) async fn send(&self, records: impl IntoIterator<Item = (i32, Option<String>)>) {
        self.send_to(&self.topic, records).await;
    }

    /// The same to another topic.
    pub(crate) async fn send_to(&self, topic: &str, records: impl IntoIterator<Item = (i32, Option<String>)>) {
        self.rig.kafka.send(topic, records).await.expect("the records are taken");
    }

    /// Sends records to partition 0 in one transaction, and commits or aborts it.
    pub(crate) async fn transact(&self, values: Vec<String>, commits: bool) {
        self.rig.kafka.transact(&self.topic, 0, values, commits).await.expect("the transaction ends");
    }

    /// Makes Kafka delete the records before an offset of partition 0.
    pub(crate) async fn delete_before(&self, offset: i64) {
        self.rig.kafka.delete_before(&self.topic, 0, offset).await.expect("kafka deletes them");
    }

    /// Sends one record with headers.
    pub(crate) async fn send_with(&self, headers: OwnedHeaders, value: Option<String>) {
        let record = FutureRecord {
            topic: &self.topic,
            partition: Some(0),
            payload: value.as_deref().map(str::as_bytes),
            key: None,
            timestamp: None,
            headers: Some(headers),
        };
        self.rig.kafka.send_one(record).await.expect("the record is taken");
    }

    pub(crate) fn command(&self, settings: &[(&str, &str)]) -> Command {
        let mut command = self.rig.pipeline.command(Path::new(&given("WEIR_TEST_BIN")), &self.rig.handlers);
        command.stdout(Stdio::null()).stderr(Stdio::null()).envs(settings.iter().copied());
        command
    }

    /// Runs `weir progress set`, as a person would.
    pub(crate) fn set_progress(&self, partition: i32, offset: i64) {
        let arguments = ["progress", "set", "--partition", &partition.to_string(), "--offset", &offset.to_string()];
        let (status, said) = self.asks(&arguments);
        assert_eq!(status, Some(0), "{said}");
    }

    /// Runs another verb than `run`, as a person would. Returns its status, and its output if it succeeds or its error.
    pub(crate) fn asks(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.asking(arguments).output().expect("weir starts");
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.code(), String::from_utf8(said).expect("UTF-8"))
    }

    /// Does the same with a reader that is gone, as `head -0` is. Returns the status and the error.
    pub(crate) fn asks_unheard(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = self.asking(arguments).stdout(writer).stderr(Stdio::piped()).output().expect("weir starts");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    }

    fn asking(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(given("WEIR_TEST_BIN"));
        command.current_dir(self.folder.path()).args(arguments).env("KAFKA_TOPIC", &self.topic);
        command.env("KAFKA_GROUP_ID", &self.group).env("MONGODB_URI", given("WEIR_TEST_MONGODB"));
        command.env("WEIR_DATABASE", self.own.name());
        command
    }

    /// Starts a host, and waits until it is ready.
    pub(crate) async fn host(&self, settings: &[(&str, &str)]) -> Host {
        let host = self.start(settings);
        host.until_ready().await;
        host
    }

    /// Starts a host without waiting for it.
    pub(crate) fn start(&self, settings: &[(&str, &str)]) -> Host {
        self.launch(self.command(settings))
    }

    /// The same, but nothing reads its output.
    pub(crate) fn unread(&self, settings: &[(&str, &str)]) -> Host {
        self.launch_by(Weir::launch_unread, self.command(settings))
    }

    /// Starts a host on an embedded Kafka that holds these lines. No other Kafka is available to it.
    pub(crate) fn embedded(&self, lines: &str) -> Host {
        let file = self.folder.path().join("records.jsonl");
        std::fs::write(&file, lines).expect("a file");
        let mut command = self.command(&[("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")]);
        command.arg("--embedded").arg(file);
        self.launch(command)
    }

    fn launch(&self, command: Command) -> Host {
        self.launch_by(Weir::launch, command)
    }

    fn launch_by(
        &self,
        launch: impl FnOnce(Daemon, u16, &mut Command) -> anyhow::Result<Weir>,
        mut command: Command,
    ) -> Host {
        let number = self.hosts.fetch_add(1, Ordering::Relaxed);
        let port = ports::more(1).expect("a port")[0];
        let weir = launch(self.daemon(number), port, &mut command).expect("weir starts");
        Host { weir: Arc::new(weir), address: format!("127.0.0.1:{port}") }
    }

    fn daemon(&self, number: u32) -> Daemon {
        Daemon::new(&format!("weir-{number}"), self.folder.path())
    }

    /// Returns the output of all hosts of this world, one after the other.
    pub(crate) fn log(&self) -> String {
        let mut said = String::new();
        for number in 0..self.hosts.load(Ordering::Relaxed) {
            let log = std::fs::read(self.daemon(number).log).expect("a host was started");
            let _ = write!(said, "{}", String::from_utf8_lossy(&log));
        }
        said
    }

    /// Runs a host that must end by itself. Returns its status and its output.
    pub(crate) fn fails(&self, arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let output = self
            .command(settings)
            .args(arguments)
            .env("ADMIN_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .expect("weir starts");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    pub(crate) fn data(&self, collection: &str) -> Collection<Document> {
        self.rig.data(collection)
    }

    pub(crate) fn own(&self, collection: &str) -> Collection<Document> {
        self.rig.own(collection)
    }

    pub(crate) async fn find(&self, collection: &Collection<Document>, filter: Document) -> Vec<Document> {
        clients::find(collection, filter).await.expect("mongodb answers")
    }

    /// Waits until all partitions together have advanced past that many records and no delivery waits for its turn in
    /// the lane of a slow line, which a busy machine makes of any line. What waits behind a failed delivery may stay.
    pub(crate) async fn until_passed(&self, records: i64) {
        self.until_accounted_for(records).await;
        until("the lanes have caught up", async || {
            let parked = self.find(&self.own("parked"), doc! { "sequence": { "$exists": true } }).await;
            let waits = |delivery: &&Document| delivery.get_str("state").ok() == Some("waiting");
            let of = |delivery: &Document| (delivery.get("line").cloned(), delivery.get("sequence").cloned());
            let failed: Vec<_> = parked.iter().filter(|delivery| !waits(delivery)).map(of).collect();
            parked.iter().filter(waits).all(|delivery| failed.contains(&of(delivery)))
        })
        .await;
    }

    /// Waits until all partitions together have advanced past that many records.
    pub(crate) async fn until_accounted_for(&self, records: i64) {
        let progress = self.own("progress");
        until(&format!("{records} records are accounted for"), async || {
            let found = self.find(&progress, doc! {}).await;
            found.iter().map(|partition| partition.get_i64("next").unwrap_or(0)).sum::<i64>() >= records
        })
        .await;
    }

    /// Returns the offset that the group has committed in Kafka.
    pub(crate) async fn committed(&self, partition: i32) -> Option<i64> {
        self.rig.kafka.committed(&self.group, &self.topic, partition).await.expect("kafka answers")
    }

    /// Commits an offset for the group, as a predecessor does.
    pub(crate) async fn commit(&self, partition: i32, offset: i64) {
        self.rig.kafka.commit(&self.group, &self.topic, partition, offset).await.expect("kafka answers");
    }
}

/// Polls until the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not so after {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A host. It is killed when the value is dropped.
pub(crate) struct Host {
    weir: Arc<Weir>,
    address: String,
}

impl Host {
    /// Returns the status and body of what it serves.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, String)> {
        let (weir, path) = (Arc::clone(&self.weir), path.to_owned());
        tokio::task::spawn_blocking(move || weir.get(&path).ok()).await.expect("no panic")
    }

    pub(crate) async fn until_ready(&self) {
        until("the host is ready", async || self.get("/readyz").await.is_some_and(|(status, _)| status == 200)).await;
    }

    /// Returns the exit status of a `weir health` that asks this host.
    pub(crate) fn health(&self) -> Option<i32> {
        let mut command = Command::new(given("WEIR_TEST_BIN"));
        command.arg("health").env("ADMIN_LISTEN", &self.address).env("MONGODB_URI", given("WEIR_TEST_MONGODB"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("weir starts").code()
    }

    pub(crate) async fn stats(&self) -> Value {
        let (_, body) = self.get("/v1/stats").await.expect("the host answers");
        serde_json::from_str(&body).expect("an object")
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(self) {
        self.weir.kill().expect("it runs");
    }

    /// Pauses it, with everything open.
    pub(crate) fn pause(&self) {
        self.weir.signal(Signal::SIGSTOP).expect("it runs");
    }

    pub(crate) fn go_on(&self) {
        self.weir.signal(Signal::SIGCONT).expect("it runs");
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.weir.signal(Signal::SIGTERM).expect("it runs");
    }

    /// Sends SIGTERM, and returns its exit status.
    pub(crate) async fn stop(self) -> ExitStatus {
        self.terminate();
        self.ended().await
    }

    /// Waits for a host that ends, by itself or because it was asked to. Returns its exit status.
    pub(crate) async fn ended(self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            match self.weir.ended() {
                Some(WaitStatus::Exited(_, code)) => return ExitStatus::from_raw(code << 8),
                Some(WaitStatus::Signaled(_, signal, _)) => return ExitStatus::from_raw(signal as i32),
                _ => assert!(begun.elapsed() < PATIENCE, "the host does not stop"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// An event, as Debezium's envelope contains it.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) aggregate_id: String,
    pub(crate) event_type: &'static str,
    pub(crate) payload: Value,
}

pub(crate) fn row(event_type: &'static str, aggregate_id: impl Into<String>, payload: Value) -> Row {
    Row { id: Uuid::now_v7().to_string(), aggregate_id: aggregate_id.into(), event_type, payload }
}

impl Row {
    pub(crate) fn op(&self, op: &str) -> String {
        let after = json!({
            "event_id": self.id, "sequence_id": 1, "aggregate_id": self.aggregate_id, "aggregate_type": "Test",
            "event_type": self.event_type, "payload": self.payload.to_string(), "status": "pending", "retry_count": 0,
            "last_error": null, "lock_id": null, "created_at": "2026-11-23T07:09:10.123456Z", "published_at": null,
        });
        json!({ "before": null, "after": after, "source": { "connector": "postgresql" }, "op": op }).to_string()
    }

    /// Returns the value of its record. A tombstone has none.
    #[expect(clippy::unnecessary_wraps, reason = "what `send` takes")]
    pub(crate) fn created(&self) -> Option<String> {
        Some(self.op("c"))
    }
}
