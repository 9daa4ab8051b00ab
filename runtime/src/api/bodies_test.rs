//! The bodies of all answers, as snapshots: a change of one is seen in review before a client sees it.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;

use super::tests::Served;
use super::*;
use crate::operations::failures::{
    Attempt, Bytes, Content, Failure, FailureDetails, Header, LogLine, Page, RecordPlace,
};
use crate::operations::handlers::{Count, Decision, Handler, HandlerDetails, Tripped};
use crate::operations::progress::PartitionProgress;
use weir_core::hint;
use weir_core::store;
use weir_core::telemetry::health::{ASSIGNMENT, HANDLERS, KAFKA, MONGODB, PROGRESS, RECORDS};

/// Adds a body under a title, an object's members on a line each.
fn put(text: &mut String, title: &str, body: &impl Serialize) {
    let _ = writeln!(text, "## {title}\n\n{}\n", serde_json::to_string_pretty(body).expect("JSON"));
}

/// Asks the routes for other machines, which no test of this machine reaches.
async fn from_elsewhere(path: &str) -> (u16, String) {
    let state = State::new(Health::new(), Metrics::new(), Arc::default());
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let answer = TowerToHyperService::new(router(state, Peer::Elsewhere)).call(request).await.expect("an answer");
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await.expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

#[tokio::test]
async fn problems_say_what_the_snapshot_says() {
    let served = Served::new().await;
    let mut text = String::new();
    for (host, method, path) in [
        ("localhost", "GET", "/v1/nothing"),
        ("localhost", "DELETE", "/v1/stats"),
        ("localhost", "GET", "/v1/progress"),
        ("localhost", "GET", "/v1/failures?limit=0"),
        ("localhost", "GET", "/v1/failures?stat=dead"),
        ("localhost", "GET", "/v1/failures/%ff"),
        ("evil.example", "GET", "/v1/failures"),
    ] {
        let answer = served.ask_as(host, method, path).await;
        assert_eq!(answer.content_type, "application/problem+json");
        let _ = writeln!(text, "{method} {path} of {host}: {}\n{}\n", answer.status, answer.body);
    }
    let (status, body) = from_elsewhere("/v1/failures").await;
    let _ = writeln!(text, "GET /v1/failures from another machine: {status}\n{body}\n");
    for (what, text_of_it) in [
        ("a handler that is not there", resources::no_such_handler("user-merged")),
        ("a failure that is not there", resources::no_such_failure("0123456789abcdef")),
        ("a store that refuses the host", store::Error::Denied("Authentication failed.".to_owned()).into()),
    ] {
        let _ = writeln!(text, "{what}\n{}\n", serde_json::to_string(&text_of_it).expect("JSON"));
    }
    insta::assert_snapshot!(text);
    served.end().await;
}

#[test]
fn resources_are_what_the_snapshot_says() {
    let mut text = String::new();
    put(&mut text, "/v1/progress", &[partition()]);
    put(&mut text, "/v1/handlers", &[handler()]);
    put(&mut text, "/v1/handlers/{name}", &handler_details());
    put(
        &mut text,
        "/v1/failures",
        &Page { failures: vec![failure()], next: Some("1793000000123-0123456789abcdef".to_owned()) },
    );
    put(&mut text, "/v1/failures, the last page", &Page { failures: Vec::new(), next: None });
    put(&mut text, "/v1/failures/{id}", &details());
    let content = Content { value: Some(Bytes::Text("v".repeat(300 << 10))), ..content() };
    let long = FailureDetails { content: Some(content), ..details() }.shortened();
    put(&mut text, "/v1/failures/{id} of a long record", &long);
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn readiness_is_what_the_snapshot_says() {
    let served = Served::new().await;
    let health = served.state.health.clone();
    let mut text = String::new();
    // Each wait is shown alone.
    for what in [KAFKA, MONGODB, ASSIGNMENT] {
        health.found(what);
    }
    let waits = [
        (HANDLERS, "they are being compiled; the log names each".to_owned()),
        (KAFKA, "no broker is connected: 127.0.0.1:9092/bootstrap: Connect failed: Connection refused".to_owned()),
        (MONGODB, store::Error::Unauthorized("not authorized on weir to execute command".to_owned()).to_string()),
        (ASSIGNMENT, "the topic outbox does not exist yet".to_owned()),
        (PROGRESS, "no progress for 30 s or more while there is lag".to_owned()),
        (RECORDS, hint::with("Invalid compressed data", "docs/operating.md says how to skip it")),
    ];
    for (what, why) in waits {
        health.waiting_for(what, why);
        put(&mut text, &format!("waits for {what}"), &readiness(&served).await);
        health.found(what);
    }
    put(&mut text, "ready", &readiness(&served).await);
    let why = hint::with("the log ends at 1", "once you know what was lost: weir progress set --topic outbox");
    health.partition_stopped("outbox", 3, why);
    health.waiting_for(MONGODB, "connection refused");
    put(&mut text, "a partition has stopped", &readiness(&served).await);
    let elsewhere = health.readiness().without_reasons();
    put(&mut text, "the same for another machine", &elsewhere);
    health.partition_resumed("outbox", 3);
    health.found(MONGODB);
    health.draining();
    put(&mut text, "draining", &readiness(&served).await);
    insta::assert_snapshot!(text);
    served.end().await;
}

/// Returns the body of `/readyz`, in which nothing was waited for long.
async fn readiness(served: &Served) -> weir_core::telemetry::health::Readiness {
    let answer = served.get("/readyz").await;
    let mut readiness = served.state.health.readiness();
    readiness.waiting_for.iter_mut().for_each(|wait| wait.for_seconds = 0);
    let mut body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    for wait in body["waiting_for"].as_array_mut().expect("a list") {
        wait["for_seconds"] = 0.into();
    }
    assert_eq!(body, serde_json::to_value(&readiness).expect("JSON"));
    assert_eq!(answer.status, if readiness.ready { 200 } else { 503 });
    readiness
}

fn partition() -> PartitionProgress {
    PartitionProgress {
        topic: "outbox".to_owned(),
        partition: 3,
        next: "9007199254740993".to_owned(),
        epoch: "7".to_owned(),
        commits: "41".to_owned(),
        start: Some("0".to_owned()),
        start_because: Some("KAFKA_AUTO_OFFSET_RESET=earliest".to_owned()),
        owner: Some("0199d3a1-0000-7000-8000-000000000000".to_owned()),
    }
}

fn handler() -> Handler {
    Handler {
        id: 2,
        team: "default".to_owned(),
        name: "user-updated".to_owned(),
        line: Some(1),
        state: "paused",
        generation: 1,
        version: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        events: vec!["UserUpdated".to_owned()],
        description: "Keeps users.".to_owned(),
    }
}

fn handler_details() -> HandlerDetails {
    let decision =
        |why: &str| Decision { at: "2026-10-26T07:33:20Z".to_owned(), by: "ada".to_owned(), why: why.to_owned() };
    HandlerDetails {
        handler: handler(),
        paused: Some(decision("its collection is being restored")),
        tripped: Some(Tripped {
            at: "2026-10-26T07:33:19Z".to_owned(),
            reason: "trap".to_owned(),
            message: "unreachable".to_owned(),
        }),
        ended: Some(decision("only old events were bad")),
        failures: vec![Count {
            state: "waiting",
            count: "9007199254740993".to_owned(),
            oldest: "2026-10-26T07:33:21Z".to_owned(),
        }],
    }
}

fn failure() -> Failure {
    Failure {
        id: "0123456789abcdef".to_owned(),
        state: "parked",
        reason: "must-match".to_owned(),
        message: "mongodb refused a write: E11000 duplicate key error (code 11000)".to_owned(),
        hint: Some("use `upsert` for a document that may be there already".to_owned()),
        handler: Some("user-updated".to_owned()),
        event_id: Some("0199d3a1-0000-7000-8000-000000000001".to_owned()),
        event_type: Some("UserUpdated".to_owned()),
        aggregate_type: Some("User".to_owned()),
        aggregate_id: Some("u3".to_owned()),
        record: RecordPlace {
            topic: "outbox".to_owned(),
            partition: 3,
            offset: "1200".to_owned(),
            timestamp: Some("2026-10-26T07:33:20.123Z".to_owned()),
        },
        attempt: 1,
        parked_at: "2026-10-26T07:33:21Z".to_owned(),
    }
}

fn details() -> FailureDetails {
    FailureDetails {
        failure: failure(),
        version: Some(handler().version),
        limit: None,
        error_type: Some("not-found".to_owned()),
        trace: None,
        event_created_at: Some("2026-10-26T07:33:20Z".to_owned()),
        holds: true,
        requested: None,
        discarded: None,
        attempts: vec![Attempt {
            at: "2026-10-26T07:33:21Z".to_owned(),
            reason: "must-match".to_owned(),
            message: "mongodb refused a write: E11000 duplicate key error (code 11000)".to_owned(),
        }],
        log: vec![LogLine {
            level: "info".to_owned(),
            text: "looks for u3".to_owned(),
            fields: Some("{\"n\":1}".to_owned()),
        }],
        content: Some(content()),
        left_out: None,
    }
}

fn content() -> Content {
    Content {
        key: Some(Bytes::Text("u3".to_owned())),
        value: Some(Bytes::Base64("/w==".to_owned())),
        headers: vec![Header { name: Bytes::Text("trace".to_owned()), value: None }],
        left_out_bytes: None,
    }
}
