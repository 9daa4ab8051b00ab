//! A host that records what a handler does. Calls reach it outside of a component. [`crate::testing`] sets it up.

use std::cell::RefCell;

use super::{Answer, RawEffect};
use crate::testing::{Line, Stage, Verb, Write};
use crate::{CallError, Document, Level, Value, extended};

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// Sets up a stage while `run` runs, and returns it with what was recorded.
pub(crate) fn on<T>(stage: Stage, run: impl FnOnce() -> T) -> (T, Stage) {
    let before = STAGE.replace(Some(stage));
    assert!(before.is_none(), "a delivery within a delivery");
    let result = run();
    let stage = STAGE.take().expect("the stage was put up above");
    (result, stage)
}

fn with<T>(act: impl FnOnce(&mut Stage) -> T) -> T {
    STAGE.with_borrow_mut(|stage| {
        act(stage.as_mut().expect("host functions answer in a component, and within `testing::deliver`"))
    })
}

pub(crate) fn now() -> i64 {
    with(|stage| stage.now.millis())
}

pub(crate) fn attempt() -> u32 {
    with(|stage| stage.attempt)
}

/// Returns bytes that count up.
pub(crate) fn random(count: u32) -> Vec<u8> {
    with(|stage| {
        (0..count)
            .map(|_| {
                stage.random = stage.random.wrapping_add(1);
                stage.random
            })
            .collect()
    })
}

pub(crate) fn log(level: Level, message: &str, fields: Option<&str>) {
    let fields = fields.map_or_else(Document::new, |text| extended::parse_document(text).expect("this crate wrote it"));
    with(|stage| stage.lines.push(Line { level, message: message.to_owned(), fields }));
}

pub(crate) fn find_one(collection: &str, filter: &str, options: Option<&str>) -> Answer<Option<String>> {
    Ok(find(collection, filter, options)?.into_iter().next())
}

pub(crate) fn find(collection: &str, filter: &str, _options: Option<&str>) -> Answer<Vec<String>> {
    with(|stage| {
        stage.granted(collection, true)?;
        Ok(stage.matching(collection, &parsed(filter)).map(ToString::to_string).collect())
    })
}

pub(crate) fn count(collection: &str, filter: &str, options: Option<&str>) -> Answer<u64> {
    Ok(find(collection, filter, options)?.len() as u64)
}

pub(crate) fn insert_one(collection: &str, document: &str, options: Option<&str>) -> Answer<u32> {
    record(Verb::InsertOne, collection, None, document, options)
}

pub(crate) fn insert_many(collection: &str, documents: &[String], options: Option<&str>) -> Answer<u32> {
    record(Verb::InsertMany, collection, None, &format!("[{}]", documents.join(",")), options)
}

pub(crate) fn update_one(collection: &str, filter: &str, update: &str, options: Option<&str>) -> Answer<u32> {
    record(Verb::UpdateOne, collection, Some(filter), update, options)
}

pub(crate) fn update_many(collection: &str, filter: &str, update: &str, options: Option<&str>) -> Answer<u32> {
    record(Verb::UpdateMany, collection, Some(filter), update, options)
}

pub(crate) fn replace_one(collection: &str, filter: &str, document: &str, options: Option<&str>) -> Answer<u32> {
    record(Verb::ReplaceOne, collection, Some(filter), document, options)
}

pub(crate) fn delete_one(collection: &str, filter: &str, options: Option<&str>) -> Answer<u32> {
    record(Verb::DeleteOne, collection, Some(filter), "null", options)
}

pub(crate) fn delete_many(collection: &str, filter: &str, options: Option<&str>) -> Answer<u32> {
    record(Verb::DeleteMany, collection, Some(filter), "null", options)
}

/// Returns the effect that the test has set, because the fake carries nothing out.
pub(crate) fn effect_of(write: u32) -> Answer<RawEffect> {
    with(|stage| {
        if stage.writes.get(write as usize).is_none() {
            return Err(stage.refuse("invalid", format!("effect-of: this delivery has no write {write}")));
        }
        let effect = stage.effect.clone();
        Ok(RawEffect {
            inserted: effect.inserted,
            matched: effect.matched,
            modified: effect.modified,
            deleted: effect.deleted,
            upserted_id: effect.upserted_id.map(|id| {
                let document: Document = [("id", id)].into_iter().collect();
                let text = document.to_string();
                text["{\"id\":".len()..text.len() - 1].to_owned()
            }),
        })
    })
}

fn record(
    verb: Verb,
    collection: &str,
    filter: Option<&str>,
    body: &str,
    options: Option<&str>,
) -> Result<u32, CallError> {
    with(|stage| {
        stage.granted(collection, false)?;
        stage.writes.push(Write {
            verb,
            collection: collection.to_owned(),
            filter: filter.map(parsed),
            body: extended::parse_value(body).expect("this crate wrote it"),
            options: options.map_or_else(Document::new, parsed),
        });
        Ok(u32::try_from(stage.writes.len() - 1).expect("few writes"))
    })
}

fn parsed(text: &str) -> Document {
    match extended::parse_value(text).expect("this crate wrote it") {
        Value::Document(document) | Value::Other(document) => document,
        _ => Document::new(),
    }
}
