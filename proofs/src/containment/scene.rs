//! What hostile handlers find: documents to read, and the limits that differ from the defaults.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bson::{Document, RawDocumentBuf, doc, rawdoc};
use rig::interrupt;

use crate::run::Run;

/// Limits that stop slow reads soon and many reads soon, and let a handler write more than MongoDB takes in one go.
const LIMITS: [(&str, &str); 5] = [
    ("takes-long", "documents_ms = 100"),
    ("searches-long", "documents_ms = 100"),
    ("reads-raw", "host_calls = 100\ndocuments_ms = 60000"),
    ("reads-much", "host_calls = 100\ndocuments_ms = 60000"),
    ("writes-too-much", "boundary_bytes = 25165824\nmemory_bytes = 134217728"),
];

/// The documents of `large`.
const MANY: i32 = 5_000;
/// Nearly as deep as the SDK for Rust can read a document.
const DEEP: usize = 120;
/// Nearly as deep as MongoDB can store one.
const DEEPEST: usize = 170;
/// Nearly as deep as a handler may write one, with a text that fits into what a handler may receive.
const DEEP_AND_LARGE: (usize, usize) = (55, 14 << 20);
/// How long a cursor may outlive the read that it was opened for.
const CURSORS: Duration = Duration::from_secs(5);

/// Writes the limits, and writes the documents as another program would.
pub(super) fn prepare(run: &Run<'_>, handlers: &Path) -> Result<()> {
    let file = handlers.join("weir.toml");
    // The quick form does not have all of them, and a host refuses limits for a handler that it does not have.
    let there = LIMITS.iter().filter(|(handler, _)| handlers.join(format!("{handler}.wasm")).exists());
    let limits: Vec<String> = there.map(|(handler, limits)| format!("[handlers.{handler}]\n{limits}\n")).collect();
    fs::write(&file, limits.concat()).with_context(|| format!("cannot write {}", file.display()))?;
    let text = "x".repeat(200);
    let many = (0..MANY).map(|number| doc! { "_id": number, "n": number, "text": &text });
    run.block(run.world.data("large").insert_many(many))?;
    for document in found()? {
        let insert = rawdoc! { "insert": "found", "documents": [document] };
        run.block(run.world.data.run_raw_command(insert))?;
    }
    Ok(())
}

/// The documents that handlers read from `found`.
fn found() -> Result<Vec<RawDocumentBuf>> {
    let (levels, bytes) = DEEP_AND_LARGE;
    let mut found = vec![
        rawdoc! { "_id": "small", "n": 1 },
        rawdoc! { "_id": "deep", "a": nested(DEEP, "bottom") },
        rawdoc! { "_id": "deepest", "a": nested(DEEPEST, "bottom") },
        rawdoc! { "_id": "deep-and-large", "a": nested(levels, &"x".repeat(bytes)) },
        rawdoc! { "_id": "wide", "numbers": (0..1_000_000).collect::<bson::RawArrayBuf>() },
        one_key_twice(),
        not_utf8()?,
    ];
    // Two of them fit into a reply from MongoDB, three do not.
    found.extend((0..3).map(|number| rawdoc! { "_id": format!("large-{number}"), "text": "x".repeat(6 << 20) }));
    Ok(found)
}

fn nested(levels: usize, text: &str) -> RawDocumentBuf {
    (1..levels).fold(rawdoc! { "a": text }, |inner, _| rawdoc! { "a": inner })
}

fn one_key_twice() -> RawDocumentBuf {
    let mut document = rawdoc! { "_id": "one-key-twice" };
    document.append(bson::cstr!("a"), 1);
    document.append(bson::cstr!("a"), 2);
    document
}

fn not_utf8() -> Result<RawDocumentBuf> {
    let mut bytes = rawdoc! { "_id": "not-utf8", "text": "??" }.into_bytes();
    let at = bytes.windows(2).position(|two| two == b"??").context("the text is in the document")?;
    bytes[at] = 0xff;
    Ok(RawDocumentBuf::from_bytes(bytes)?)
}

/// Fails if a cursor on the handlers' documents stays open.
pub(super) fn no_cursor_is_left(run: &Run<'_>) -> Result<()> {
    let begun = Instant::now();
    loop {
        let open = run.block(open_cursors(run))?;
        if open.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > CURSORS {
            bail!("{} cursors are left open, such as {}", open.len(), open[0]);
        }
        interrupt::sleep(Duration::from_millis(100))?;
    }
}

async fn open_cursors(run: &Run<'_>) -> Result<Vec<Document>> {
    let current = doc! { "$currentOp": { "allUsers": true, "idleCursors": true } };
    let names = format!("^{}\\.", run.pipeline().data);
    let ours = doc! { "$match": { "ns": { "$regex": names }, "cursor": { "$exists": true } } };
    let mut cursor = run.world.mongodb.database("admin").aggregate([current, ours]).await?;
    let mut open = Vec::new();
    while cursor.advance().await? {
        open.push(cursor.deserialize_current()?);
    }
    Ok(open)
}
