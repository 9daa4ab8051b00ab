//! What a command does to the simulated MongoDB. It knows as much of the language as Weir's store and the simulated
//! handlers use. Anything else is a mistake in the simulation and stops it.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use bson::{Array, Bson, DateTime, Document, RawDocument, Timestamp, doc};
use weir_core::store::wire;

use crate::mongo::{
    CONFLICT, DUPLICATE, Key, Mongo, OUT_OF_TIME, Place, TOO_LARGE, Trouble, UNAUTHORIZED, failed, id_bytes,
};
use crate::raw;

/// MongoDB's clock runs this many times faster than the simulation's, so that the ledger's hours pass.
const HASTE: i64 = 3_000;
/// MongoDB's clock at the beginning, in milliseconds since 1970.
const EPOCH_MS: i64 = 1_700_000_000_000;

/// Returns the time of MongoDB's clock.
pub(crate) fn clock_ms(now: Duration) -> i64 {
    EPOCH_MS + i64::try_from(now.as_millis()).unwrap_or(i64::MAX) * HASTE
}

/// A reply, or the fact that the command must wait for a transaction.
pub(crate) enum Outcome {
    Reply(Result<Document, wire::Error>),
    Blocked,
}

/// Runs a command.
pub(crate) fn run(mongo: &mut Mongo, database: &str, command: &RawDocument, place: Option<&Place>) -> Outcome {
    if let Some(place) = place
        && let Err(error) = mongo.enter(place)
    {
        return Outcome::Reply(Err(error));
    }
    let (name, target) = raw::head(command);
    let namespace = mongo.namespace(database, target);
    if let Some((code, what)) = fault_of(&namespace, command) {
        mongo.kernel.count(what);
        place.inspect(|place| mongo.lose(place));
        return Outcome::Reply(Err(failed(code, what, false)));
    }
    let reply = match name {
        "find" => Ok(find(mongo, &namespace, command, place)),
        "aggregate" => Ok(aggregate(mongo, database, &namespace, command, place)),
        "insert" => insert(mongo, &namespace, command, place),
        "update" => update(mongo, &namespace, command, place),
        "delete" => delete(mongo, &namespace, command, place),
        "findAndModify" => find_and_modify(mongo, &namespace, command),
        "create" => {
            if !mongo.create(&namespace) {
                return Outcome::Reply(Err(failed(48, "the collection exists", false)));
            }
            Ok(doc! {})
        }
        // It waits for the transactions that have written to the collection.
        "drop" if mongo.is_written_to(&namespace) => {
            mongo.kernel.count("outcome: a drop waited");
            return Outcome::Blocked;
        }
        "drop" => {
            mongo.drop_collection(&namespace);
            mongo.kernel.count("outcome: bucket dropped");
            Ok(doc! {})
        }
        "listCollections" => Ok(list(mongo, database)),
        "killSessions" => {
            let sessions = raw::documents(command, "killSessions").map(raw::read);
            let ids: Vec<_> = sessions.filter_map(|session| session.get("id").map(id_bytes)).collect();
            mongo.kill_sessions(&ids);
            Ok(doc! {})
        }
        "ping" => Ok(doc! {}),
        other => panic!("the simulated mongodb knows no {other}"),
    };
    match reply {
        Ok(reply) => done(mongo, reply, place),
        Err((_, Trouble::Blocked)) => Outcome::Blocked,
        Err((index, Trouble::Refused(code, message))) => refused(mongo, index, code, &message, place),
    }
}

/// Returns the error of a read that always fails, and what it counts as.
fn fault_of(namespace: &str, command: &RawDocument) -> Option<(i32, &'static str)> {
    let of_filter = |name| raw::document(command, "filter").is_some_and(|filter| filter.contains_key(name));
    match namespace {
        "data.slow" if of_filter("never") => Some((OUT_OF_TIME, "fault: a read takes too long")),
        "data.secret" => Some((UNAUTHORIZED, "fault: a right is missing")),
        _ => None,
    }
}

