//! Re-checks reads: repeats what deliveries have read by `_id` in the transaction that commits the writes based on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bson::{RawArrayBuf, RawBson, RawDocumentBuf, rawdoc};

use super::reader::find_in;
use super::wire::{self, MAX_TIME, Transactions};
use super::{Digest, IdKey, Query, ReadById, digest};

/// The most documents of one find, so that its reply stays within MongoDB's bound unless documents are very large.
const AT_ONCE: usize = 100;

/// Returns whether every read would find the same now. Reads without a projection share one or a few finds per
/// collection.
pub(super) async fn hold(database: &str, session: &dyn Transactions, reads: &[ReadById]) -> Result<bool, wire::Error> {
    let mut whole: BTreeMap<&Arc<str>, Vec<(IdKey, &ReadById)>> = BTreeMap::new();
    for read in reads {
        match IdKey::of(read.id.as_raw_bson_ref()).filter(|_| read.projection.is_none()) {
            Some(key) => whole.entry(&read.collection).or_default().push((key, read)),
            None => {
                if !holds(database, session, read).await? {
                    return Ok(false);
                }
            }
        }
    }
    for (collection, reads) in whole {
        for reads in reads.chunks(AT_ONCE) {
            if !all_hold(database, session, collection, reads).await? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

async fn all_hold(
    database: &str,
    session: &dyn Transactions,
    collection: &Arc<str>,
    reads: &[(IdKey, &ReadById)],
) -> Result<bool, wire::Error> {
    let ids: RawArrayBuf = reads.iter().map(|(_, read)| read.id.clone()).collect();
    let query = query(collection, rawdoc! { "_id": { "$in": ids } }, None);
    // One reply cannot hold all of these documents, which is the only error it can report. So read them one by one.
    let Ok(found) = find_in(database, session, &query, MAX_TIME).await? else {
        for (_, read) in reads {
            if !holds(database, session, read).await? {
                return Ok(false);
            }
        }
        return Ok(true);
    };
    let mut now: HashMap<IdKey, Digest> = HashMap::new();
    for document in &found {
        let id = document.get("_id").ok().flatten().and_then(IdKey::of);
        now.extend(id.map(|id| (id, digest(Some(document)))));
    }
    let nothing = digest(None);
    Ok(reads.iter().all(|(key, read)| *now.get(key).unwrap_or(&nothing) == read.digest))
}

async fn holds(database: &str, session: &dyn Transactions, read: &ReadById) -> Result<bool, wire::Error> {
    let filter = rawdoc! { "_id": RawBson::clone(&read.id) };
    let query = query(&read.collection, filter, read.projection.clone());
    let found = find_in(database, session, &query, MAX_TIME).await?;
    Ok(found.is_ok_and(|found| digest(found.first().map(AsRef::as_ref)) == read.digest))
}

fn query(collection: &Arc<str>, filter: RawDocumentBuf, projection: Option<RawDocumentBuf>) -> Query {
    Query {
        collection: Arc::clone(collection),
        filter,
        by_id: None,
        id: None,
        limit: None,
        skip: None,
        sort: None,
        projection,
        collation: None,
        hint: None,
    }
}
