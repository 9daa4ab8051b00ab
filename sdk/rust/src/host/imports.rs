//! The contract's imports.

use super::{Answer, RawEffect};
use crate::bindings::weir::handler::{delivery, documents, log as lines, types};
use crate::{CallError, Level};

pub(crate) use delivery::{attempt, now, random};

impl From<types::Error> for CallError {
    fn from(error: types::Error) -> Self {
        Self { code: error.code, message: error.message }
    }
}

pub(crate) fn log(level: Level, message: &str, fields: Option<&str>) {
    let level = match level {
        Level::Trace => lines::Level::Trace,
        Level::Debug => lines::Level::Debug,
        Level::Info => lines::Level::Info,
        Level::Warn => lines::Level::Warn,
        Level::Error => lines::Level::Error,
    };
    lines::log(level, message, fields);
}

/// Functions that are forwarded unchanged except for the error's type.
macro_rules! forward {
    ($($name:ident($($argument:ident: $type:ty),+) -> $result:ty;)+) => {
        $(pub(crate) fn $name($($argument: $type),+) -> Answer<$result> {
            documents::$name($($argument),+).map_err(CallError::from)
        })+
    };
}

forward! {
    find_one(collection: &str, filter: &str, options: Option<&str>) -> Option<String>;
    find(collection: &str, filter: &str, options: Option<&str>) -> Vec<String>;
    count(collection: &str, filter: &str, options: Option<&str>) -> u64;
    insert_one(collection: &str, document: &str, options: Option<&str>) -> u32;
    insert_many(collection: &str, documents: &[String], options: Option<&str>) -> u32;
    update_one(collection: &str, filter: &str, update: &str, options: Option<&str>) -> u32;
    update_many(collection: &str, filter: &str, update: &str, options: Option<&str>) -> u32;
    replace_one(collection: &str, filter: &str, document: &str, options: Option<&str>) -> u32;
    delete_one(collection: &str, filter: &str, options: Option<&str>) -> u32;
    delete_many(collection: &str, filter: &str, options: Option<&str>) -> u32;
}

pub(crate) fn effect_of(write: u32) -> Answer<RawEffect> {
    let effect = documents::effect_of(write)?;
    Ok(RawEffect {
        inserted: effect.inserted,
        matched: effect.matched,
        modified: effect.modified,
        deleted: effect.deleted,
        upserted_id: effect.upserted_id,
    })
}
