//! The inner costs on an event's way, one by one: `cargo bench -p bench --features inner`.
//!
//! The records are made here, with the size and kind of the reference mix. If `WEIR_BENCH_HANDLERS` names a folder of
//! handlers, the reference handlers are called too.

// Criterion's macros make functions without a doc comment.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use bench::guests;
use bench::mix::Record;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use weir_core::delivery::batch::{Batch, Judge};
use weir_core::delivery::outcome::Decision;
use weir_core::delivery::statements::{Form, commands};
use weir_core::delivery::{Entry, Item, Ledger};
use weir_core::delivery::{Identity, RetryPolicy, Routes};
use weir_core::documents::ejson;
use weir_core::event::{self, Event, RawRecord};
use weir_core::store::{Buckets, Claim, Floors, IdKey, Kind, PartitionId, Write};

const BATCH: usize = 500;
const TOPIC: &str = "postgres.activity.event_outbox";
const USER: &str = r#"{"_id":"0198a3c2-7f3e-7c11-9a51-3b1b7a6c0d01","email":"user816263@example.com","username":"user816263","name":"Ada Lovelace","first_name":"Ada","last_name":"Lovelace","profile":{"bio":"river walk evening market open garden old harbour quiet morning music","avatar_url":"https://cdn.example.com/avatars/user816263.png?size=128&v=2"},"metadata":{"created_at":{"$date":{"$numberLong":"1790000000123"}},"updated_at":{"$date":{"$numberLong":"1790000000456"}},"source_event_id":"0198a3c2-7f3e-7c11-9a51-3b1b7a6c0d02"},"allowed_users":["0198a3c2-7f3e-7c11-9a51-3b1b7a6c0d01"]}"#;

fn id(number: usize) -> String {
    format!("0198a3c2-7f3e-7c11-9a51-{number:012x}")
}

