//! Families of requests to MongoDB: for data that is not the handler's own, for what no handler may ask, for too much,
//! and for what MongoDB cannot give. Each must meet what docs/security.md and the table of reasons in docs/operating.md
//! promise. `scene` has the documents that they read.

use super::kind::{End, Family, case, family, kind};

const BOUNDARY: End = End::Dead("boundary");
const DENIED: End = End::Dead("denied");
const HOST_CALLS: End = End::Dead("host-calls");
const INVALID: End = End::Dead("invalid");
const LIMIT: End = End::Dead("limit");
const TOO_LARGE: End = End::Dead("too-large");
const REFUSED: End = End::Dead("refused");
const SLOW: End = End::Dead("slow");
const UNDECODABLE: End = End::Dead("undecodable");

pub(super) const FAMILIES: &[Family] = &[
    family(
        "grants",
        &[
            kind("ungranted-collection", DENIED, 20),
            case("ungranted-collection", "reads", r#"{"reads": true}"#, DENIED, 20),
            case("ungranted-collection", "system", r#"{"collection": "system.users"}"#, DENIED, 20),
            kind("refused-ignored", DENIED, 20),
        ],
    ),
    family(
        "operators",
        &[
            kind("forbidden-operator", DENIED, 20),
            case(
                "forbidden-operator",
                "javascript",
                r#"{"filter": {"$expr": {"$function": {"body": "x", "args": [], "lang": "js"}}}}"#,
                DENIED,
                20,
            ),
            case(
                "forbidden-operator",
                "other-collection",
                r#"{"update": [{"$lookup": {"from": "users", "as": "u"}}]}"#,
                DENIED,
                20,
            ),
            case("asks-for-much", "where", r#"{"filter": {"$where": "sleep(60000) || true"}}"#, DENIED, 8),
            case(
                "asks-for-much",
                "updates-where",
                r#"{"filter": {"$or": [{"$where": "true"}]}, "updates": true}"#,
                DENIED,
                8,
            ),
        ],
    ),
    family(
        "expressions",
        &[
            kind("asks-for-much", DENIED, 4),
            case("asks-for-much", "updates", r#"{"updates": true}"#, DENIED, 4),
            case(
                "forbidden-operator",
                "loops",
                r#"{"update": [{"$set": {"a": {"$map": {"input": "$a", "in": "$$this"}}}}]}"#,
                DENIED,
                4,
            ),
            case("forbidden-operator", "doubles", DOUBLING, LIMIT, 4),
        ],
    ),
    family(
        "nested wrappers",
        &[
            kind("nests-scopes", INVALID, 4),
            kind("nests-wrappers", INVALID, 4),
            case("nests-wrappers", "code", r#"{"wrapper": "$code"}"#, INVALID, 4),
            case("nests-wrappers", "array", r#"{"wrapper": "array", "place": "document"}"#, INVALID, 4),
            case("nests-wrappers", "documents", r#"{"place": "documents"}"#, INVALID, 4),
            case("nests-wrappers", "insert-options", r#"{"place": "insert-options"}"#, INVALID, 4),
            case("nests-wrappers", "filter", r#"{"place": "filter"}"#, INVALID, 4),
            case("nests-wrappers", "find", r#"{"place": "find"}"#, INVALID, 4),
            case("nests-wrappers", "count", r#"{"place": "count"}"#, INVALID, 4),
            case("nests-wrappers", "delete", r#"{"place": "delete"}"#, INVALID, 4),
            case("nests-wrappers", "delete-many", r#"{"place": "delete-many"}"#, INVALID, 4),
            case("nests-wrappers", "replaced", r#"{"place": "replaced"}"#, INVALID, 4),
            case("nests-wrappers", "replacement", r#"{"place": "replacement"}"#, INVALID, 4),
            case("nests-wrappers", "updated", r#"{"place": "updated"}"#, INVALID, 4),
            case("nests-wrappers", "update-many", r#"{"place": "update-many"}"#, INVALID, 4),
            case("nests-wrappers", "update", r#"{"place": "update"}"#, INVALID, 4),
            case("nests-wrappers", "pipeline", r#"{"place": "pipeline"}"#, INVALID, 4),
            case("nests-wrappers", "options", r#"{"place": "options"}"#, INVALID, 4),
            case("nests-wrappers", "array-filters", r#"{"place": "arrayFilters"}"#, INVALID, 4),
            case("nests-wrappers", "hint", r#"{"place": "hint"}"#, INVALID, 4),
            case("nests-wrappers", "write-hint", r#"{"place": "write-hint"}"#, INVALID, 4),
            case("nests-wrappers", "sort", r#"{"place": "sort"}"#, INVALID, 4),
            case("nests-wrappers", "projection", r#"{"place": "projection"}"#, INVALID, 4),
            case("nests-wrappers", "collation", r#"{"place": "collation"}"#, INVALID, 4),
        ],
    ),
    family(
        "slow reads",
        &[
            case("takes-long", "reads", r#"{"how": "read"}"#, SLOW, 1),
            case("takes-long", "reads-alone", r#"{"how": "read-alone"}"#, SLOW, 1),
            kind("searches-long", SLOW, 1),
            case("searches-long", "alone", r#"{"alone": true}"#, SLOW, 1),
        ],
    ),
    family(
        "many reads",
        &[
            case("reads-raw", "many", r#"{"filter": {"_id": "small"}, "times": 1000000}"#, HOST_CALLS, 2),
            case(
                "reads-raw",
                "many-alone",
                r#"{"filter": {"_id": "small"}, "times": 1000000, "alone": true}"#,
                HOST_CALLS,
                2,
            ),
            case("reads-raw", "many-counts", MANY_COUNTS, HOST_CALLS, 2),
            case("reads-much", "many", r#"{"reads": true, "times": 1000000}"#, HOST_CALLS, 2),
        ],
    ),
    family(
        "large reads",
        &[
            case("reads-one", "all", r#"{"all": true}"#, REFUSED, 4),
            case("reads-raw", "large", r#"{"filter": {"_id": "large-0"}, "times": 3}"#, BOUNDARY, 4),
            case("reads-raw", "wide", r#"{"filter": {"_id": "wide"}}"#, BOUNDARY, 4),
            case("reads-raw", "large-alone", r#"{"verb": "find", "alone": true}"#, REFUSED, 4),
        ],
    ),
    family(
        "deep reads",
        &[
            case("reads-one", "deep", r#"{"id": "deep"}"#, End::Committed, 8),
            case("reads-raw", "deepest", r#"{"filter": {"_id": "deepest"}, "times": 20}"#, End::Committed, 8),
            case("reads-raw", "deep-and-large", r#"{"filter": {"_id": "deep-and-large"}}"#, End::Committed, 4),
        ],
    ),
    family(
        "documents that cannot be decoded",
        &[
            case("reads-one", "not-utf8", r#"{"id": "not-utf8"}"#, UNDECODABLE, 8),
            case("reads-raw", "not-utf8", r#"{"filter": {"_id": "not-utf8"}, "alone": true}"#, UNDECODABLE, 8),
            case("reads-raw", "one-key-twice", r#"{"filter": {"_id": "one-key-twice"}}"#, UNDECODABLE, 8),
        ],
    ),
    family(
        "cursors",
        &[
            case("reads-raw", "first-of-many", FIRST_OF_MANY, End::Committed, 8),
            case("reads-raw", "sorted", SORTED, End::Committed, 4),
            case("reads-raw", "too-many", r#"{"collection": "large", "verb": "find"}"#, LIMIT, 8),
            case("reads-raw", "too-many-alone", TOO_MANY_ALONE, LIMIT, 8),
            case("reads-one", "more-than-a-reply", r#"{"all": true}"#, REFUSED, 4),
            case("queries-then-writes", "alone", r#"{"group": "g"}"#, End::Committed, 4),
        ],
    ),
    family(
        "refused, then continues",
        &[
            kind("falls-back", REFUSED, 8),
            case("falls-back", "alone", r#"{"alone": true}"#, REFUSED, 8),
            case("falls-back", "reads", r#"{"reads": true}"#, REFUSED, 8),
            case("falls-back", "reads-alone", r#"{"reads": true, "alone": true}"#, REFUSED, 8),
            kind("makes-excuses", REFUSED, 8),
            case("makes-excuses", "skips", r#"{"how": "skips"}"#, REFUSED, 8),
            case("makes-excuses", "retries", r#"{"how": "retries", "alone": true}"#, REFUSED, 8),
            case("makes-excuses", "panics", r#"{"how": "panics"}"#, REFUSED, 8),
            case("makes-excuses", "spins", r#"{"how": "spins", "alone": true}"#, REFUSED, 4),
        ],
    ),
    family(
        "writes that never fit",
        &[
            case("writes-too-much", "at-once", r#"{"documents": 3, "bytes": 6500000}"#, TOO_LARGE, 2),
            case("writes-too-much", "alone", r#"{"documents": 3, "bytes": 6500000, "alone": true}"#, TOO_LARGE, 1),
            kind("grows-documents", REFUSED, 2),
            case("grows-documents", "alone", r#"{"alone": true}"#, REFUSED, 2),
            case("grows-documents", "many", r#"{"bytes": 200000, "many": true}"#, TOO_LARGE, 1),
        ],
    ),
];

/// Makes the document ten times as large as it was, and does that three more times.
const DOUBLING: &str = r#"{"update": [
    {"$set": {"a": ["$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT"]}},
    {"$set": {"b": ["$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT"]}},
    {"$set": {"c": ["$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT"]}},
    {"$set": {"d": ["$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT", "$$ROOT"]}}
]}"#;
const MANY_COUNTS: &str = r#"{"verb": "count", "filter": {"_id": "small"}, "times": 1000000}"#;
const FIRST_OF_MANY: &str = r#"{"collection": "large", "verb": "find", "options": {"limit": 5}, "times": 20}"#;
const SORTED: &str =
    r#"{"collection": "large", "verb": "find", "options": {"limit": 5, "sort": {"text": 1}}, "alone": true}"#;
const TOO_MANY_ALONE: &str = r#"{"collection": "large", "verb": "find", "alone": true}"#;
