use bson::RawBson;

use super::Code::{Denied, Invalid};
use super::*;
use crate::documents::Expressions;
use crate::documents::ejson;

type Checked = fn(RawBsonRef<'_>) -> Result<(), Objection>;

fn check(checked: Checked, text: &str) -> Result<(), Objection> {
    let value = ejson::parse_value(text).unwrap_or_else(|invalid| panic!("{text}: {invalid}"));
    checked(value.as_raw_bson_ref())
}

/// A check of a document that holds expressions.
type WithExpressions = fn(&RawDocument, Expressions) -> Result<(), Objection>;

fn with_all(value: RawBsonRef<'_>, check: WithExpressions) -> Result<(), Objection> {
    check(value.as_document().expect("a document"), Expressions::All)
}

fn in_document(value: RawBsonRef<'_>, check: fn(&RawDocument) -> Result<(), Objection>) -> Result<(), Objection> {
    check(value.as_document().expect("a document"))
}

const FILTER: Checked = |value| with_all(value, filter);
const UPDATE: Checked = |value| with_all(value, update);
const PIPELINE: Checked = |value| pipeline(value.as_array().expect("an array"), Expressions::All);
const DOCUMENT: Checked = |value| in_document(value, document);
const PROJECTION: Checked = |value| with_all(value, projection);
const SORT: Checked = |value| in_document(value, sort);
const COLLATION: Checked = |value| in_document(value, collation);

fn allows(checked: Checked, texts: &[&str]) {
    for text in texts {
        if let Err(objection) = check(checked, text) {
            panic!("{text}: {objection}");
        }
    }
}

/// Checks that each text is refused with its code, and with a message that begins as expected.
fn objects(checked: Checked, cases: &[(&str, Code, &str)]) {
    for (text, code, expected) in cases {
        let objection = check(checked, text).expect_err(text);
        assert_eq!(objection.code, *code, "{text}: {objection}");
        assert!(objection.to_string().starts_with(expected), "{text}: {objection}");
    }
}

#[test]
fn lists_are_sorted() {
    fn sorted<T>(list: &[(&str, T)]) -> bool {
        list.is_sorted_by(|one, other| one.0 < other.0)
    }
    assert!(sorted(names::CONDITIONS) && sorted(names::CLAUSES) && sorted(names::SHAPES) && sorted(names::UPDATES));
    assert!(sorted(names::STAGES) && sorted(names::EXPRESSIONS) && sorted(names::VARIABLES));
}

#[test]
fn nothing_listed_is_denied_with_a_reason() {
    for (name, _) in names::DENIED {
        assert_eq!(names::listed(names::CONDITIONS, name), None, "{name}");
        assert_eq!(names::listed(names::CLAUSES, name), None, "{name}");
        assert_eq!(names::listed(names::UPDATES, name), None, "{name}");
        assert_eq!(names::listed(names::STAGES, name), None, "{name}");
        assert_eq!(names::listed(names::EXPRESSIONS, name), None, "{name}");
    }
}

#[test]
fn filters() {
    allows(
        FILTER,
        &[
            "{}",
            r#"{"_id":"a","participants.list.user_id":{"$ne":"u"}}"#,
            r#"{"$or":[{"a":{"$gt":1,"$lte":5}},{"$nor":[{"b":{"$in":[1,null,{"$regularExpression":{"pattern":"x","options":""}}]}}]}]}"#,
            r#"{"a":{"$regex":"^x","$options":"i"},"b":{"$not":{"$regex":"y"}},"c":{"$not":{"$regularExpression":{"pattern":"x","options":""}}}}"#,
            r#"{"a":{"$elemMatch":{"$gt":1,"$lt":5}},"b":{"$elemMatch":{"x":1,"$or":[{"y":2},{"z":{"$exists":true}}]}}}"#,
            r#"{"a":{"$all":[{"$elemMatch":{"x":1}},{"$elemMatch":{"y":2}}]},"b":{"$all":["x",1]}}"#,
            r#"{"a":{"$type":["string",2]},"b":{"$size":3},"c":{"$mod":[4,0]},"d":{"$bitsAllSet":[1,5]}}"#,
            r#"{"a":{"$geoWithin":{"$geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,0]]]}}}}"#,
            r#"{"a":{"$near":{"$geometry":{"type":"Point","coordinates":[0,0]},"$maxDistance":5}},"b":{"$geoWithin":{"$box":[[0,0],[1,1]]}}}"#,
            r#"{"a":{"$near":[0,0],"$maxDistance":5}}"#,
            r#"{"$expr":{"$gt":["$a",{"$add":["$b",1]}]}}"#,
            r#"{"owner":{"$ref":"users","$id":"x"},"owner.$id":"x","a":{"b":{"c":1}},"price$":1}"#,
        ],
    );
    objects(
        FILTER,
        &[
            (r#"{"$where":"sleep(1)"}"#, Denied, "$where: `$where` is not allowed: it runs JavaScript"),
            (r#"{"$and":[{"a":1},{"$or":[{"$where":"1"}]}]}"#, Denied, "$and.1.$or.0.$where: `$where` is not allowed"),
            (r#"{"$comment":"x"}"#, Denied, "$comment: `$comment` is not among the operators of filters"),
            (r#"{"$text":{"$search":"x"}}"#, Denied, "$text: "),
            (r#"{"$jsonSchema":{}}"#, Denied, "$jsonSchema: "),
            (r#"{"a":{"$frobnicate":1}}"#, Denied, "a.$frobnicate: `$frobnicate` is not among"),
            (r#"{"a":{"b":{"$gt":1}}}"#, Denied, "a.b.$gt: `$gt` is not allowed in a plain value"),
            (r#"{"a":{"$in":[{"$where":1}]}}"#, Denied, "a.$in.0.$where: `$where` is not allowed in a plain value"),
            (r#"{"a":{"$eq":{"$ne":null}}}"#, Denied, "a.$eq.$ne: "),
            (r#"{"a":{"$elemMatch":{"$where":"1"}}}"#, Denied, "a.$elemMatch.$where: "),
            (r#"{"a":{"$not":{"$where":"1"}}}"#, Denied, "a.$not.$where: "),
            (r#"{"a":{"$all":[{"$elemMatch":{"b":{"$where":1}}}]}}"#, Denied, "a.$all.0.$elemMatch.b.$where: "),
            (r#"{"a":{"$code":"f()"}}"#, Denied, "a: JavaScript is not allowed"),
            (r#"{"a":[{"b":{"$code":"f()","$scope":{}}}]}"#, Denied, "a.0.b: JavaScript is not allowed"),
            (
                r#"{"$expr":{"$function":{"body":"f","args":[],"lang":"js"}}}"#,
                Denied,
                "$expr.$function: `$function` is not allowed: it runs",
            ),
            (r#"{"$expr":{"$lt":["$a","$$NOW"]}}"#, Denied, "$expr.$lt.1: `$$NOW` is not allowed: MongoDB's clock"),
            (
                r#"{"$expr":{"$lt":[0.5,{"$rand":{}}]}}"#,
                Denied,
                "$expr.$lt.1.$rand: `$rand` is not allowed: it gives another",
            ),
            (r#"{"a.$[]":1}"#, Denied, "a.$[]: `$[]` is not allowed in a path"),
            (r#"{"a":{"$near":{"$where":1}}}"#, Denied, "a.$near.$where: "),
            (r#"{"$gt":1}"#, Invalid, "$gt: `$gt` is in the place of a field's name"),
            (r#"{"$and":{"a":1}}"#, Invalid, "$and: takes an array of filters"),
            (r#"{"$or":[1]}"#, Invalid, "$or.0: not a filter"),
            (r#"{"a":{"$gt":1,"b":2}}"#, Invalid, "a.b: a field is among operators"),
            (r#"{"a":{"b":2,"$gt":1}}"#, Denied, "a.$gt: `$gt` is not allowed in a plain value"),
            (r#"{"a":{"$elemMatch":1}}"#, Invalid, "a.$elemMatch: takes a document"),
            (r#"{"a":{"$not":{"b":1}}}"#, Invalid, "a.$not: takes operators"),
            (r#"{"":1}"#, Invalid, "a path is not empty"),
        ],
    );
}

#[test]
fn updates() {
    allows(
        UPDATE,
        &[
            r#"{"$set":{"a.b":{"c":[1,{"d":2}]},"list.$.x":1,"list.$[].x":1,"list.$[e].x":1,"o.$id":5},"$unset":{"z":""}}"#,
            r#"{"$inc":{"n":1},"$mul":{"m":2},"$min":{"a":1},"$max":{"b":1},"$rename":{"x":"y"},"$setOnInsert":{"k":null}}"#,
            r#"{"$addToSet":{"a":"x","b":{"$each":[1,2]},"c":{"user":"u"}},"$pop":{"d":-1},"$bit":{"f":{"and":5}}}"#,
            r#"{"$push":{"a":{"$each":[{"s":1}],"$slice":-5,"$sort":{"s":-1},"$position":0},"b":{"$each":[3],"$sort":1},"c":[1]}}"#,
            r#"{"$pull":{"a":{"$gte":5},"b":{"user":"u","n":{"$lt":3}},"c":"x","d":{"$or":[{"x":1},{"y":2}]}},"$pullAll":{"e":[1]}}"#,
            r#"{"$set":{"owner":{"$ref":"users","$id":"x"}},"$pull":{"owners":{"$ref":"users","$id":"x"}}}"#,
        ],
    );
    objects(
        UPDATE,
        &[
            ("{}", Invalid, "an update has at least one operator"),
            (r#"{"a":1}"#, Invalid, "a: not an update operator"),
            (r#"{"$set":{"a":1},"b":1}"#, Invalid, "b: not an update operator"),
            (r#"{"$set":1}"#, Invalid, "$set: takes a document of paths"),
            (r#"{"$currentDate":{"a":true}}"#, Denied, "$currentDate: `$currentDate` is not allowed: MongoDB's clock"),
            (r#"{"$frobnicate":{"a":1}}"#, Denied, "$frobnicate: `$frobnicate` is not among the update operators"),
            (r#"{"$set":{"a":{"$where":1}}}"#, Denied, "$set.a.$where: `$where` is not allowed in a plain value"),
            (r#"{"$set":{"$a":1}}"#, Denied, "$set.$a: `$a` is not allowed in a path"),
            (r#"{"$set":{"a.$b":1}}"#, Denied, "$set.a.$b: `$b` is not allowed in a path"),
            (r#"{"$set":{"a":{"$code":"f"}}}"#, Denied, "$set.a: JavaScript"),
            (r#"{"$push":{"a":{"$each":[{"$where":1}]}}}"#, Denied, "$push.a.$each.0.$where: "),
            (r#"{"$push":{"a":{"$each":1}}}"#, Invalid, "$push.a.$each: takes an array"),
            (r#"{"$push":{"a":{"$each":[],"$sort":{"b":2}}}}"#, Invalid, "$push.a.$sort.b: an order is 1 or -1"),
            (r#"{"$push":{"a":{"$frob":[]}}}"#, Denied, "$push.a.$frob: `$frob` is not among the modifiers"),
            (r#"{"$addToSet":{"a":{"$each":[1],"$slice":1}}}"#, Denied, "$addToSet.a.$slice: "),
            (r#"{"$pull":{"a":{"$where":"1"}}}"#, Denied, "$pull.a.$where: "),
            (r#"{"$pull":{"a":{"b":{"$where":"1"}}}}"#, Denied, "$pull.a.b.$where: "),
            (r#"{"$rename":{"a":1}}"#, Invalid, "$rename.a: takes a path"),
            (r#"{"$rename":{"a":"$b"}}"#, Denied, "$rename.a: `$b` is not allowed in a path"),
        ],
    );
}

#[test]
fn pipelines() {
    allows(
        PIPELINE,
        &[
            r#"[{"$set":{"name":{"$trim":{"input":{"$concat":["$first"," ",{"$ifNull":["$last",""]}]}}},"a.b":1}},{"$unset":["x","y"]},{"$unset":"z"}]"#,
            r#"[{"$replaceWith":{"$mergeObjects":["$$ROOT",{"n":{"$add":["$n",1]}}]}}]"#,
            r#"[{"$set":{"a":{"$literal":{"where":"$$NOW","deep":[{"out":"$x","$ref":"c"}]}}}}]"#,
            r#"[{"$set":{"a":{"$let":{"vars":{"low":{"$min":["$a","$b"]}},"in":{"$gt":["$$low",1]}}}}}]"#,
            r#"[{"$set":{"a":{"$map":{"input":"$l","as":"e","in":{"$multiply":["$$e.n",2]}}},"b":{"$filter":{"input":"$l","cond":{"$ne":["$$this",null]}}}}}]"#,
            r#"[{"$set":{"a":{"$switch":{"branches":[{"case":{"$eq":["$x",1]},"then":"one"}],"default":"$$REMOVE"}}}}]"#,
            r#"[{"$set":{"a":{"x":1,"y":{"$size":"$l"}},"b":["$p",{"$literal":"$q"}],"c":"costs $5"}}]"#,
        ],
    );
    objects(
        PIPELINE,
        &[
            ("[]", Invalid, "a pipeline has at least one stage"),
            ("[1]", Invalid, "0: a stage is a document"),
            (r#"[{"$set":{"a":1},"$unset":"b"}]"#, Invalid, "0: a stage has one operator"),
            (
                r#"[{"$lookup":{"from":"x"}}]"#,
                Denied,
                "0.$lookup: `$lookup` is not allowed: it reaches another collection",
            ),
            (r#"[{"$merge":"x"}]"#, Denied, "0.$merge: `$merge` is not allowed: it reaches"),
            (r#"[{"$addFields":{"a":1}}]"#, Denied, "0.$addFields: `$addFields` is not among the stages ($set,"),
            (r#"[{"$set":{"a":1}},{"a":1}]"#, Denied, "1.a: "),
            (
                r#"[{"$set":{"a":"$$CLUSTER_TIME"}}]"#,
                Denied,
                "0.$set.a: `$$CLUSTER_TIME` is not allowed: MongoDB's clock",
            ),
            (r#"[{"$set":{"a":"$$NOW.x"}}]"#, Denied, "0.$set.a: `$$NOW` is not allowed"),
            (r#"[{"$set":{"a":"$$USER_ROLES"}}]"#, Denied, "0.$set.a: `$$USER_ROLES` is not among the variables"),
            (r#"[{"$set":{"a":["$$"]}}]"#, Denied, "0.$set.a.0: `$$` is not among"),
            (
                r#"[{"$set":{"a":{"b":{"$accumulator":{}}}}}]"#,
                Denied,
                "0.$set.a.b.$accumulator: `$accumulator` is not allowed: it runs",
            ),
            (r#"[{"$set":{"a":{"$cond":[{"$rand":{}},1,2]}}}]"#, Denied, "0.$set.a.$cond.0.$rand: "),
            (r#"[{"$set":{"a":{"$add":[1],"$subtract":[1]}}}]"#, Invalid, "0.$set.a: an operator must stand alone"),
            (r#"[{"$set":{"a":{"b":1,"$add":[1]}}}]"#, Denied, "0.$set.a.$add: "),
            (r#"[{"$set":{"a":{"$code":"f"}}}]"#, Denied, "0.$set.a: JavaScript"),
            (r#"[{"$set":{"a":{"$literal":{"x":{"$code":"f"}}}}}]"#, Denied, "0.$set.a.$literal.x: JavaScript"),
            (
                r#"[{"$set":{"a":{"$literal":{"$x":1}}}}]"#,
                Denied,
                "0.$set.a.$literal.$x: `$x` is not allowed in a plain value",
            ),
            (r#"[{"$set":{"a":{"$timestamp":{"t":0,"i":0}}}}]"#, Invalid, "0.$set.a: an empty timestamp"),
            (r#"[{"$set":{"a":{"$literal":{"$timestamp":{"t":0,"i":0}}}}}]"#, Invalid, "0.$set.a.$literal: an empty"),
            (r#"[{"$set":{"$a":1}}]"#, Denied, "0.$set.$a: "),
            (r#"[{"$set":1}]"#, Invalid, "0.$set: takes a document of fields"),
            (r#"[{"$unset":1}]"#, Invalid, "0.$unset: takes a path"),
            (r#"[{"$unset":["a",1]}]"#, Invalid, "0.$unset.1: a path is a string"),
        ],
    );
}

#[test]
fn documents_to_be_stored() {
    allows(
        DOCUMENT,
        &[
            r#"{"_id":"x","a":{"b":[{"c":1}]},"owner":{"$ref":"users","$id":"x","$db":"d"},"price$":1}"#,
            r#"{"_id":{"user":"u","day":5}}"#,
        ],
    );
    objects(
        DOCUMENT,
        &[
            (r#"{"$set":{"a":1}}"#, Invalid, "$set: a document to be stored has no field `$set`"),
            (r#"{"$ref":"users","$id":"x"}"#, Invalid, "$ref: "),
            (r#"{"a":[{"$inc":1}]}"#, Invalid, "a.0.$inc: "),
            (r#"{"at":{"$timestamp":{"t":0,"i":0}}}"#, Invalid, "at: an empty timestamp is MongoDB's clock"),
            (r#"{"f":{"$code":"f"}}"#, Denied, "f: JavaScript is not allowed here"),
            (r#"{"f":[{"$code":"f","$scope":{}}]}"#, Denied, "f.0: JavaScript is not allowed here"),
            (r#"{"_id":[1]}"#, Invalid, "_id: an `_id` is no array"),
            (r#"{"_id":{"$regularExpression":{"pattern":"x","options":""}}}"#, Invalid, "_id: an `_id` is no array"),
            (r#"{"_id":{"$undefined":true}}"#, Invalid, "_id: an `_id` is no array"),
        ],
    );
}

#[test]
fn options_that_are_documents() {
    allows(
        PROJECTION,
        &[r#"{"a":1,"b.c":true,"d":{"$slice":[1,2]},"e":{"$elemMatch":{"x":{"$gt":1}}},"f.$":1,"g":{"h":0}}"#],
    );
    objects(
        PROJECTION,
        &[
            (r#"{"a":"$b"}"#, Denied, "a: a projection names fields"),
            (r#"{"a":{"$meta":"textScore"}}"#, Denied, "a.$meta: `$meta` is not among the operators of projections"),
            (r#"{"a":{"$function":{}}}"#, Denied, "a.$function: `$function` is not allowed: it runs"),
            (r#"{"a":{"$elemMatch":{"$where":1}}}"#, Denied, "a.$elemMatch.$where: "),
            (r#"{"$a":1}"#, Denied, "$a: "),
        ],
    );
    allows(SORT, &[r#"{"a":1,"b.c":-1,"d":{"$numberLong":"1"}}"#, "{}"]);
    objects(
        SORT,
        &[
            (r#"{"a":2}"#, Invalid, "a: an order is 1 or -1"),
            (r#"{"a":{"$meta":"textScore"}}"#, Invalid, "a: an order is 1 or -1"),
            (r#"{"$natural":1}"#, Denied, "$natural: "),
        ],
    );
    allows(COLLATION, &[r#"{"locale":"de","strength":2,"caseLevel":false,"numericOrdering":true}"#]);
    objects(
        COLLATION,
        &[
            ("{}", Invalid, "a collation needs a `locale`"),
            (r#"{"locale":"de","strength":6}"#, Invalid, "strength: of the wrong type"),
            (r#"{"locale":"de","x":1}"#, Invalid, "x: a collation has no member `x`"),
        ],
    );
    for (text, allowed) in
        [(r#""name_1""#, true), (r#"{"a":1,"b.$**":1,"c":"2dsphere"}"#, true), (r#"{"$where":1}"#, false), ("5", false)]
    {
        let value: RawBson = ejson::parse_value(text).expect("valid");
        assert_eq!(hint(value.as_raw_bson_ref()).is_ok(), allowed, "{text}");
    }
}

mod safe {
    use super::*;

    const SAFE_FILTER: Checked = |value| filter(value.as_document().expect("a document"), Expressions::Safe);
    const SAFE_PIPELINE: Checked = |value| pipeline(value.as_array().expect("an array"), Expressions::Safe);

    #[test]
    fn comparisons_and_arithmetic_are_allowed() {
        allows(
            SAFE_FILTER,
            &[
                r#"{"$expr":{"$gt":["$a",{"$add":["$b",1]}]}}"#,
                r#"{"$expr":{"$and":[{"$in":["$a",[1,2,3]]},{"$lt":[{"$size":"$l"},{"$multiply":["$n",2]}]}]}}"#,
                r#"{"$expr":{"$regexMatch":{"input":"$a","regex":"^x"}}}"#,
                r#"{"$or":[{"$expr":{"$eq":["$a","$b"]}},{"$expr":{"$ne":["$c","$$ROOT.d"]}}]}"#,
            ],
        );
        allows(
            SAFE_PIPELINE,
            &[
                r#"[{"$set":{"n":{"$add":["$n",1]},"name":{"$concat":["$first"," ","$last"]},"at":{"$ifNull":["$at",5]}}}]"#,
                r#"[{"$set":{"old":"$$ROOT"}},{"$set":{"a":{"x":"$x","y":["$y"]}}},{"$unset":"z"},{"$replaceWith":{"$mergeObjects":["$a",{"b":1}]}}]"#,
                r#"[{"$set":{"a":{"$let":{"vars":{"x":{"$abs":"$n"}},"in":{"$multiply":["$$x","$$x"]}}},"b":{"$trim":{"input":"$b"}}}}]"#,
                r#"[{"$set":{"a":{"$switch":{"branches":[{"case":{"$eq":["$x",1]},"then":"one"}],"default":"$$REMOVE"}}}}]"#,
            ],
        );
        // Any number of stages is allowed if their values hold nothing of the document.
        let stages: Vec<String> = (0..60).map(|n| format!(r#"{{"$set":{{"n{n}":{{"$add":["$n",{n}]}}}}}}"#)).collect();
        allows(SAFE_PIPELINE, &[&format!("[{}]", stages.join(","))]);
        let fields: Vec<String> = (0..300).map(|n| format!(r#""f{n}":"$g{n}""#)).collect();
        allows(SAFE_PIPELINE, &[&format!(r#"[{{"$set":{{"copy":{{{}}}}}}}]"#, fields.join(","))]);
    }

    /// Makes a text with that many of the things that are bounded.
    type Text<'a> = &'a dyn Fn(usize) -> String;

    #[test]
    fn what_is_compared_with_each_element_of_an_array_is_bounded() {
        const SAFE_UPDATE: Checked = |value| update(value.as_document().expect("a document"), Expressions::Safe);
        const SAFE_FILTERS: Checked = |value| array_filters(value.as_array().expect("an array"), Expressions::Safe);
        let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<Vec<_>>().join(",");
        let numbers = |count| many(count, &|number| number.to_string());
        let clauses = |count| many(count, &|number| format!(r#"{{"a":{{"$gt":{number}}}}}"#));
        let cases: [(Checked, usize, Text<'_>); 11] = [
            (SAFE_UPDATE, 100, &|count| format!(r#"{{"$pullAll":{{"a":[{}]}}}}"#, numbers(count))),
            (SAFE_UPDATE, 100, &|count| format!(r#"{{"$addToSet":{{"a":{{"$each":[{}]}}}}}}"#, numbers(count))),
            (SAFE_UPDATE, 99, &|count| format!(r#"{{"$pull":{{"a":{{"$all":[{}]}}}}}}"#, numbers(count))),
            (SAFE_UPDATE, 1_000, &|count| format!(r#"{{"$inc":{{{}}}}}"#, many(count, &|n| format!(r#""a.{n}":1"#)))),
            (SAFE_PIPELINE, 1_000, &|count| format!(r#"[{{"$unset":[{}]}}]"#, many(count, &|n| format!(r#""a{n}""#)))),
            (SAFE_FILTERS, 100, &|count| format!(r#"[{{"$or":[{}]}}]"#, clauses(count))),
            (SAFE_FILTER, 100, &|count| format!(r#"{{"$nor":[{}]}}"#, clauses(count))),
            (SAFE_FILTER, 50, &|count| format!(r#"{{"$and":[{}],"$or":[{}]}}"#, clauses(count), clauses(count))),
            (SAFE_FILTER, 99, &|count| format!(r#"{{"a":{{"$all":[{}]}}}}"#, numbers(count))),
            (SAFE_FILTER, 99, &|count| format!(r#"{{"a":{{"$bitsAnySet":[{}]}}}}"#, numbers(count))),
            (SAFE_FILTER, 4_000, &|count| format!(r#"{{"a":{{"$geoWithin":{{"$polygon":[{}]}}}}}}"#, numbers(count))),
        ];
        for (checked, most, text) in cases {
            allows(checked, &[&text(most)]);
            let objection = check(checked, &text(most + 1)).expect_err(&text(most + 1));
            assert_eq!(objection.code, Code::Limit, "{objection}");
            assert!(objection.message.contains("expressions"), "{objection}");
        }
        allows(SAFE_FILTER, &[&format!(r#"{{"a":{{"$in":[{}]}}}}"#, numbers(10_000))]);
        allows(SAFE_UPDATE, &[&format!(r#"{{"$push":{{"a":{{"$each":[{}]}}}}}}"#, numbers(10_000))]);
    }

    #[test]
    fn operators_that_loop_name_the_setting() {
        for (name, cost) in names::EXPRESSIONS {
            let text = format!(r#"{{"$expr":{{"$eq":[1,{{"{name}":["$a"]}}]}}}}"#);
            assert!(check(FILTER, &text).is_ok(), "{name}");
            let checked = check(SAFE_FILTER, &text);
            assert_eq!(checked.is_err(), *cost == names::Cost::Loops, "{name}");
            if let Err(objection) = checked {
                assert_eq!(objection.code, Denied);
                let expected =
                    format!("$expr.$eq.1.{name}: `{name}` is not allowed by the handler's setting `expressions");
                assert!(objection.to_string().starts_with(&expected), "{objection}");
            }
        }
        let reduce = r#"{"$reduce":{"input":{"$range":[0,36]},"initialValue":[1],"in":{"$concatArrays":["$$value","$$value"]}}}"#;
        let places: [(Checked, String); 6] = [
            (SAFE_FILTER, format!(r#"{{"$expr":{reduce}}}"#)),
            (SAFE_FILTER, format!(r#"{{"$or":[{{"$and":[{{"$expr":{{"$gt":[1,{reduce}]}}}}]}}]}}"#)),
            (SAFE_PIPELINE, format!(r#"[{{"$set":{{"a.b":{reduce}}}}}]"#)),
            (SAFE_PIPELINE, format!(r#"[{{"$set":{{"a":1}}}},{{"$replaceWith":{{"x":[{reduce}]}}}}]"#)),
            (SAFE_PIPELINE, format!(r#"[{{"$set":{{"a":{{"$let":{{"vars":{{"x":{reduce}}},"in":1}}}}}}}}]"#)),
            (SAFE_PIPELINE, format!(r#"[{{"$set":{{"a":{{"$let":{{"vars":{{}},"in":{reduce}}}}}}}}}]"#)),
        ];
        for (checked, text) in places {
            let objection = check(checked, &text).expect_err(&text);
            assert!(objection.message.contains("`$reduce` is not allowed by the handler's setting"), "{objection}");
        }
        objects(
            SAFE_FILTER,
            &[(r#"{"$expr":{"$trim":{"input":"$a","chars":"$b"}}}"#, Denied, "$expr.$trim: `$trim` is")],
        );
        // An operator that no handler may use is denied for its own reason.
        objects(
            SAFE_FILTER,
            &[(r#"{"$expr":{"$function":{}}}"#, Denied, "$expr.$function: `$function` is not allowed: it")],
        );
    }

    #[test]
    fn values_that_double_are_bounded() {
        let doubling = |times: usize| {
            let stages = r#"{"$set":{"a":["$a","$a"]}},"#.repeat(times);
            format!(r#"[{stages}{{"$set":{{"b":{{"$eq":["$a","$c"]}}}}}}]"#)
        };
        assert!(check(SAFE_PIPELINE, &doubling(3)).is_ok());
        let variables = |times: usize| {
            let inner = r#"{"$eq":["$$x","$$x"]}"#.to_owned();
            let nested = (0..times)
                .fold(inner, |inner, _| format!(r#"{{"$let":{{"vars":{{"x":["$$x","$$x"]}},"in":{inner}}}}}"#));
            format!(r#"{{"$expr":{nested}}}"#)
        };
        assert!(check(SAFE_FILTER, &variables(3)).is_ok());
        let many = format!(r#"{{"$expr":{{"$and":[{}true]}}}}"#, r#"{"$eq":["$a","$b"]},"#.repeat(600));
        let clauses = format!(r#"{{"$or":[{}{{}}]}}"#, r#"{"$expr":{"$eq":["$a","$b"]}},"#.repeat(600));
        let replaced =
            format!(r#"[{}{{"$set":{{"a":1}}}}]"#, r#"{"$replaceWith":{"a":"$$ROOT","b":"$$ROOT"}},"#.repeat(12));
        for (checked, text) in [
            (SAFE_PIPELINE, doubling(30)),
            (SAFE_FILTER, variables(15)),
            (SAFE_FILTER, many),
            (SAFE_FILTER, clauses),
            (SAFE_PIPELINE, replaced),
        ] {
            let objection = check(checked, &text).expect_err(&text);
            assert_eq!(objection.code, super::super::Code::Limit, "{objection}");
            assert!(objection.message.contains("more than 1000 times"), "{objection}");
        }
        assert!(check(PIPELINE, &doubling(30)).is_ok());
    }
}

mod unknown {
    use proptest::prelude::*;

    use super::*;

    /// Nests a name that is in no list in plain levels, as a path into a filter, an update or a pipeline.
    fn nested(name: &str, levels: &[bool]) -> String {
        levels.iter().fold(format!("{{\"{name}\":1}}"), |inner, array| {
            if *array { format!("[{inner}]") } else { format!("{{\"field\":{inner}}}") }
        })
    }

    proptest! {
        #[test]
        fn is_denied_at_any_depth(name in r"\$x[a-zA-Z]{1,8}", levels in proptest::collection::vec(any::<bool>(), 0..20)) {
            let inner = nested(&name, &levels);
            let places: [(Checked, String); 6] = [
                (FILTER, format!(r#"{{"a":{inner}}}"#)),
                (FILTER, format!(r#"{{"$or":[{{"a":{{"$eq":{inner}}}}}]}}"#)),
                (FILTER, format!(r#"{{"$expr":{inner}}}"#)),
                (UPDATE, format!(r#"{{"$set":{{"a":{inner}}}}}"#)),
                (UPDATE, format!(r#"{{"$push":{{"a":{{"$each":[{inner}]}}}}}}"#)),
                (PIPELINE, format!(r#"[{{"$set":{{"a":{inner}}}}}]"#)),
            ];
            for (checked, text) in places {
                let objection = check(checked, &text).expect_err(&text);
                prop_assert_eq!(objection.code, Code::Denied, "{}: {}", text, objection);
            }
        }
    }
}
