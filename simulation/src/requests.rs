//! The queries and writes of the simulated handlers.

use bson::{Bson, Document, RawBson, RawDocumentBuf, doc};
use weir_core::store::{IdKey, Kind, Query, Write};

pub(crate) fn ask(collection: &str, filter: &Document) -> Query {
    let filter = RawDocumentBuf::try_from(filter).unwrap_or_default();
    Query { filter, by_id: None, id: None, ..by_id(collection, "") }
}

pub(crate) fn by_id(collection: &str, id: &str) -> Query {
    let id = RawBson::String(id.to_owned());
    let key = IdKey::of(id.as_raw_bson_ref());
    Query {
        collection: collection.into(),
        filter: RawDocumentBuf::try_from(&doc! { "_id": Bson::try_from(id.clone()).unwrap_or(Bson::Null) })
            .unwrap_or_default(),
        by_id: key.clone().map(|key| (id, key)),
        id: key,
        limit: None,
        skip: None,
        sort: None,
        projection: None,
        collation: None,
        hint: None,
    }
}

pub(crate) fn update(collection: &str, id: &str, to: &Document, upsert: bool, must_match: bool) -> Write {
    let statement = doc! { "q": { "_id": id }, "u": to.clone(), "multi": false, "upsert": upsert };
    write(collection, Kind::Update, id, &statement, upsert, must_match)
}

pub(crate) fn insert(collection: &str, id: &str, document: &Document) -> Write {
    write(collection, Kind::Insert, id, document, false, false)
}

/// Changes every document of an aggregate.
pub(crate) fn update_all(collection: &str, aggregate: &str, to: &Document) -> Write {
    let statement = doc! { "q": { "aggregate": aggregate }, "u": to.clone(), "multi": true, "upsert": false };
    Write { id: None, id_only: false, multi: true, ..write(collection, Kind::Update, "", &statement, false, false) }
}

pub(crate) fn remove(collection: &str, id: &str) -> Write {
    write(collection, Kind::Delete, id, &doc! { "q": { "_id": id }, "limit": 1 }, false, false)
}

/// Removes every document of an aggregate.
pub(crate) fn remove_all(collection: &str, aggregate: &str) -> Write {
    let statement = doc! { "q": { "aggregate": aggregate }, "limit": 0 };
    Write { id: None, id_only: false, multi: true, ..write(collection, Kind::Delete, "", &statement, false, false) }
}

fn write(collection: &str, kind: Kind, id: &str, statement: &Document, upsert: bool, must_match: bool) -> Write {
    Write {
        collection: collection.into(),
        kind,
        statements: vec![RawDocumentBuf::try_from(statement).unwrap_or_default()],
        id: IdKey::of(RawBson::String(id.to_owned()).as_raw_bson_ref()),
        id_only: kind != Kind::Insert,
        multi: false,
        upsert,
        must_match,
    }
}
