use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::*;
use weir_core::telemetry::health::{ASSIGNMENT, KAFKA, MONGODB};
use weir_core::telemetry::metrics::EventResult;

/// A state that is served, and the means to query it.
pub(super) struct Served {
    pub(super) state: State,
    address: SocketAddr,
    end: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: String,
}

impl Served {
    pub(super) async fn new() -> Self {
        Self::within(Bounds::default()).await
    }

    async fn within(bounds: Bounds) -> Self {
        let state = State::new(Health::new(), Metrics::new(), Arc::default());
        let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port can be had");
        let address = listener.local_addr().expect("a listener has an address");
        let (end, ended) = oneshot::channel();
        let until = async { drop(ended.await) };
        let serving = tokio::spawn(serve(listener, state.clone(), bounds, until));
        Self { state, address, end, serving }
    }

    async fn ask(&self, method: &'static str, path: &str) -> Answer {
        self.ask_as(&self.address.to_string(), method, path).await
    }

    /// Asks with this `Host` header.
    pub(super) async fn ask_as(&self, host: &str, method: &'static str, path: &str) -> Answer {
        let host = host.to_owned();
        let url = format!("http://{}{path}", self.address);
        let ask = move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let request = ureq::http::Request::builder().method(method).uri(url).header("host", host);
            let request = request.body(()).expect("a request");
            let mut answer = agent.run(request).expect("the server answers");
            let header = answer.headers().get("content-type").map(|value| value.to_str().expect("ASCII").to_owned());
            Answer {
                status: answer.status().as_u16(),
                content_type: header.unwrap_or_default(),
                body: answer.body_mut().read_to_string().expect("a body"),
            }
        };
        tokio::task::spawn_blocking(ask).await.expect("asking does not panic")
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }

    pub(super) async fn end(self) {
        self.end.send(()).expect("the server runs");
        let ended = tokio::time::timeout(Duration::from_secs(10), self.serving).await;
        ended.expect("it ends when told to").expect("it does not panic");
    }

    /// Opens a connection and sends nothing on it.
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        stream
    }
}

/// Returns everything that arrives on the connection until it is closed.
fn until_closed(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "it is not closed");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_connections_keeps_nobody_out() {
    let served = Served::new().await;
    let mut held = Vec::new();
    for number in 0..200 {
        let mut stream = served.connect();
        stream.write_all(b"GET /live").expect("it is taken");
        held.push(stream);
        if number % 40 == 0 {
            assert_eq!(served.get("/livez").await.status, 200);
        }
    }
    assert_eq!(served.get("/livez").await.status, 200);
    for stream in held.drain(..100) {
        assert_eq!(until_closed(stream), "", "the oldest give way");
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_short_connections_keeps_nobody_out() {
    let served = Served::new().await;
    let ended = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    drop((0..100).map(|_| served.connect()).collect::<Vec<_>>());
                }
            });
        }
        for _ in 0..20 {
            let mut stream = served.connect();
            let asked = stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let answer = asked.map(|()| until_closed(stream)).unwrap_or_default();
            ended.store(!answer.starts_with("HTTP/1.1 200"), Ordering::Relaxed);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        }
        ended.store(true, Ordering::Relaxed);
    });
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_or_is_too_long_ends_the_connection() {
    let bounds = Bounds { head: Duration::from_millis(50), ..Bounds::default() };
    let served = Served::within(bounds).await;
    let mut slow = served.connect();
    slow.write_all(b"GET /livez HTTP/1.1\r\nx: ").expect("it is taken");
    let answer = until_closed(slow);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    let mut idle = served.connect();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").expect("it is taken");
    assert!(until_closed(idle).starts_with("HTTP/1.1 200"), "and closed, since no second request comes");
    let mut long = served.connect();
    let head = format!("GET /livez HTTP/1.1\r\nx: {}", "x".repeat(bounds.head_bytes));
    let _ = long.write_all(head.as_bytes());
    let answer = until_closed(long);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    served.end().await;
}

#[tokio::test]
async fn the_words_of_kafka_and_mongodb_are_for_this_machine_only() {
    let health = Health::new();
    health.waiting_for(MONGODB, "user ann is not allowed to read secrets.users");
    health.partition_stopped("outbox", 3, "the topic was made anew");
    let shown = serde_json::to_string(&health.readiness().without_reasons()).expect("JSON");
    assert!(!shown.contains("ann") && shown.contains("mongodb") && shown.contains("made anew"), "{shown}");
}

#[tokio::test]
async fn it_lives_while_its_loops_do() {
    let served = Served::new().await;
    assert_eq!(served.get("/livez").await.status, 200);
    let heartbeat = served.state.health.heartbeat("consumer", Duration::from_millis(1));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let answer = served.get("/livez").await;
    assert_eq!((answer.status, answer.content_type.as_str()), (503, "application/problem+json"));
    assert!(answer.body.contains("loop consumer has made no progress"), "{}", answer.body);
    heartbeat.end();
    assert_eq!(served.get("/livez").await.status, 200);
    served.end().await;
}