/// Answers a command that did what it was asked, unless its transaction is too large by now.
fn done(mongo: &mut Mongo, mut reply: Document, place: Option<&Place>) -> Outcome {
    if let Some(place) = place
        && mongo.is_huge(place)
    {
        mongo.lose(place);
        mongo.kernel.count("fault: transaction too large");
        return Outcome::Reply(Err(failed(TOO_LARGE, "the transaction is too large", false)));
    }
    let seconds = clock_ms(mongo.kernel.now()) / 1000;
    let time = Timestamp { time: u32::try_from(seconds).unwrap_or(0), increment: 1 };
    reply.insert("operationTime", time);
    Outcome::Reply(Ok(reply))
}

/// Answers a command of which the statement at `index` was refused.
fn refused(mongo: &mut Mongo, index: usize, code: i32, message: &str, place: Option<&Place>) -> Outcome {
    if let Some(place) = place {
        mongo.lose(place);
        // A conflict may fail the whole command.
        if code == CONFLICT && mongo.kernel.chance(500) {
            return Outcome::Reply(Err(failed(code, message, true)));
        }
    }
    mongo.kernel.count("fault: writeErrors");
    let index = i32::try_from(index).unwrap_or(0);
    Outcome::Reply(Ok(doc! {
        "ok": 1, "n": index, "writeErrors": [{ "index": index, "code": code, "errmsg": message }],
    }))
}

type Written = Result<Document, (usize, Trouble)>;

fn list(mongo: &Mongo, database: &str) -> Document {
    let prefix = format!("{database}.");
    let names = mongo.collections.keys().filter_map(|name| name.strip_prefix(&prefix));
    let ledger = names.filter(|name| name.starts_with("ledger_"));
    let batch: Array = ledger.map(|name| Bson::Document(doc! { "name": name })).collect();
    doc! { "cursor": { "id": 0_i64, "firstBatch": batch } }
}

fn matching(
    mongo: &mut Mongo,
    namespace: &Arc<str>,
    filter: &Document,
    place: Option<&Place>,
    reads: bool,
) -> Vec<Arc<Document>> {
    let key = |id: &Bson| (Arc::clone(namespace), id_bytes(id));
    let keys: Vec<Key> = match filter.get("_id") {
        Some(Bson::Document(among)) if among.contains_key("$in") => {
            among.get_array("$in").into_iter().flatten().map(key).collect()
        }
        Some(id) => vec![key(id)],
        None => {
            let all = if reads || place.is_some() { mongo.scan(namespace, place) } else { mongo.all(namespace) };
            return all.into_iter().filter(|document| matches(document, filter)).collect();
        }
    };
    let found = keys.iter().filter_map(|key| mongo.see(key, place, reads));
    found.filter(|document| matches(document, filter)).collect()
}

/// Compares values as MongoDB sorts them, as far as Weir sorts by them.
fn compare(one: Option<&Bson>, other: Option<&Bson>) -> Ordering {
    match (one, other) {
        (Some(Bson::String(one)), Some(Bson::String(other))) => one.cmp(other),
        (Some(Bson::String(_)), _) => Ordering::Greater,
        (_, Some(Bson::String(_))) => Ordering::Less,
        (one, other) => one.is_some().cmp(&other.is_some()).then(number(one).cmp(&number(other))),
    }
}

fn matches(document: &Document, filter: &Document) -> bool {
    filter.iter().filter(|(path, _)| *path != "_id").all(|(path, wanted)| {
        let found = at_path(document, path);
        match (found, wanted) {
            (found, Bson::Document(wanted)) if wanted.contains_key("$in") => {
                wanted.get_array("$in").into_iter().flatten().any(|wanted| found == Some(wanted))
            }
            (found, Bson::Document(wanted)) if wanted.contains_key("$gt") => {
                found.is_some() && compare(found, wanted.get("$gt")) == Ordering::Greater
            }
            (found, Bson::Document(wanted)) if wanted.contains_key("$lte") => {
                found.is_some() && compare(found, wanted.get("$lte")) != Ordering::Greater
            }
            (Some(Bson::Int32(a)), Bson::Int64(b)) => i64::from(*a) == *b,
            (Some(Bson::Int64(a)), Bson::Int32(b)) => *a == i64::from(*b),
            (found, Bson::Document(wanted)) if wanted.contains_key("$exists") => found.is_some(),
            (None, wanted) => *wanted == Bson::Null,
            (found, wanted) => found == Some(wanted),
        }
    })
}

