//! A topic, a group, two databases and hosts for one test.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::{Client, Collection, Database};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::TopicPartitionList;
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
    folder: tempfile::TempDir,
    producer: FutureProducer,
    admin: AdminClient<DefaultClientContext>,
}

impl World {
    pub(crate) async fn new(partitions: i32) -> Self {
        let name = format!("t{}", Uuid::new_v4().simple());
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", given("WEIR_TEST_KAFKA"));
        let client = Client::with_uri_str(given("WEIR_TEST_MONGODB")).await.expect("a connection string");
        let world = Self {
            topic: name.clone(),
            group: format!("{name}-group"),
            data: client.database(&format!("{name}_data")),
            own: client.database(&format!("{name}_weir")),
            folder: tempfile::tempdir().expect("a folder"),
            producer: config.create().expect("a producer"),
            admin: config.create().expect("an admin client"),
        };
        world.create_topic(partitions).await;
        world
    }

    pub(crate) async fn create_topic(&self, partitions: i32) {
        self.create(&self.topic, partitions, &[]).await;
    }

    /// A topic of another name, which should begin with the test's own.
    pub(crate) async fn create(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        topic.config = settings.to_vec();
        let made = self.admin.create_topics([&topic], &AdminOptions::new()).await.expect("kafka answers");
        made[0].as_ref().expect("the topic is made");
    }

    /// Whether the topic could be made: one that was deleted goes a little later.
    pub(crate) async fn remade(&self, partitions: i32) -> bool {
        let topic = NewTopic::new(&self.topic, partitions, TopicReplication::Fixed(1));
        let made = self.admin.create_topics([&topic], &AdminOptions::new()).await.expect("kafka answers");
        made[0].is_ok()
    }

    pub(crate) async fn delete_topic(&self) {
        self.admin.delete_topics(&[&self.topic], &AdminOptions::new()).await.expect("kafka answers");
    }

