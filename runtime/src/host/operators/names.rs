//! The allow-lists, each in the order of the alphabet, and the reasons of the best-known refusals.

/// What stands behind an operator on a field in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Plain values.
    Data,
    /// Values, or `$elemMatch` documents.
    All,
    /// A filter, or operators.
    Element,
    /// Operators, or a regular expression.
    Not,
    /// A shape.
    Geo,
}

pub(super) const CONDITIONS: &[(&str, Condition)] = &[
    ("$all", Condition::All),
    ("$bitsAllClear", Condition::Data),
    ("$bitsAllSet", Condition::Data),
    ("$bitsAnyClear", Condition::Data),
    ("$bitsAnySet", Condition::Data),
    ("$elemMatch", Condition::Element),
    ("$eq", Condition::Data),
    ("$exists", Condition::Data),
    ("$geoIntersects", Condition::Geo),
    ("$geoWithin", Condition::Geo),
    ("$gt", Condition::Data),
    ("$gte", Condition::Data),
    ("$in", Condition::Data),
    ("$lt", Condition::Data),
    ("$lte", Condition::Data),
    ("$maxDistance", Condition::Data),
    ("$minDistance", Condition::Data),
    ("$mod", Condition::Data),
    ("$ne", Condition::Data),
    ("$near", Condition::Geo),
    ("$nearSphere", Condition::Geo),
    ("$nin", Condition::Data),
    ("$not", Condition::Not),
    ("$options", Condition::Data),
    ("$regex", Condition::Data),
    ("$size", Condition::Data),
    ("$type", Condition::Data),
];

/// What stands behind a `$` name in place of a field in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    /// An array of filters.
    Filters,
    /// An expression.
    Expression,
}

pub(super) const CLAUSES: &[(&str, Clause)] =
    &[("$and", Clause::Filters), ("$expr", Clause::Expression), ("$nor", Clause::Filters), ("$or", Clause::Filters)];

/// What a geographic operator's document may hold.
pub(super) const SHAPES: &[(&str, ())] = &[
    ("$box", ()),
    ("$center", ()),
    ("$centerSphere", ()),
    ("$geometry", ()),
    ("$maxDistance", ()),
    ("$minDistance", ()),
    ("$polygon", ()),
];

/// What an update operator gives to each path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    /// A plain value.
    Data,
    /// A path.
    Path,
    /// A value, or `$each` with modifiers.
    Push,
    /// A value, or `$each`.
    AddToSet,
    /// A value, operators, or a filter for the array's documents.
    Pull,
}

pub(super) const UPDATES: &[(&str, Update)] = &[
    ("$addToSet", Update::AddToSet),
    ("$bit", Update::Data),
    ("$inc", Update::Data),
    ("$max", Update::Data),
    ("$min", Update::Data),
    ("$mul", Update::Data),
    ("$pop", Update::Data),
    ("$pull", Update::Pull),
    ("$pullAll", Update::Data),
    ("$push", Update::Push),
    ("$rename", Update::Path),
    ("$set", Update::Data),
    ("$setOnInsert", Update::Data),
    ("$unset", Update::Data),
];

/// What a stage of a pipeline update takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A document of fields and expressions.
    Fields,
    /// A path, or several.
    Paths,
    /// An expression.
    Expression,
}

pub(super) const STAGES: &[(&str, Stage)] =
    &[("$replaceWith", Stage::Expression), ("$set", Stage::Fields), ("$unset", Stage::Paths)];