fn at_path<'a>(document: &'a Document, path: &str) -> Option<&'a Bson> {
    match path.split_once('.') {
        Some((head, rest)) => at_path(document.get_document(head).ok()?, rest),
        None => document.get(path),
    }
}

fn find(mongo: &mut Mongo, namespace: &Arc<str>, command: &RawDocument, place: Option<&Place>) -> Document {
    let filter = raw::document(command, "filter").unwrap_or_default();
    let mut found = matching(mongo, namespace, &filter, place, true);
    if let Some(sort) = raw::document(command, "sort") {
        let by = |one: &Arc<Document>, other: &Arc<Document>| {
            let paths = sort.keys().map(|path| compare(at_path(one, path), at_path(other, path)));
            paths.fold(Ordering::Equal, Ordering::then)
        };
        // A sort by `_id` is that of the documents as they are kept.
        found.sort_by(by);
    }
    let limit = raw::number(command, "limit").and_then(|limit| usize::try_from(limit).ok()).filter(|n| *n > 0);
    let batch: Array = found.into_iter().take(limit.unwrap_or(usize::MAX)).map(answered).collect();
    doc! { "cursor": { "id": 0_i64, "firstBatch": batch } }
}

fn answered(document: Arc<Document>) -> Bson {
    Bson::Document(Arc::unwrap_or_clone(document))
}

/// Runs the ledger's union over its buckets.
fn aggregate(
    mongo: &mut Mongo,
    database: &str,
    namespace: &Arc<str>,
    command: &RawDocument,
    place: Option<&Place>,
) -> Document {
    let mut batch = Array::new();
    for stage in raw::documents(command, "pipeline").map(raw::read) {
        if let Ok(filter) = stage.get_document("$match") {
            batch.extend(matching(mongo, namespace, filter, place, true).into_iter().map(answered));
        } else if let Ok(union) = stage.get_document("$unionWith") {
            let other = mongo.namespace(database, union.get_str("coll").unwrap_or_default());
            let first = union.get_array("pipeline").ok().and_then(|stages| stages.first()?.as_document());
            let filter = first.and_then(|stage| stage.get_document("$match").ok());
            let Some(filter) = filter else { panic!("the simulated mongodb unites by $match only") };
            batch.extend(matching(mongo, &other, filter, place, true).into_iter().map(answered));
        }
    }
    doc! { "cursor": { "id": 0_i64, "firstBatch": batch } }
}

fn insert(mongo: &mut Mongo, namespace: &Arc<str>, command: &RawDocument, place: Option<&Place>) -> Written {
    let mut n = 0;
    for (index, document) in raw::documents(command, "documents").map(raw::read).enumerate() {
        let key = (Arc::clone(namespace), id_bytes(document.get("_id").unwrap_or(&Bson::Null)));
        if mongo.see(&key, place, false).is_some() {
            let what = format!("E11000 duplicate key error collection: {namespace}");
            return Err((index, Trouble::Refused(DUPLICATE, what)));
        }
        mongo.write(key, Some(Arc::new(document)), place).map_err(|trouble| (index, trouble))?;
        n += 1;
    }
    Ok(doc! { "ok": 1, "n": n })
}