    /// Puts components into the hosts' folder: one of the six handlers, or a behaviour.
    pub(crate) fn handlers(&self, names: &[&str]) {
        for name in names {
            let file = format!("{name}.wasm");
            let found = ["WEIR_TEST_HANDLERS", "WEIR_TEST_BEHAVIOURS"]
                .into_iter()
                .map(|folder| PathBuf::from(given(folder)).join(&file))
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("{file} is not built"));
            std::fs::copy(found, self.folder.path().join(&file)).expect("a copy");
        }
    }

    /// What the hosts' `weir.toml` says.
    pub(crate) fn toml(&self, text: &str) {
        std::fs::write(self.folder.path().join("weir.toml"), text).expect("a file");
    }

    /// Gives a file in the hosts' folder another name.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.folder.path().join(from), self.folder.path().join(to)).expect("a new name");
    }

    /// Sends records, in their order.
    pub(crate) async fn send(&self, records: impl IntoIterator<Item = (i32, Option<String>)>) {
        self.send_to(&self.topic, records).await;
    }

    /// The same to another topic.
    pub(crate) async fn send_to(&self, topic: &str, records: impl IntoIterator<Item = (i32, Option<String>)>) {
        let sent: Vec<_> = records
            .into_iter()
            .map(|(partition, value)| {
                let record = FutureRecord::<(), [u8]> {
                    topic,
                    partition: Some(partition),
                    payload: value.as_deref().map(str::as_bytes),
                    key: None,
                    timestamp: None,
                    headers: None,
                };
                self.producer.send_result(record).map_err(|(error, _)| error).expect("room in the queue")
            })
            .collect();
        for delivery in sent {
            delivery.await.expect("kafka answers").expect("the record is taken");
        }
    }

    /// Sends one record with headers.
    pub(crate) async fn send_with(&self, headers: OwnedHeaders, value: Option<String>) {
        let record = FutureRecord::<(), [u8]> {
            topic: &self.topic,
            partition: Some(0),
            payload: value.as_deref().map(str::as_bytes),
            key: None,
            timestamp: None,
            headers: Some(headers),
        };
        let sent = self.producer.send_result(record).map_err(|(error, _)| error).expect("room in the queue");
        sent.await.expect("kafka answers").expect("the record is taken");
    }

    pub(crate) fn command(&self, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(given("WEIR_TEST_BIN"));
        command
            .current_dir(self.folder.path())
            .arg("run")
            .env("KAFKA_BOOTSTRAP_SERVERS", given("WEIR_TEST_KAFKA"))
            .env("KAFKA_TOPIC", &self.topic)
            .env("KAFKA_GROUP_ID", &self.group)
            .env("MONGODB_URI", given("WEIR_TEST_MONGODB"))
            .env("MONGODB_DATABASE", self.data.name())
            .env("WEIR_DATABASE", self.own.name())
            .env("HANDLERS", self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.envs(settings.iter().copied());
        command
    }

    /// `weir progress set`, as a person runs it.
    pub(crate) fn set_progress(&self, partition: i32, offset: i64) {
        let status = Command::new(given("WEIR_TEST_BIN"))
            .current_dir(self.folder.path())
            .args(["progress", "set", "--partition", &partition.to_string(), "--offset", &offset.to_string()])
            .env("KAFKA_TOPIC", &self.topic)
            .env("KAFKA_GROUP_ID", &self.group)
            .env("MONGODB_URI", given("WEIR_TEST_MONGODB"))
            .env("WEIR_DATABASE", self.own.name())
            .stdout(Stdio::null())
            .status()
            .expect("weir starts");
        assert!(status.success());
    }

    /// A host that is ready.
    pub(crate) async fn host(&self, settings: &[(&str, &str)]) -> Host {
        let host = self.start(settings);
        host.until_ready().await;
        host
    }

    /// A host that has only been started.
    pub(crate) fn start(&self, settings: &[(&str, &str)]) -> Host {
        self.launch(self.command(settings))
    }

    /// The same, of which nobody reads what it says.
    pub(crate) fn unread(&self, settings: &[(&str, &str)]) -> Host {
        let mut command = self.command(settings);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawn(command)
    }

    /// A host on an embedded Kafka that holds these lines, with no other Kafka to be had.
    pub(crate) fn embedded(&self, lines: &str) -> Host {
        let file = self.folder.path().join("records.jsonl");
        std::fs::write(&file, lines).expect("a file");
        let mut command = self.command(&[("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")]);
        command.arg("--embedded").arg(file);
        self.launch(command)
    }

    fn launch(&self, mut command: Command) -> Host {
        let log = || std::fs::File::options().create(true).append(true).open(self.folder.path().join("weir.log"));
        command.stdout(log().expect("a log")).stderr(log().expect("a log"));
        Self::spawn(command)
    }

    /// Starts it; a pipe for its output stays open, and unread.
    fn spawn(mut command: Command) -> Host {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        let admin = format!("127.0.0.1:{port}");
        let child = command.env("ADMIN_LISTEN", &admin).spawn().expect("weir starts");
        Host { child, admin }
    }

    /// What all hosts of this world have said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("weir.log")).expect("a host was started")
    }

    /// Runs a host that is to end by itself, and gives its status and what it said.
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
        self.data.collection(collection)
    }

    pub(crate) fn own(&self, collection: &str) -> Collection<Document> {
        self.own.collection(collection)
    }

    pub(crate) async fn find(&self, collection: &Collection<Document>, filter: Document) -> Vec<Document> {
        let mut cursor = collection.find(filter).await.expect("mongodb answers");
        let mut found = Vec::new();
        while cursor.advance().await.expect("mongodb answers") {
            found.push(cursor.deserialize_current().expect("a document"));
        }
        found
    }

    /// Waits until progress has passed that many records in all partitions together.
    pub(crate) async fn until_passed(&self, records: i64) {
        let progress = self.own("progress");
        until(&format!("{records} records are accounted for"), async || {
            let found = self.find(&progress, doc! {}).await;
            found.iter().map(|partition| partition.get_i64("next").unwrap_or(0)).sum::<i64>() >= records
        })
        .await;
    }

    /// The offset that the group has committed in Kafka.
    pub(crate) async fn committed(&self, partition: i32) -> Option<i64> {
        let (group, topic) = (self.group.clone(), self.topic.clone());
        tokio::task::spawn_blocking(move || {
            let consumer = consumer(&group);
            let mut list = TopicPartitionList::new();
            list.add_partition(&topic, partition);
            let found = consumer.committed_offsets(list, PATIENCE).expect("kafka answers");
            found.elements()[0].offset().to_raw().filter(|offset| *offset >= 0)
        })
        .await
        .expect("no panic")
    }

    /// Commits an offset for the group, as a predecessor does.
    pub(crate) async fn commit(&self, partition: i32, offset: i64) {
        let (group, topic) = (self.group.clone(), self.topic.clone());
        tokio::task::spawn_blocking(move || {
            let consumer = consumer(&group);
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, partition, rdkafka::Offset::Offset(offset)).expect("a partition");
            consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).expect("kafka answers");
        })
        .await
        .expect("no panic");
    }
}

fn consumer(group: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", given("WEIR_TEST_KAFKA")).set("group.id", group);
    config.create().expect("a consumer")
}

/// Polls until it is so.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not so after {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) struct Host {
    child: Child,
    admin: String,
}

impl Host {
    /// Status and body of what it serves.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://{}{path}", self.admin);
        tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let mut answer = agent.get(&url).call().ok()?;
            Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
        })
        .await
        .expect("no panic")
    }

    pub(crate) async fn until_ready(&self) {
        until("the host is ready", async || self.get("/readyz").await.is_some_and(|(status, _)| status == 200)).await;
    }

    /// How `weir health` ends that is asked about it.
    pub(crate) fn health(&self) -> Option<i32> {
        let mut command = Command::new(given("WEIR_TEST_BIN"));
        command.arg("health").env("ADMIN_LISTEN", &self.admin).env("MONGODB_URI", given("WEIR_TEST_MONGODB"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("weir starts").code()
    }

    pub(crate) async fn stats(&self) -> Value {
        let (_, body) = self.get("/v1/stats").await.expect("the host answers");
        serde_json::from_str(&body).expect("an object")
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ran");
    }

    /// It stands still, with everything open.
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")), signal).expect("it runs");
    }

    /// SIGTERM, and its exit status.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it ran") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the host does not stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An event, as Debezium's envelope has it.
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

    /// The value of its record, where a tombstone has none.
    #[expect(clippy::unnecessary_wraps, reason = "what `send` takes")]
    pub(crate) fn created(&self) -> Option<String> {
        Some(self.op("c"))
    }
}
