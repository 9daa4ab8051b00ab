//! Handlers, one for each event type, which is named after what its handler does.

use std::sync::Arc;
use std::time::Duration;

use bson::{RawBson, RawBsonRef, rawdoc};

use super::super::decoder::Decoder;
use super::super::entry::Item;
use super::super::handlers::Handlers;
use super::super::hop::Later;
use super::super::routes::{Identity, Routes};
use super::super::samples_test::handler;
use super::world::Ticks;
use crate::call::{Fault, Run, Verdict};
use crate::documents::Mode;
use crate::documents::view::{Needs, Source, View};
use crate::event::{Event, RawRecord};
use crate::store::{Error, FaultKind, IdKey, Kind, PartitionId, Query, Write};

/// Computes for 300 ms.
pub(super) const COMPUTES: &str = "Computes";
/// Reads the one document.
pub(super) const READS: &str = "Reads";
/// Writes the one document.
pub(super) const WRITES: &str = "Writes";
/// Asks for the effect of a write, and reads.
pub(super) const READS_ALONE: &str = "ReadsAlone";

/// The collection of the one document.
pub(super) const COLLECTION: &str = "c";
const ID: &str = "a";
const COMPUTING: Duration = Duration::from_millis(300);
const TIME: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Guests {
    clock: Ticks,
    routes: Routes,
}

impl Guests {
    pub(super) fn new(clock: Ticks) -> Self {
        let mut routes = Routes::default();
        for (id, name) in (1..).zip([COMPUTES, READS, WRITES, READS_ALONE]) {
            routes.register(name, &handler(id, name));
        }
        Self { clock, routes }
    }

    async fn handle(&self, event: &Event, view: &mut View) -> Result<(), Verdict> {
        match event.event_type.as_str() {
            COMPUTES => self.clock.pass(COMPUTING),
            READS => read(view).await?,
            WRITES => write(view).await?,
            _ => {
                write(view).await?;
                view.effect(0).map_err(needs)?;
                read(view).await?;
            }
        }
        Ok(())
    }
}

/// Nothing is read from `records` here.
impl Decoder for Guests {
    fn decode(&self, _: &PartitionId, _: i64, _: &RawRecord) -> Item {
        unreachable!("nothing is tried again")
    }
}

impl Handlers for Guests {
    fn routes(&self) -> &Routes {
        &self.routes
    }

    fn deliver<'a>(&'a self, _: &'a Identity, event: Arc<Event>, _: (u32, i64), mode: Mode) -> Later<'a, Run> {
        Box::pin(async move {
            let mut view = View::new(mode);
            let verdict = self.handle(&event, &mut view).await.err().unwrap_or(Verdict::Accepted);
            let (writes, reads) = view.into_parts();
            Run { verdict, writes, reads, ..Run::of_fault(String::new()) }
        })
    }
}

async fn read(view: &mut View) -> Result<(), Verdict> {
    let key = id();
    let query = Query {
        collection: COLLECTION.into(),
        filter: rawdoc! { "_id": ID },
        by_id: key.clone().map(|key| (RawBson::String(ID.to_owned()), key)),
        id: key,
        limit: None,
        skip: None,
        sort: None,
        projection: None,
        collation: None,
        hint: None,
    };
    let found = match view.source(&query).map_err(needs)? {
        Source::Live(live) => live.find(&query, TIME).await,
        Source::Reader(reader) => reader.find(&query, TIME).await,
    };
    view.found(query, &found.map_err(|error| fault(&error, false))?);
    Ok(())
}

async fn write(view: &mut View) -> Result<(), Verdict> {
    let write = Write {
        collection: COLLECTION.into(),
        kind: Kind::Insert,
        statements: vec![rawdoc! { "_id": ID }],
        id: id(),
        id_only: true,
        multi: false,
        upsert: false,
        must_match: false,
    };
    let effect = match view.acts_in().map_err(needs)? {
        Some(live) => Some(live.write(&write, TIME).await.map_err(|error| fault(&error, true))?),
        None => None,
    };
    view.wrote(write, effect);
    Ok(())
}

fn id() -> Option<IdKey> {
    IdKey::of(RawBsonRef::String(ID))
}

fn needs(needs: Needs) -> Verdict {
    match needs {
        Needs::Commit => Verdict::NeedsCommit,
        Needs::Alone(why) => Verdict::NeedsAlone(why),
    }
}

fn fault(error: &Error, writes: bool) -> Verdict {
    let kind = match error {
        Error::Slow(_) => FaultKind::Slow,
        Error::Unauthorized(_) => FaultKind::Unauthorized,
        _ => FaultKind::Unanswered,
    };
    Verdict::Fault(Fault { kind, collection: Some(COLLECTION.into()), writes, message: error.to_string() })
}