fn update(mongo: &mut Mongo, namespace: &Arc<str>, command: &RawDocument, place: Option<&Place>) -> Written {
    let (mut n, mut modified, mut upserted) = (0, 0, Array::new());
    for (index, statement) in raw::documents(command, "updates").enumerate() {
        let (Some(filter), Some(change)) = (raw::document(statement, "q"), raw::document(statement, "u")) else {
            panic!("the simulated mongodb updates by documents only")
        };
        let multi = raw::is(statement, "multi");
        let mut found = matching(mongo, namespace, &filter, place, false);
        found.truncate(if multi { usize::MAX } else { 1 });
        if multi && found.len() > 1 && is_of_handlers(namespace) {
            mongo.kernel.count("outcome: several documents updated by one statement");
        }
        if found.is_empty() && raw::is(statement, "upsert") {
            let mut fresh = Document::new();
            if let Some(id) = filter.get("_id") {
                fresh.insert("_id", id.clone());
            }
            let made = changed(&fresh, &change, true, mongo.kernel.now());
            let id = made.get("_id").cloned().unwrap_or(Bson::Null);
            let key = (Arc::clone(namespace), id_bytes(&id));
            mongo.write(key, Some(Arc::new(made)), place).map_err(|trouble| (index, trouble))?;
            upserted.push(Bson::Document(doc! { "index": count(index), "_id": id }));
            n += 1;
        }
        for document in found {
            n += 1;
            let to = changed(&document, &change, false, mongo.kernel.now());
            if to == *document {
                mongo.kernel.count("outcome: no-op update");
                continue;
            }
            modified += 1;
            let key = (Arc::clone(namespace), id_bytes(document.get("_id").unwrap_or(&Bson::Null)));
            mongo.write(key, Some(Arc::new(to)), place).map_err(|trouble| (index, trouble))?;
        }
    }
    Ok(doc! { "ok": 1, "n": n, "nModified": modified, "upserted": upserted })
}

fn delete(mongo: &mut Mongo, namespace: &Arc<str>, command: &RawDocument, place: Option<&Place>) -> Written {
    let mut n = 0;
    for (index, statement) in raw::documents(command, "deletes").enumerate() {
        let Some(filter) = raw::document(statement, "q") else { panic!("a delete without a filter") };
        let found = matching(mongo, namespace, &filter, place, false);
        match found.len() {
            0 => {}
            _ if !is_of_handlers(namespace) => {}
            1 => mongo.kernel.count("outcome: a document deleted"),
            _ => mongo.kernel.count("outcome: several documents deleted by one statement"),
        }
        for document in found {
            let key = (Arc::clone(namespace), id_bytes(document.get("_id").unwrap_or(&Bson::Null)));
            mongo.write(key, None, place).map_err(|trouble| (index, trouble))?;
            n += 1;
        }
    }
    Ok(doc! { "ok": 1, "n": n })
}

fn find_and_modify(mongo: &mut Mongo, namespace: &Arc<str>, command: &RawDocument) -> Written {
    let filter = raw::document(command, "query").unwrap_or_default();
    let Some(change) = raw::document(command, "update") else { return lease(mongo, namespace, &filter, command) };
    let found = matching(mongo, namespace, &filter, None, false).into_iter().next();
    let upsert = raw::is(command, "upsert");
    let to = match found {
        Some(document) => {
            let to = changed(&document, &change, false, mongo.kernel.now());
            if to == *document {
                // It writes nothing, so it waits for no transaction.
                mongo.kernel.count("outcome: no-op update");
                return Ok(doc! { "ok": 1, "value": to });
            }
            to
        }
        None if upsert => {
            let mut fresh = Document::new();
            if let Some(id) = filter.get("_id") {
                fresh.insert("_id", id.clone());
            }
            changed(&fresh, &change, true, mongo.kernel.now())
        }
        None => return Ok(doc! { "ok": 1, "value": Bson::Null }),
    };
    let key = (Arc::clone(namespace), id_bytes(to.get("_id").unwrap_or(&Bson::Null)));
    mongo.write(key, Some(Arc::new(to.clone())), None).map_err(|trouble| (0, trouble))?;
    Ok(doc! { "ok": 1, "value": to })
}

