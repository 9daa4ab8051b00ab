//! The bare ceiling: what MongoDB allows. It writes the mix in batches, one transaction at a time, with the ledger's
//! look-up, progress, marks and raw commands. There is no Kafka, no decoding and no handler, and all statements are
//! made before the time runs. It shares no code with Weir's store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bson::spec::BinarySubtype;
use bson::{Binary, Document, RawArrayBuf, RawDocumentBuf, cstr, doc, rawdoc};
use mongodb::options::{ReadConcern, TransactionOptions, WriteConcern};
use mongodb::{Client, ClientSession};
use sha2::{Digest as _, Sha256};

use bench::mix;
use bench::writes::{Grouped, Writers};
use weir_core::store::{Kind, Write};

use crate::processes::{self, Process};

const COLLECTIONS: [&str; 3] = ["users", "statistics", "activities"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file of records.
    #[arg(long)]
    records: PathBuf,
    #[arg(long)]
    mongodb: String,
    /// A database that does not exist yet. Weir's own collections get the same name with `_own`.
    #[arg(long)]
    database: String,
    #[arg(long, default_value_t = 2_000)]
    batch: usize,
    /// The folder of the handlers whose writes are written.
    #[arg(long)]
    handlers: PathBuf,
    /// Processes whose use to report: NAME=FILE, a file with the process id.
    #[arg(long)]
    process: Vec<Process>,
}

/// An event that is ready to write.
struct Ready {
    partition: i32,
    key: [u8; 16],
    hash: i64,
    writes: Vec<Write>,
}