/// Expression operators: each a function of its arguments alone. `$literal`, whose argument is data, is not here.
pub(super) const EXPRESSIONS: &[(&str, ())] = &[
    ("$abs", ()),
    ("$acos", ()),
    ("$acosh", ()),
    ("$add", ()),
    ("$allElementsTrue", ()),
    ("$and", ()),
    ("$anyElementTrue", ()),
    ("$arrayElemAt", ()),
    ("$arrayToObject", ()),
    ("$asin", ()),
    ("$asinh", ()),
    ("$atan", ()),
    ("$atan2", ()),
    ("$atanh", ()),
    ("$avg", ()),
    ("$binarySize", ()),
    ("$bitAnd", ()),
    ("$bitNot", ()),
    ("$bitOr", ()),
    ("$bitXor", ()),
    ("$bsonSize", ()),
    ("$ceil", ()),
    ("$cmp", ()),
    ("$concat", ()),
    ("$concatArrays", ()),
    ("$cond", ()),
    ("$convert", ()),
    ("$cos", ()),
    ("$cosh", ()),
    ("$dateAdd", ()),
    ("$dateDiff", ()),
    ("$dateFromParts", ()),
    ("$dateFromString", ()),
    ("$dateSubtract", ()),
    ("$dateToParts", ()),
    ("$dateToString", ()),
    ("$dateTrunc", ()),
    ("$dayOfMonth", ()),
    ("$dayOfWeek", ()),
    ("$dayOfYear", ()),
    ("$degreesToRadians", ()),
    ("$divide", ()),
    ("$eq", ()),
    ("$exp", ()),
    ("$filter", ()),
    ("$first", ()),
    ("$firstN", ()),
    ("$floor", ()),
    ("$getField", ()),
    ("$gt", ()),
    ("$gte", ()),
    ("$hour", ()),
    ("$ifNull", ()),
    ("$in", ()),
    ("$indexOfArray", ()),
    ("$indexOfBytes", ()),
    ("$indexOfCP", ()),
    ("$isArray", ()),
    ("$isNumber", ()),
    ("$isoDayOfWeek", ()),
    ("$isoWeek", ()),
    ("$isoWeekYear", ()),
    ("$last", ()),
    ("$lastN", ()),
    ("$let", ()),
    ("$ln", ()),
    ("$log", ()),
    ("$log10", ()),
    ("$lt", ()),
    ("$lte", ()),
    ("$ltrim", ()),
    ("$map", ()),
    ("$max", ()),
    ("$maxN", ()),
    ("$median", ()),
    ("$mergeObjects", ()),
    ("$millisecond", ()),
    ("$min", ()),
    ("$minN", ()),
    ("$minute", ()),
    ("$mod", ()),
    ("$month", ()),
    ("$multiply", ()),
    ("$ne", ()),
    ("$not", ()),
    ("$objectToArray", ()),
    ("$or", ()),
    ("$percentile", ()),
    ("$pow", ()),
    ("$radiansToDegrees", ()),
    ("$range", ()),
    ("$reduce", ()),
    ("$regexFind", ()),
    ("$regexFindAll", ()),
    ("$regexMatch", ()),
    ("$replaceAll", ()),
    ("$replaceOne", ()),
    ("$reverseArray", ()),
    ("$round", ()),
    ("$rtrim", ()),
    ("$second", ()),
    ("$setDifference", ()),
    ("$setEquals", ()),
    ("$setField", ()),
    ("$setIntersection", ()),
    ("$setIsSubset", ()),
    ("$setUnion", ()),
    ("$sin", ()),
    ("$sinh", ()),
    ("$size", ()),
    ("$slice", ()),
    ("$sortArray", ()),
    ("$split", ()),
    ("$sqrt", ()),
    ("$stdDevPop", ()),
    ("$stdDevSamp", ()),
    ("$strLenBytes", ()),
    ("$strLenCP", ()),
    ("$strcasecmp", ()),
    ("$substr", ()),
    ("$substrBytes", ()),
    ("$substrCP", ()),
    ("$subtract", ()),
    ("$sum", ()),
    ("$switch", ()),
    ("$tan", ()),
    ("$tanh", ()),
    ("$toBool", ()),
    ("$toDate", ()),
    ("$toDecimal", ()),
    ("$toDouble", ()),
    ("$toInt", ()),
    ("$toLong", ()),
    ("$toLower", ()),
    ("$toObjectId", ()),
    ("$toString", ()),
    ("$toUpper", ()),
    ("$trim", ()),
    ("$trunc", ()),
    ("$tsIncrement", ()),
    ("$tsSecond", ()),
    ("$type", ()),
    ("$unsetField", ()),
    ("$week", ()),
    ("$year", ()),
    ("$zip", ()),
];

/// MongoDB's own variables in expressions; a handler's begin with a small letter.
pub(super) const VARIABLES: &[(&str, ())] = &[("CURRENT", ()), ("REMOVE", ()), ("ROOT", ())];

const JAVASCRIPT: &str = "it runs JavaScript";
const ELSEWHERE: &str = "it reaches another collection";
const CLOCK: &str = "MongoDB's clock differs from run to run; use the delivery's `now`";
const CHANCE: &str = "it gives another value at every run; use the delivery's `random`";

/// What people may well try, and why not.
pub(super) const DENIED: &[(&str, &str)] = &[
    ("$where", JAVASCRIPT),
    ("$function", JAVASCRIPT),
    ("$accumulator", JAVASCRIPT),
    ("$lookup", ELSEWHERE),
    ("$graphLookup", ELSEWHERE),
    ("$unionWith", ELSEWHERE),
    ("$out", ELSEWHERE),
    ("$merge", ELSEWHERE),
    ("$currentDate", CLOCK),
    ("$$NOW", CLOCK),
    ("$$CLUSTER_TIME", CLOCK),
    ("$rand", CHANCE),
    ("$sampleRate", CHANCE),
    ("$createObjectId", CHANCE),
];

/// What a list says of a name.
pub(super) fn listed<T: Copy>(list: &[(&str, T)], name: &str) -> Option<T> {
    list.binary_search_by(|(listed, _)| (*listed).cmp(name)).ok().map(|at| list[at].1)
}