/// Runs the only update by a pipeline, which is a lease.
fn lease(mongo: &mut Mongo, namespace: &Arc<str>, filter: &Document, command: &RawDocument) -> Written {
    assert!(filter.keys().eq(["_id"]), "MongoDB takes no $expr in the query of an upsert: {filter}");
    let now = wall_ms(mongo.kernel.now());
    let id = filter.get("_id").cloned().unwrap_or(Bson::Null);
    let key = (Arc::clone(namespace), id_bytes(&id));
    let stage = raw::documents(command, "update").next().map(raw::read);
    let set = stage.and_then(|stage| stage.get_document("$set").ok().cloned()).unwrap_or_default();
    let choice = set.get_document("owner").and_then(|owner| owner.get_array("$cond"));
    let taker = choice.ok().and_then(|choice| choice.get(1)?.as_document()?.get("$literal").cloned());
    let taker = taker.expect("the owner by its name");
    let held = mongo.see(&key, None, false).filter(|lease| {
        let lasts = lease.get_datetime("until").is_ok_and(|until| until.timestamp_millis() > now);
        lasts && lease.get("owner") != Some(&taker)
    });
    if let Some(held) = held {
        mongo.kernel.count("outcome: lease refused");
        return Ok(doc! { "ok": 1, "value": Document::clone(&held) });
    }
    let until = DateTime::from_millis(now + 1_000);
    let taken = doc! { "_id": id, "owner": taker, "until": until };
    mongo.write(key, Some(Arc::new(taken.clone())), None).map_err(|trouble| (0, trouble))?;
    mongo.kernel.count("outcome: lease taken");
    Ok(doc! { "ok": 1, "value": taken })
}

/// Returns the wall clock's time, by which hosts are seen and leases last. Unlike the clock of events, it does not run
/// faster.
fn wall_ms(now: Duration) -> i64 {
    EPOCH_MS + i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

fn wall_clock(now: Duration) -> Bson {
    Bson::DateTime(DateTime::from_millis(wall_ms(now)))
}

fn changed(document: &Document, change: &Document, inserts: bool, now: Duration) -> Document {
    let mut to = document.clone();
    if !change.keys().any(|key| key.starts_with('$')) {
        let mut replaced = change.clone();
        if let Some(id) = document.get("_id") {
            replaced.insert("_id", id.clone());
        }
        return replaced;
    }
    for (operator, fields) in change {
        for (path, value) in fields.as_document().into_iter().flatten() {
            match operator.as_str() {
                "$setOnInsert" if !inserts => {}
                "$set" | "$setOnInsert" => set(&mut to, path, value.clone()),
                "$unset" => unset(&mut to, path),
                "$inc" => {
                    let by = number(Some(value));
                    let sum = number(at_path(&to, path)) + by;
                    let sum = match value {
                        Bson::Int32(_) => Bson::Int32(i32::try_from(sum).unwrap_or(i32::MAX)),
                        _ => Bson::Int64(sum),
                    };
                    set(&mut to, path, sum);
                }
                "$max" => {
                    let greater = match (at_path(&to, path), value) {
                        (None, _) => true,
                        (Some(Bson::DateTime(old)), Bson::DateTime(new)) => new > old,
                        (old, new) => number(Some(new)) > number(old),
                    };
                    if greater {
                        set(&mut to, path, value.clone());
                    }
                }
                "$push" | "$addToSet" => {
                    let list = to.entry(path.clone()).or_insert_with(|| Bson::Array(Array::new()));
                    let each = value.as_document().and_then(|value| value.get_array("$each").ok());
                    let values = each.map_or(std::slice::from_ref(value), Vec::as_slice);
                    for value in values {
                        if let Bson::Array(list) = list
                            && (operator == "$push" || !list.contains(value))
                        {
                            list.push(value.clone());
                        }
                    }
                }
                "$currentDate" => set(&mut to, path, wall_clock(now)),
                other => panic!("the simulated mongodb knows no {other}"),
            }
        }
    }
    to
}

fn number(value: Option<&Bson>) -> i64 {
    match value {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        _ => 0,
    }
}

fn set(document: &mut Document, path: &str, value: Bson) {
    match path.split_once('.') {
        Some((head, rest)) => {
            if let Bson::Document(inner) = document.entry(head.to_owned()).or_insert_with(|| doc! {}.into()) {
                set(inner, rest, value);
            }
        }
        None => drop(document.insert(path, value)),
    }
}

fn unset(document: &mut Document, path: &str) {
    match path.split_once('.') {
        Some((head, rest)) => {
            if let Some(Bson::Document(inner)) = document.get_mut(head) {
                unset(inner, rest);
            }
        }
        None => drop(document.remove(path)),
    }
}

/// Whether the handlers write to the collection, and not Weir's store alone.
fn is_of_handlers(namespace: &str) -> bool {
    namespace.starts_with("data.")
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