/// An envelope of about 879 bytes, as the connector in `deploy/debezium` writes it.
fn record(number: usize, event_type: &str, payload: &str) -> Record {
    let payload = serde_json::to_string(payload).expect("a text");
    let (event, aggregate) = (id(number), id(number + 1_000_000));
    let value = format!(
        r#"{{"before":null,"after":{{"event_id":"{event}","sequence_id":{number},"aggregate_id":"{aggregate}","aggregate_type":"User","event_type":"{event_type}","payload":{payload},"status":"pending","retry_count":0,"last_error":null,"lock_id":null,"created_at":"2026-09-21T14:13:20.123456Z","published_at":null}},"source":{{"version":"3.7.0.Final","connector":"postgresql","name":"postgres","ts_ms":1790000000123,"snapshot":"false","db":"activity","sequence":"[\"26736816\",\"26737568\"]","ts_us":1790000000123456,"ts_ns":1790000000123456000,"schema":"activity","table":"event_outbox","txId":901,"lsn":26737568,"xmin":null}},"transaction":null,"op":"c","ts_ms":1790000000130,"ts_us":1790000000130456,"ts_ns":1790000000130456000}}"#
    );
    Record { partition: 0, key: format!(r#"{{"aggregate_id":"{aggregate}"}}"#), value }
}

fn payload() -> String {
    r#"{"email": "user816263@example.com", "username": "user816263", "first_name": "Ada", "last_name": "Lovelace", "bio": "river walk evening market open garden old harbour quiet"}"#.to_owned()
}

fn events() -> Vec<Record> {
    (0..BATCH).map(|number| record(number, "UserCreated", &payload())).collect()
}

fn decoding(criterion: &mut Criterion) {
    let record = record(1, "UserCreated", &payload());
    criterion.bench_function("decode an envelope", |bencher| {
        bencher.iter(|| event::decode(black_box(&record.as_record()), &event::Settings::default()));
    });
}

fn extended_json(criterion: &mut Criterion) {
    let document = ejson::parse_document(USER).expect("a document");
    criterion.bench_function("Extended JSON to a document", |bencher| {
        bencher.iter(|| ejson::parse_document(black_box(USER)));
    });
    criterion.bench_function("a document to Extended JSON", |bencher| {
        bencher.iter(|| ejson::to_canonical(black_box(&document), usize::MAX));
    });
}

/// A statement on a document of its own, or on one of a few.
fn write(number: usize) -> Write {
    let id = id(number);
    let text = USER.replace("0198a3c2-7f3e-7c11-9a51-3b1b7a6c0d01", &id);
    Write {
        collection: Arc::from("users"),
        kind: Kind::Insert,
        statements: vec![ejson::parse_document(&text).expect("a document")],
        id: IdKey::of(bson::RawBsonRef::String(&id)),
        id_only: false,
        multi: false,
        upsert: false,
        must_match: false,
    }
}

fn grouping(criterion: &mut Criterion) {
    let writes: Vec<Write> = (0..BATCH).map(write).collect();
    criterion.bench_function("statements of 500 events into commands", |bencher| {
        bencher.iter(|| commands(black_box(writes.iter().enumerate()), Form::Grouped));
    });
}

/// A batch of entries, and everything that is needed to make and plan it.
struct Planning {
    entries: Vec<Entry>,
    ledger: Ledger,
    routes: Routes,
    claims: BTreeMap<PartitionId, Claim>,
}

impl Planning {
    fn new() -> Self {
        let partition = PartitionId { topic: Arc::from(TOPIC), partition: 0 };
        let mut routes = Routes::default();
        let name = || Arc::from("user-created");
        let identity =
            Identity { id: 1, generation: 1, name: name(), version: name(), line: 0, policy: RetryPolicy::default() };
        routes.register("UserCreated", &Arc::new(identity));
        let entry = |(offset, record): (usize, Record)| {
            let offset = i64::try_from(offset).expect("small");
            let item = Item::Event(Arc::new(record.event().expect("an event")));
            Entry::of_log(partition.clone(), offset, item, Arc::new(RawRecord::default()))
        };
        Self {
            entries: events().into_iter().enumerate().map(entry).collect(),
            ledger: Ledger { group: Arc::from("g"), source: Arc::from("default"), retention_ms: 86_400_000 },
            routes,
            claims: BTreeMap::from([(partition, Claim::new(1, 0))]),
        }
    }

    /// Returns the batch with all deliveries accepted.
    fn ran(&self) -> Batch {
        let (seen, buckets) = (Default::default(), Buckets::default());
        let mut batch = Batch::new(self.entries.clone(), &self.ledger, None);
        batch.route(&Judge {
            seen: &seen,
            routes: &self.routes,
            heads: &self.claims,
            buckets: &buckets,
            floors: &Floors::default(),
            now_ms: None,
            held: None,
        });
        let mut at = None;
        while let Some(next) = batch.next(at) {
            batch.ran(next, Decision::Accept, vec![write(next.slot)], Vec::new());
            at = Some(next);
        }
        batch
    }
}

fn planning(criterion: &mut Criterion) {
    let planning = Planning::new();
    criterion.bench_function("500 entries become a batch", |bencher| {
        let entries = || planning.entries.clone();
        bencher.iter_batched(entries, |entries| Batch::new(entries, &planning.ledger, None), BatchSize::LargeInput);
    });
    let batch = planning.ran();
    criterion.bench_function("the plan of 500 events", |bencher| {
        bencher.iter(|| batch.plan(black_box(&planning.claims), &planning.ledger, Form::Grouped, 0));
    });
}

fn calls(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let engine = guests::engine().expect("an engine");
    let reader = runtime.block_on(guests::no_mongodb()).expect("a reader");
    let event = |event_type: &str, payload: &str| -> Arc<Event> {
        Arc::new(record(1, event_type, payload).event().expect("an event"))
    };
    let empty = runtime.block_on(guests::empty(&engine)).expect("the empty handler");
    let nothing = event("Test", "{}");
    criterion.bench_function("an empty call in a fresh instance", |bencher| {
        bencher.iter(|| runtime.block_on(empty.deliver(guests::call(&nothing, &reader))));
    });
    let Some(folder) = std::env::var_os("WEIR_BENCH_HANDLERS").map(PathBuf::from) else { return };
    let join = r#"{"user_id": "0198a3c2-7f3e-7c11-9a51-3b1b7a6c0d09", "note": "river walk evening market"}"#;
    for (name, event_type, payload) in [
        ("user-created", "UserCreated", payload()),
        ("user-updated", "UserUpdated", payload()),
        ("participant-joined", "ParticipantJoined", join.to_owned()),
    ] {
        let file = folder.join(name).with_extension("wasm");
        let handler = runtime.block_on(guests::load(&engine, &file)).expect("a reference handler");
        let event = event(event_type, &payload);
        criterion.bench_function(&format!("a call of {name}"), |bencher| {
            bencher.iter(|| runtime.block_on(handler.deliver(guests::call(&event, &reader))));
        });
    }
}

criterion_group!(inner, decoding, extended_json, grouping, planning, calls);
criterion_main!(inner);
