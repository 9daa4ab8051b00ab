//! What a process has heard of handlers that are paused. It must run none of their line from then on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bson::{Bson, Document, RawDocument};

use crate::kernel::lock;
use crate::kinds::{handler_name, line_of};

pub(crate) const HANDLERS: &str = "weir.handlers";

/// How long a process may still run deliveries of a line, because a batch that it has begun is done again until it
/// commits.
const GRACE: Duration = Duration::from_secs(25);

/// Since when a process knows of each line of which a handler is paused. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    since: Arc<Mutex<BTreeMap<i32, Duration>>>,
    /// The handler that ran although its line is paused, and how long that was known.
    ran: Arc<Mutex<Option<(i32, Duration)>>>,
}

/// Whether a command asks for the handlers that are stopped.
pub(crate) fn asks(command: &RawDocument) -> bool {
    command.get_str("find").is_ok_and(|name| name == "handlers")
}

/// Whether a command says that a handler has recovered. None trips by itself here.
pub(crate) fn tells(command: &RawDocument) -> bool {
    command.get_str("update").is_ok_and(|name| name == "handlers")
}

/// Whether somebody has paused a handler.
pub(crate) fn is_paused(handler: &Document) -> bool {
    handler.get_document("stopped").is_ok_and(|stopped| stopped.contains_key("paused"))
}

impl Heard {
    /// Notes the answer of MongoDB.
    pub(crate) fn note(&self, reply: &Document, now: Duration) {
        let found = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        let handlers = found.into_iter().flatten().filter_map(Bson::as_document).filter(|handler| is_paused(handler));
        let lines: Vec<i32> = handlers.filter_map(|handler| handler.get_i32("_id").ok()).map(line_of).collect();
        let mut since = lock(&self.since);
        since.retain(|line, _| lines.contains(line));
        for line in lines {
            since.entry(line).or_insert(now);
        }
    }

    /// Notes that a delivery of a handler begins.
    pub(crate) fn runs(&self, handler: i32, now: Duration) {
        let known = lock(&self.since).get(&line_of(handler)).map(|since| now.saturating_sub(*since));
        if let Some(known) = known.filter(|known| *known > GRACE) {
            lock(&self.ran).get_or_insert((handler, known));
        }
    }

    /// Describes a delivery that ran although its line is paused.
    pub(crate) fn wrong(&self) -> Option<String> {
        let (handler, known) = (*lock(&self.ran))?;
        Some(format!("{} ran {known:.1?} after its host knew that its line is paused", handler_name(handler)))
    }
}