#[tokio::test]
async fn it_is_ready_when_nothing_is_missing_and_says_what_is() {
    let served = Served::new().await;
    let health = served.state.health.clone();
    health.found(KAFKA);
    health.found(ASSIGNMENT);
    health.waiting_for(MONGODB, "connection refused");
    health.partition_stopped("outbox", 3, "the topic was made anew");
    let answer = served.get("/readyz").await;
    assert_eq!((answer.status, answer.content_type.as_str()), (503, "application/json"));
    assert_eq!(
        answer.body,
        concat!(
            r#"{"ready":false,"draining":false,"#,
            r#""waiting_for":[{"what":"mongodb","why":"connection refused","for_seconds":0}],"#,
            r#""stopped":[{"topic":"outbox","partition":3,"why":"the topic was made anew"}]}"#
        )
    );
    health.found(MONGODB);
    health.partition_resumed("outbox", 3);
    let answer = served.get("/readyz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, r#"{"ready":true,"draining":false,"waiting_for":[],"stopped":[]}"#);
    served.end().await;
}

#[tokio::test]
async fn metrics_and_statistics_show_what_was_counted() {
    let served = Served::new().await;
    served.state.metrics.events(EventResult::Committed, 7);
    let answer = served.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.body.contains("weir_events_total{result=\"committed\"} 7\n"), "{}", answer.body);
    let answer = served.get("/v1/stats").await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    let stats: serde_json::Value = serde_json::from_str(&answer.body).expect("statistics are JSON");
    assert_eq!((&stats["total_processed"], &stats["running"]), (&7.into(), &true.into()));
    served.end().await;
}

#[tokio::test]
async fn what_it_does_not_serve_is_a_problem() {
    let served = Served::new().await;
    for (method, path, status) in
        [("GET", "/v1/nothing", 404), ("DELETE", "/v1/stats", 405), ("POST", "/v1/progress", 405)]
    {
        let answer = served.ask(method, path).await;
        assert_eq!((answer.status, answer.content_type.as_str()), (status, "application/problem+json"), "{path}");
    }
    served.end().await;
}

#[tokio::test]
async fn an_address_in_use_names_the_setting() {
    let served = Served::new().await;
    let error = bind(served.address).await.expect_err("the port is taken").to_string();
    let start = format!("ADMIN_LISTEN is {}, which cannot be listened on: ", served.address);
    assert!(error.starts_with(&start) && error.contains("in use"), "{error}");
    served.end().await;
}

#[tokio::test]
async fn the_description_is_what_the_snapshot_says_and_every_path_in_it_exists() {
    let served = Served::new().await;
    let answer = served.get("/v1/openapi.json").await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    let document: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    for path in document["paths"].as_object().expect("paths").keys() {
        let answer = served.get(&path.replace("{id}", "0123456789abcdef")).await;
        assert!([200, 503].contains(&answer.status), "{path}: {}", answer.body);
    }
    insta::assert_json_snapshot!(document);
    served.end().await;
}

#[tokio::test]
async fn resources_wait_for_mongodb_and_name_what_is_wrong() {
    let served = Served::new().await;
    for path in ["/v1/progress", "/v1/handlers", "/v1/failures", "/v1/failures/x"] {
        let answer = served.get(path).await;
        assert_eq!((answer.status, answer.content_type.as_str()), (503, "application/problem+json"), "{path}");
        assert!(answer.body.contains("not connected to mongodb yet"), "{}", answer.body);
    }
    for (query, why) in [("limit=0", "limit"), ("limit=x", "limit"), ("stat=dead", "stat")] {
        let answer = served.get(&format!("/v1/failures?{query}")).await;
        assert_eq!((answer.status, answer.content_type.as_str()), (400, "application/problem+json"), "{query}");
        assert!(answer.body.contains(why), "{}", answer.body);
    }
    served.end().await;
}

#[tokio::test]
async fn resources_are_for_this_machine_only() {
    use axum::body::Body;
    use axum::http::Request;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    let state = State::new(Health::new(), Metrics::new(), Arc::default());
    for path in ["/v1/progress", "/v1/handlers", "/v1/failures", "/v1/failures/x"] {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let answer =
            TowerToHyperService::new(router(state.clone(), Peer::Elsewhere)).call(request).await.expect("an answer");
        assert_eq!(answer.status(), 403, "{path}");
    }
}

#[tokio::test]
async fn a_web_page_that_takes_loopback_as_its_address_is_told_nothing() {
    let served = Served::new().await;
    served.state.health.waiting_for(MONGODB, "user ann is not allowed to read secrets.users");
    for path in ["/v1/progress", "/v1/handlers", "/v1/failures", "/v1/failures/x"] {
        let answer = served.ask_as("evil.example:7070", "GET", path).await;
        assert_eq!((answer.status, answer.content_type.as_str()), (403, "application/problem+json"), "{path}");
        assert_eq!(served.ask_as("localhost", "GET", path).await.status, 503, "{path}");
    }
    let answer = served.ask_as("evil.example", "GET", "/readyz").await;
    assert!(answer.status == 503 && !answer.body.contains("ann"), "{}", answer.body);
    // Programs on other machines may know the host by a name.
    assert_eq!(served.ask_as("weir:7070", "GET", "/v1/stats").await.status, 200);
    served.end().await;
}
