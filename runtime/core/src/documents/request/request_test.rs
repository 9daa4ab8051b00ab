use bson::{Document, RawBson, doc};
use proptest::prelude::*;

use super::*;
use crate::documents::Code;
use crate::store::{IdKey, Kind, Query, Write};

const ORIGIN: Origin<'static> = Origin { event: "0190f3a2", handler: "user-created", source: None, write: 3 };

fn users() -> Arc<str> {
    Arc::from("users")
}

/// Makes a write with this verb and these arguments.
fn write(verb: Verb, arguments: &[&str], options: Option<&str>) -> Result<Write, Refusal> {
    let collection = users();
    let call = Call { verb, collection: &collection, expressions: Expressions::Safe };
    match (verb, arguments) {
        (Verb::InsertOne | Verb::InsertMany, documents) => {
            let documents: Vec<String> = documents.iter().map(ToString::to_string).collect();
            insert(&call, &ORIGIN, &documents, options)
        }
        (Verb::UpdateOne | Verb::UpdateMany, [filter, change]) => update(&call, &ORIGIN, filter, change, options),
        (Verb::ReplaceOne, [filter, document]) => replace(&call, filter, document, options),
        (_, arguments) => delete(&call, arguments[0], options),
    }
}

fn written(verb: Verb, arguments: &[&str], options: Option<&str>) -> Write {
    write(verb, arguments, options).unwrap_or_else(|refusal| panic!("{arguments:?}: {refusal}"))
}

fn query(verb: Verb, filter: &str, options: Option<&str>) -> Query {
    let collection = users();
    find(&Call { verb, collection: &collection, expressions: Expressions::Safe }, filter, options)
        .unwrap_or_else(|refusal| panic!("{filter}: {refusal}"))
}

fn statement(write: &Write) -> Document {
    Document::try_from(&write.statements[0]).expect("BSON")
}

fn key(id: impl Into<bson::Bson>) -> Option<IdKey> {
    IdKey::of(RawBson::try_from(id.into()).expect("BSON").as_raw_bson_ref())
}