pub(crate) async fn run(args: &Args) -> Result<serde_json::Value> {
    let (events, counts) = ready(args).await?;
    let client = Client::with_uri_str(&args.mongodb).await?;
    let own = format!("{}_own", args.database);
    let bare = Bare { client: client.clone(), data: args.database.clone(), own };
    bare.prepare(&events).await?;

    let mut session = client.start_session().await?;
    let mut next = BTreeMap::new();
    let (cpu, own_cpu) = (processes::cpu(&args.process), processes::own_cpu());
    let begin = Instant::now();
    for batch in events.chunks(args.batch) {
        bare.commit(&mut session, batch, &mut next).await?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let own_cpu = processes::own_cpu() - own_cpu;
    let mut used = processes::since(&args.process, &cpu)?;
    let peak_bytes = processes::own_peak_bytes();
    used.insert("client".to_owned(), processes::Used { cpu_seconds: own_cpu, peak_bytes });
    bare.check(&counts).await?;
    client.database(&bare.data).drop().await?;
    client.database(&bare.own).drop().await?;
    Ok(serde_json::json!({ "events": events.len(), "seconds": seconds, "processes": used }))
}

/// Returns all events with their statements, and how many documents they make.
async fn ready(args: &Args) -> Result<(Vec<Ready>, BTreeMap<Arc<str>, u64>)> {
    let handlers = Writers::load(&args.handlers).await?;
    let mut counts = BTreeMap::new();
    let mut events = Vec::new();
    for record in mix::read(&args.records)? {
        let event = Arc::new(record.event()?);
        let digest = Sha256::digest(&event.id);
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let writes = handlers.of(&event).await?;
        for write in writes.iter().filter(|write| write.kind == Kind::Insert) {
            *counts.entry(Arc::clone(&write.collection)).or_default() += write.statements.len() as u64;
        }
        events.push(Ready { partition: record.partition, key, hash: i64::from(digest[16]), writes });
    }
    ensure!(!events.is_empty(), "there are no records");
    Ok((events, counts))
}

struct Bare {
    client: Client,
    data: String,
    own: String,
}

impl Bare {
    async fn prepare(&self, events: &[Ready]) -> Result<()> {
        for collection in COLLECTIONS {
            self.client.database(&self.data).create_collection(collection).await?;
        }
        let own = self.client.database(&self.own);
        own.create_collection("ledger").await?;
        let partitions: std::collections::BTreeSet<i32> = events.iter().map(|event| event.partition).collect();
        let progress = partitions.into_iter().map(|number| doc! { "_id": number, "next": 0_i64, "epoch": 1_i64 });
        own.collection::<Document>("progress").insert_many(progress).await?;
        Ok(())
    }

    async fn commit(&self, session: &mut ClientSession, batch: &[Ready], next: &mut BTreeMap<i32, i64>) -> Result<()> {
        let seen = self.run(&self.own, look(batch), None).await?;
        let found = seen.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"))?;
        ensure!(found.is_empty(), "an event was there already");
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(WriteConcern::majority())
            .build();
        session.start_transaction().with_options(options).await?;
        let (command, partitions) = progress(batch, next);
        let reply = self.run(&self.own, command, Some(session)).await?;
        ensure!(reply.get_i32("n")? == partitions, "progress was not where it was left");
        self.run(&self.own, marks(batch), Some(session)).await?;
        let mut grouped = Grouped::default();
        for event in batch {
            grouped.add(&event.writes)?;
        }
        for (verb, collection, statements) in grouped.commands() {
            self.run(&self.data, command_of(verb, &collection, statements), Some(session)).await?;
        }
        Ok(session.commit_transaction().await?)
    }

    async fn run(
        &self,
        database: &str,
        command: RawDocumentBuf,
        session: Option<&mut ClientSession>,
    ) -> Result<Document> {
        let database = self.client.database(database);
        let run = database.run_raw_command(command);
        let reply = match session {
            Some(session) => run.session(session).await?,
            None => run.await?,
        };
        ensure!(!reply.contains_key("writeErrors"), "a write was refused: {reply}");
        Ok(reply)
    }

    /// Checks that everything that should be inserted is there.
    async fn check(&self, counts: &BTreeMap<Arc<str>, u64>) -> Result<()> {
        for (collection, count) in counts {
            let found = self.client.database(&self.data).collection::<Document>(collection);
            let found = found.count_documents(doc! {}).await.context("documents cannot be counted")?;
            ensure!(found == *count, "{found} documents in {collection}, and not {count}");
        }
        Ok(())
    }
}

fn command_of(verb: &str, collection: &str, statements: RawArrayBuf) -> RawDocumentBuf {
    let mut command = RawDocumentBuf::new();
    if verb == "insert" {
        command.append(cstr!("insert"), collection);
        command.append(cstr!("documents"), statements);
    } else {
        command.append(cstr!("update"), collection);
        command.append(cstr!("updates"), statements);
    }
    command
}

fn look(batch: &[Ready]) -> RawDocumentBuf {
    let ids: RawArrayBuf = batch.iter().map(|event| binary(event.key)).collect();
    let mut command = RawDocumentBuf::new();
    command.append(cstr!("find"), "ledger");
    command.append(cstr!("filter"), rawdoc! { "_id": { "$in": ids } });
    command.append(cstr!("projection"), rawdoc! { "h": 1 });
    command.append(cstr!("batchSize"), 1_000);
    command.append(cstr!("singleBatch"), true);
    command.append(cstr!("readConcern"), rawdoc! { "level": "majority" });
    command
}

fn marks(batch: &[Ready]) -> RawDocumentBuf {
    let mark = |event: &Ready| rawdoc! { "_id": binary(event.key), "h": event.hash, "d": [1, 1] };
    command_of("insert", "ledger", batch.iter().map(mark).collect())
}

/// Returns the partitions' steps, and how many there are.
fn progress(batch: &[Ready], next: &mut BTreeMap<i32, i64>) -> (RawDocumentBuf, i32) {
    let mut steps: BTreeMap<i32, i64> = BTreeMap::new();
    for event in batch {
        *steps.entry(event.partition).or_default() += 1;
    }
    let count = i32::try_from(steps.len()).unwrap_or(i32::MAX);
    let statements = steps.into_iter().map(|(partition, step)| {
        let from = next.entry(partition).or_default();
        let query = rawdoc! { "_id": partition, "epoch": 1_i64, "next": *from };
        *from += step;
        rawdoc! { "q": query, "u": { "$set": { "next": *from }, "$inc": { "commits": 1_i64 } } }
    });
    (command_of("update", "progress", statements.collect()), count)
}

fn binary(key: [u8; 16]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: key.to_vec() }
}