#[test]
fn only_a_filter_of_one_plain_id_is_sure_to_match_where_the_document_is() {
    let id_only = |filter, options| written(Verb::UpdateOne, &[filter, r#"{"$set":{"n":1}}"#], options).id_only;
    assert!(id_only(r#"{"_id":"x"}"#, Some(r#"{"mustMatch":true}"#)));
    for filter in [
        r#"{"_id":"x","open":true}"#,
        r#"{"open":true,"_id":"x"}"#,
        r#"{"_id":{"$eq":"x","$gt":"y"}}"#,
        r#"{"_id":null}"#,
        r#"{"name":"x"}"#,
        "{}",
    ] {
        assert!(!id_only(filter, None), "{filter}");
    }
    assert!(!id_only(r#"{"_id":"x"}"#, Some(r#"{"hint":"sparse_1"}"#)));
    assert!(!id_only(r#"{"_id":"x"}"#, Some(r#"{"collation":{"locale":"de"}}"#)));
    assert!(!written(Verb::InsertOne, &[r#"{"_id":"x"}"#], None).id_only);
}

#[test]
fn statements_are_those_of_the_commands() {
    let upserted = derived_id(&ORIGIN, 0);
    let cases: Vec<(Verb, &[&str], Option<&str>, Document)> = vec![
        (Verb::InsertOne, &[r#"{"a":1,"_id":"x"}"#], None, doc! {"a": 1, "_id": "x"}),
        (Verb::InsertOne, &[r#"{"a":1}"#], Some("{}"), doc! {"_id": upserted, "a": 1}),
        (
            Verb::UpdateOne,
            &[r#"{"_id":"x"}"#, r#"{"$inc":{"n":1}}"#],
            Some(r#"{"mustMatch":true}"#),
            doc! {"q": {"_id": "x"}, "u": {"$inc": {"n": 1}}},
        ),
        (
            Verb::UpdateMany,
            &[r#"{"a":1}"#, r#"{"$set":{"l.$[e]":1}}"#],
            Some(r#"{"arrayFilters":[{"e":{"$gt":5}}],"collation":{"locale":"de"},"hint":"a_1"}"#),
            doc! {"q": {"a": 1}, "u": {"$set": {"l.$[e]": 1}}, "multi": true, "arrayFilters": [{"e": {"$gt": 5}}],
            "collation": {"locale": "de"}, "hint": "a_1"},
        ),
        (
            Verb::UpdateOne,
            &[r#"{"_id":"x"}"#, r#" [{"$set":{"n":{"$add":["$n",1]}}}]"#],
            Some(r#"{"upsert":true}"#),
            doc! {"q": {"_id": "x"}, "u": [{"$set": {"n": {"$add": ["$n", 1]}}}], "upsert": true},
        ),
        (
            Verb::ReplaceOne,
            &[r#"{"a":1}"#, r#"{"_id":"x","b":2}"#],
            Some(r#"{"upsert":true}"#),
            doc! {"q": {"a": 1}, "u": {"_id": "x", "b": 2}, "upsert": true},
        ),
        (Verb::DeleteOne, &[r#"{"a":1}"#], None, doc! {"q": {"a": 1}, "limit": 1}),
        (
            Verb::DeleteMany,
            &[r#"{"a":1}"#],
            Some(r#"{"hint":{"a":1}}"#),
            doc! {"q": {"a": 1}, "limit": 0, "hint": {"a": 1}},
        ),
    ];
    for (verb, arguments, options, expected) in cases {
        let write = written(verb, arguments, options);
        assert_eq!(statement(&write), expected, "{arguments:?}");
        // The order of the members matters too: a missing `_id` goes first.
        assert!(statement(&write).keys().eq(expected.keys()), "{arguments:?}");
        assert_eq!(write.multi, matches!(verb, Verb::UpdateMany | Verb::DeleteMany));
        assert_eq!(write.must_match, options.is_some_and(|options| options.contains("mustMatch")));
        assert_eq!(write.upsert, options.is_some_and(|options| options.contains("upsert")));
        let kind = match verb {
            Verb::InsertOne => Kind::Insert,
            Verb::DeleteOne | Verb::DeleteMany => Kind::Delete,
            _ => Kind::Update,
        };
        assert_eq!(write.kind, kind);
    }
}

/// A call, its arguments and options, and the document that it can touch.
type Touching<'a> = (Verb, Vec<&'a str>, Option<&'a str>, Option<IdKey>);

#[test]
fn a_write_names_the_one_document_that_it_can_touch() {
    let set = r#"{"$set":{"a":1}}"#;
    let cases: Vec<Touching> = vec![
        (Verb::InsertOne, vec![r#"{"_id":"x"}"#], None, key("x")),
        (Verb::InsertMany, vec![r#"{"_id":"x"}"#, r#"{"_id":"y"}"#], None, None),
        (Verb::UpdateOne, vec![r#"{"_id":"x","a":{"$ne":1}}"#, set], None, key("x")),
        (Verb::UpdateMany, vec![r#"{"a":1,"_id":{"$eq":5}}"#, set], None, key(5_i64)),
        (Verb::UpdateOne, vec![r#"{"_id":{"$gt":1,"$eq":5}}"#, set], None, key(5)),
        (Verb::UpdateOne, vec![r#"{"_id":{"user":"u","day":1}}"#, set], None, key(doc! {"user": "u", "day": 1})),
        (Verb::UpdateOne, vec![r#"{"_id":"x"}"#, set], Some(r#"{"collation":{"locale":"de"}}"#), None),
        (Verb::UpdateOne, vec![r#"{"_id":{"$in":["x"]}}"#, set], None, None),
        (Verb::UpdateOne, vec![r#"{"_id":{"$gt":"x"}}"#, set], None, None),
        (Verb::UpdateOne, vec![r#"{"_id":{"$regularExpression":{"pattern":"x","options":""}}}"#, set], None, None),
        (Verb::UpdateOne, vec![r#"{"$or":[{"_id":"x"}]}"#, set], None, None),
        (Verb::UpdateOne, vec![r#"{"_id":null}"#, set], None, None),
        (Verb::UpdateOne, vec![r#"{"email":"e"}"#, set], Some(r#"{"upsert":true}"#), None),
        (Verb::DeleteOne, vec![r#"{"_id":"x"}"#], None, key("x")),
        (Verb::DeleteMany, vec!["{}"], None, None),
    ];
    for (verb, arguments, options, id) in cases {
        assert_eq!(written(verb, &arguments, options).id, id, "{arguments:?}");
    }
    let derived = derived_id(&ORIGIN, 0);
    assert_eq!(written(Verb::InsertOne, &["{}"], None).id, key(derived));
}

#[test]
fn ids_that_nobody_gave_are_derived() {
    let many = written(Verb::InsertMany, &["{}", r#"{"_id":1}"#, "{}"], None);
    let ids: Vec<_> = many.statements.iter().map(|document| document.get_object_id("_id").ok()).collect();
    let id = |place| Some(derived_id(&ORIGIN, place));
    assert_eq!(ids, [id(0), None, id(2)]);

    let derived = |event, handler, source, write, place| derived_id(&Origin { event, handler, source, write }, place);
    assert_eq!(derived("ab", "c", None, 0, 0), derived("ab", "c", None, 0, 0));
    let different = [
        derived("ab", "c", None, 0, 0),
        derived("a", "bc", None, 0, 0),
        derived("ab", "c", None, 1, 0),
        derived("ab", "c", None, 0, 1),
        derived("ab", "d", None, 0, 0),
        derived("ab", "c", Some("orders"), 0, 0),
        derived("ab", "c", Some("users"), 0, 0),
    ];
    for (at, one) in different.iter().enumerate() {
        assert!(!different[at + 1..].contains(one), "{at}");
    }
}

#[test]
fn an_upsert_leaves_no_id_to_mongodb() {
    let derived = derived_id(&ORIGIN, 0);
    let upsert = Some(r#"{"upsert":true}"#);
    let cases = [
        (r#"{"email":"e"}"#, r#"{"$set":{"a":1}}"#, doc! {"$set": {"a": 1}, "$setOnInsert": {"_id": derived}}),
        (
            r#"{"email":"e"}"#,
            r#"{"$setOnInsert":{"b":1},"$inc":{"n":1}}"#,
            doc! {"$inc": {"n": 1}, "$setOnInsert": {"_id": derived, "b": 1}},
        ),
        (r#"{"email":"e"}"#, r#"{"$setOnInsert":{"_id":"x"}}"#, doc! {"$setOnInsert": {"_id": "x"}}),
        (r#"{"_id":"x"}"#, r#"{"$inc":{"n":1}}"#, doc! {"$inc": {"n": 1}}),
        (r#"{"_id":{"$eq":"x"}}"#, r#"{"$inc":{"n":1}}"#, doc! {"$inc": {"n": 1}}),
    ];
    for (filter, change, expected) in cases {
        let write = written(Verb::UpdateOne, &[filter, change], upsert);
        assert_eq!(statement(&write).get_document("u").ok(), Some(&expected), "{filter} {change}");
    }
    let refused: [(Verb, &str, &str); 7] = [
        (Verb::UpdateOne, r#"{"_id":{"$gt":5}}"#, r#"{"$inc":{"n":1}}"#),
        (Verb::UpdateOne, r#"{"_id.user":"u"}"#, r#"{"$inc":{"n":1}}"#),
        (Verb::UpdateMany, r#"{"$and":[{"a":1},{"$or":[{"_id":"x"}]}]}"#, r#"{"$inc":{"n":1}}"#),
        (Verb::UpdateOne, r#"{"email":"e"}"#, r#"[{"$set":{"a":1}}]"#),
        (Verb::UpdateOne, r#"{"email":"e"}"#, r#"[{"$set":{"_id":1}}]"#),
        (Verb::ReplaceOne, r#"{"email":"e"}"#, r#"{"a":1}"#),
        (Verb::ReplaceOne, r#"{"_id":{"$in":[1]}}"#, r#"{"a":1}"#),
    ];
    for (verb, filter, change) in refused {
        let refusal = write(verb, &[filter, change], upsert).expect_err(filter);
        assert_eq!(refusal.code, Code::Invalid);
        let expected = format!("{} on users: filter: an upsert needs an `_id`: ", verb.as_str());
        assert!(refusal.message.starts_with(&expected), "{filter}: {refusal}");
        assert!(refusal.hint.is_some_and(|hint| hint.starts_with("name it by an equality here")), "{filter}");
        // Without the option, no document is inserted and none needs an id.
        assert!(write(verb, &[filter, change], None).is_ok(), "{filter}");
    }
}

#[test]
fn options_are_those_of_the_contract() {
    let set = r#"{"$set":{"a":1}}"#;
    let cases: Vec<(Verb, Vec<&str>, &str, &str)> = vec![
        (Verb::InsertOne, vec!["{}"], r#"{"ordered":true}"#, "insert-one has no option \"ordered\"; it has none"),
        (
            Verb::UpdateOne,
            vec!["{}", set],
            r#"{"multi":true}"#,
            "has no option \"multi\"; it has upsert, arrayFilters,",
        ),
        (Verb::UpdateOne, vec!["{}", set], r#"{"upsert":1}"#, "options: upsert: takes true or false"),
        (Verb::UpdateOne, vec!["{}", set], r#"{"upsert":true,"mustMatch":true}"#, "`upsert` and `mustMatch` exclude"),
        (Verb::UpdateOne, vec!["{}", set], r#"{"arrayFilters":{}}"#, "arrayFilters: takes an array"),
        (
            Verb::UpdateOne,
            vec!["{}", set],
            r#"{"arrayFilters":[{"$where":1}]}"#,
            "arrayFilters.0.$where: `$where` is not",
        ),
        (Verb::UpdateOne, vec!["{}", set], r#"{"hint":5}"#, "hint: a hint is"),
        (Verb::ReplaceOne, vec!["{}", "{}"], r#"{"arrayFilters":[]}"#, "has no option \"arrayFilters\""),
        (Verb::DeleteOne, vec!["{}"], r#"{"upsert":true}"#, "has no option \"upsert\""),
        (Verb::DeleteMany, vec!["{}"], r#"{"collation":{}}"#, "collation: a collation needs a `locale`"),
        (Verb::DeleteMany, vec!["{}"], "[]", "options: not a document"),
        (Verb::InsertMany, vec![], "{}", "documents: at least one is needed"),
        (Verb::InsertMany, vec!["{}", r#"{"a":{"$b":1}}"#], "{}", "insert-many on users: documents.1: a.$b: "),
        (Verb::UpdateOne, vec!["{}", "5"], "{}", "update: not a document"),
        (Verb::UpdateOne, vec!["", set], "{}", "update-one on users: filter: not a document"),
        (Verb::ReplaceOne, vec!["{}", r#"{"$set":{}}"#], "{}", "document: $set: a document to be stored"),
    ];
    for (verb, arguments, options, expected) in cases {
        let refusal = write(verb, &arguments, Some(options)).expect_err(options);
        assert!(refusal.message.contains(expected), "{options}: {refusal}");
    }
    let collection = users();
    for (verb, options, expected) in [
        (Verb::FindOne, r#"{"limit":1}"#, "find-one has no option \"limit\""),
        (Verb::Count, r#"{"sort":{}}"#, "count has no option \"sort\""),
        (Verb::Find, r#"{"limit":-1}"#, "limit: takes a whole number"),
        (Verb::Find, r#"{"limit":"1"}"#, "limit: takes a whole number"),
        (Verb::Find, r#"{"projection":{"a":"$b"}}"#, "find on users: options: projection.a: a projection"),
    ] {
        let refusal =
            find(&Call { verb, collection: &collection, expressions: Expressions::Safe }, "{}", Some(options))
                .expect_err(options);
        assert!(refusal.message.contains(expected), "{options}: {refusal}");
    }
}

#[test]
fn queries() {
    let all = query(
        Verb::Find,
        r#"{"a":1}"#,
        Some(r#"{"limit":5,"skip":2,"sort":{"a":-1},"projection":{"b":1},"collation":{"locale":"de"},"hint":"a_1"}"#),
    );
    assert_eq!((all.limit, all.skip), (Some(5), Some(2)));
    assert_eq!(Document::try_from(&all.sort.expect("an order")).expect("BSON"), doc! {"a": -1});
    assert_eq!(Document::try_from(&all.projection.expect("a projection")).expect("BSON"), doc! {"b": 1});
    assert_eq!(Document::try_from(&all.collation.expect("a collation")).expect("BSON"), doc! {"locale": "de"});
    assert_eq!(all.hint, Some(RawBson::String("a_1".to_owned())));

    assert_eq!(query(Verb::FindOne, "{}", None).limit, Some(1));
    assert_eq!(query(Verb::Find, "{}", Some(r#"{"limit":0,"skip":0,"sort":{}}"#)).limit, None);

    let x = || Some((RawBson::String("x".to_owned()), key("x").expect("a key")));
    let cases = [
        (Verb::FindOne, r#"{"_id":"x"}"#, None, x(), key("x")),
        (Verb::Find, r#"{"_id":{"$eq":"x"}}"#, Some(r#"{"projection":{"a":1}}"#), x(), key("x")),
        (Verb::Count, r#"{"_id":"x"}"#, None, None, key("x")),
        (Verb::FindOne, r#"{"_id":"x","a":1}"#, None, None, key("x")),
        (Verb::FindOne, r#"{"_id":{"$eq":"x","$gt":"w"}}"#, None, None, key("x")),
        (Verb::FindOne, r#"{"_id":"x"}"#, Some(r#"{"skip":1}"#), None, key("x")),
        (Verb::Find, r#"{"_id":"x"}"#, Some(r#"{"limit":1}"#), None, key("x")),
        (Verb::FindOne, r#"{"_id":"x"}"#, Some(r#"{"collation":{"locale":"de"}}"#), None, None),
        (Verb::FindOne, r#"{"_id":{"$in":["x"]}}"#, None, None, None),
        (Verb::FindOne, r#"{"_id":null}"#, None, None, None),
        (Verb::FindOne, r#"{"$or":[{"_id":"x"}]}"#, None, None, None),
        (Verb::FindOne, "{}", None, None, None),
    ];
    for (verb, filter, options, by_id, id) in cases {
        let query = query(verb, filter, options);
        assert_eq!((query.by_id, query.id), (by_id, id), "{filter} {options:?}");
    }
}

#[test]
fn what_to_do_instead_is_a_line_of_its_own_behind_the_fact() {
    let refusal = refusal(Verb::UpdateOne, &["{}", r#"{"$currentDate":{"a":true}}"#], None).expect("refused");
    let fact = "update-one on users: update: $currentDate: `$currentDate` is not allowed: MongoDB's clock differs from run \
                to run";
    assert_eq!(refusal.message, fact);
    assert_eq!(refusal.text(), format!("{fact}\nhint: use the delivery's `now`"));
}

#[test]
fn a_fact_that_is_cut_keeps_its_hint() {
    let level = format!(r#"{{"{}":"#, "x".repeat(60));
    let update = format!(r#"[{{"$set":{}{{"$rand":{{}}}}{}}}]"#, level.repeat(40), "}".repeat(40));
    let refusal = refusal(Verb::UpdateOne, &["{}", &update], None).expect("refused");
    assert_eq!(refusal.message.len(), MAX_MESSAGE_BYTES);
    assert!(refusal.text().ends_with("xx\nhint: use the delivery's `random`"), "{}", refusal.text());
}

#[test]
fn what_mongodb_cannot_store_is_refused_early() {
    let document = format!(r#"{{"_id":1,"a":"{}"}}"#, "x".repeat(MAX_BYTES));
    for (verb, arguments) in [
        (Verb::InsertOne, vec![document.as_str()]),
        (Verb::ReplaceOne, vec![r#"{"_id":1}"#, &document]),
        (Verb::DeleteOne, vec![document.as_str()]),
    ] {
        let refusal = write(verb, &arguments, None).expect_err("too large");
        assert_eq!(refusal.code, Code::Limit);
        assert!(refusal.message.contains("more than 16777216 bytes of BSON"), "{refusal}");
    }
}

/// Each argument and option that takes Extended JSON, with `{nested}` in the place of a text that may nest.
fn places() -> Vec<(Verb, Vec<&'static str>, Option<&'static str>)> {
    let mut places = vec![
        (Verb::InsertOne, vec![r#"{"a":{nested}}"#], None),
        (Verb::InsertMany, vec!["{}", r#"{"a":{nested}}"#], None),
        (Verb::InsertOne, vec!["{}"], Some(r#"{"a":{nested}}"#)),
        (Verb::UpdateOne, vec![r#"{"a":{nested}}"#, r#"{"$set":{"a":1}}"#], None),
        (Verb::UpdateMany, vec!["{}", r#"{"$set":{"a":{nested}}}"#], None),
        (Verb::UpdateMany, vec!["{}", r#"[{"$set":{"a":{nested}}}]"#], None),
        (Verb::ReplaceOne, vec![r#"{"a":{nested}}"#, "{}"], None),
        (Verb::ReplaceOne, vec!["{}", r#"{"a":{nested}}"#], None),
        (Verb::DeleteOne, vec![r#"{"a":{nested}}"#], None),
        (Verb::DeleteMany, vec![r#"{"$or":[{"a":{nested}}]}"#], None),
        (Verb::FindOne, vec![r#"{"a":{nested}}"#], None),
        (Verb::Find, vec![r#"{"$expr":{nested}}"#], None),
        (Verb::Count, vec![r#"{"a":{"$in":[{nested}]}}"#], None),
    ];
    let options = [
        r#"{"limit":{nested}}"#,
        r#"{"skip":{nested}}"#,
        r#"{"sort":{"a":{nested}}}"#,
        r#"{"projection":{"a":{nested}}}"#,
        r#"{"collation":{"locale":{nested}}}"#,
        r#"{"hint":{nested}}"#,
    ];
    places.extend(options.map(|options| (Verb::Find, vec!["{}"], Some(options))));
    let options = [r#"{"upsert":{nested}}"#, r#"{"arrayFilters":[{"a":{nested}}]}"#, r#"{"mustMatch":{nested}}"#];
    places.extend(options.map(|options| (Verb::UpdateOne, vec!["{}", r#"{"$set":{"a":1}}"#], Some(options))));
    places
}

/// Returns the refusal of a call, a read or a write.
fn refusal(verb: Verb, arguments: &[&str], options: Option<&str>) -> Option<Refusal> {
    let collection = users();
    let call = Call { verb, collection: &collection, expressions: Expressions::Safe };
    if verb.writes() { write(verb, arguments, options).err() } else { find(&call, arguments[0], options).err() }
}

#[test]
fn a_million_levels_are_refused_in_every_place() {
    let beginnings =
        ["[", r#"{"a":"#, r#"{"$scope":"#, r#"{"$code":"","$scope":"#, r#"{"$code":"","$scope":{"a":[{"$scope":"#];
    for beginning in beginnings {
        let nested = beginning.repeat(1_000_000);
        let fill = |text: &&str| text.replace("{nested}", &nested);
        for (verb, arguments, options) in places() {
            let filled: Vec<String> = arguments.iter().map(fill).collect();
            let filled: Vec<&str> = filled.iter().map(String::as_str).collect();
            let options = options.as_ref().map(fill);
            let refusal = refusal(verb, &filled, options.as_deref()).expect("refused");
            assert!(refusal.message.ends_with("nested deeper than 64 levels"), "{arguments:?} {options:?}: {refusal}");
            assert!(refusal.message.len() <= MAX_MESSAGE_BYTES);
        }
    }
}

#[test]
fn a_command_is_measured_as_a_whole() {
    let half = "x".repeat(MAX_BYTES / 2);
    let filter = format!(r#"{{"a":"{half}"}}"#);
    let options = format!(r#"{{"hint":"{half}"}}"#);
    let document = format!(r#"{{"$set":{{"a":"{half}"}}}}"#);
    let cases = [
        (Verb::FindOne, vec![filter.as_str()], Some(options.as_str())),
        (Verb::Find, vec![&filter], Some(&options)),
        (Verb::Count, vec![&filter], Some(&options)),
        (Verb::UpdateOne, vec![&filter, &document], None),
        (Verb::ReplaceOne, vec![&filter, &filter], None),
        (Verb::DeleteOne, vec![&filter], Some(&options)),
    ];
    for (verb, arguments, options) in cases {
        let refusal = refusal(verb, &arguments, options).expect("too large");
        assert_eq!(refusal.code, Code::Limit, "{refusal}");
        assert!(refusal.message.contains("more than the 16777216 that MongoDB takes"), "{refusal}");
    }
    // A short text that is long as BSON.
    let ones = format!(r#"{{"hint":{{"a":[{}1]}}}}"#, "1,".repeat(7 << 20));
    let refusal = refusal(Verb::FindOne, &["{}"], Some(&ones)).expect("too large");
    assert_eq!(refusal.code, Code::Limit);
    assert!(refusal.message.starts_with("find-one on users: options: hint.a"), "{refusal}");
}

#[test]
fn a_long_id_counts_as_any_document() {
    let id = |bytes: usize| format!(r#"{{"_id":"{}"}}"#, "x".repeat(bytes));
    assert!(query(Verb::FindOne, &id(1_024), None).by_id.is_some());
    let long = query(Verb::FindOne, &id(1_025), None);
    assert_eq!((long.by_id, long.id), (None, None));
    assert!(written(Verb::InsertOne, &[&id(1_024)], None).id.is_some());
    assert_eq!(written(Verb::InsertOne, &[&id(1_025)], None).id, None);
    assert!(!written(Verb::DeleteOne, &[&id(1_025)], None).id_only);
}

#[test]
fn what_is_kept_has_little_room_to_spare() {
    let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(100_000));
    let set = format!(r#"{{"$set":{text}}}"#);
    let upsert = Some(r#"{"upsert":true}"#);
    for (verb, arguments, options) in [
        (Verb::InsertOne, vec![text.as_str()], None),
        (Verb::UpdateOne, vec![r#"{"b":1}"#, &set], upsert),
        (Verb::ReplaceOne, vec!["{}", &text], None),
        (Verb::DeleteOne, vec![&text], None),
    ] {
        for statement in written(verb, &arguments, options).statements {
            let bytes = statement.into_bytes();
            assert!(bytes.capacity() <= bytes.len() + 512, "{verb:?}: {} of {}", bytes.len(), bytes.capacity());
        }
    }
}

#[test]
fn messages_stay_short() {
    let long = "k".repeat(100_000);
    let deep = (0..60).fold(r#"{"$x":1}"#.to_owned(), |inner, _| format!("{{\"{long}\":{inner}}}"));
    for filter in [format!(r#"{{"${long}":1}}"#), deep] {
        let refusal = write(Verb::DeleteOne, &[&filter], None).expect_err("denied");
        assert_eq!(refusal.code, Code::Denied);
        assert!(refusal.message.len() <= MAX_MESSAGE_BYTES, "{}", refusal.message.len());
    }
    let refusal = write(Verb::DeleteOne, &["{}"], Some(&format!(r#"{{"{long}":1}}"#))).expect_err("unknown");
    assert!(refusal.message.len() <= MAX_MESSAGE_BYTES);
}

fn depth(value: RawBsonRef<'_>) -> usize {
    match value {
        RawBsonRef::Document(document) => {
            1 + document.into_iter().map(|element| depth(element.expect("BSON").1)).max().unwrap_or(0)
        }
        RawBsonRef::Array(array) => 1 + array.into_iter().map(|value| depth(value.expect("BSON"))).max().unwrap_or(0),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn what_passes_fits_into_a_command(levels in proptest::collection::vec(any::<bool>(), 0..80), kind in 0..4) {
        let inner = levels.iter().fold("1".to_owned(), |inner, array| {
            if *array { format!("[{inner}]") } else { format!("{{\"f\":{inner}}}") }
        });
        let set = format!(r#"{{"$set":{{"a":{inner}}}}}"#);
        let stages = format!(r#"[{{"$set":{{"a":{inner}}}}}]"#);
        let document = format!(r#"{{"a":{inner}}}"#);
        let result = match kind {
            0 => write(Verb::InsertOne, &[&document], None),
            1 => write(Verb::UpdateOne, &[&document, &set], Some(r#"{"upsert":true}"#)),
            2 => write(Verb::UpdateOne, &["{}", &stages], None),
            _ => write(Verb::DeleteMany, &[&document], None),
        };
        match result {
            Ok(write) => {
                let statement = &write.statements[0];
                prop_assert!(depth(RawBsonRef::Document(statement)) < 90);
                // This is the library's own walk over the bytes, at the depth that they have in a command.
                let command = bson::rawdoc! {"update": "users", "updates": [statement.clone()]};
                prop_assert!(Document::try_from(&command).is_ok());
            }
            Err(refusal) => {
                prop_assert!(levels.len() + 2 > crate::documents::ejson::MAX_DEPTH - 2, "{}", refusal);
                prop_assert!(refusal.message.contains("nested deeper than 64 levels"), "{}", refusal);
            }
        }
    }
}
