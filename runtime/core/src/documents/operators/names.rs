//! The allow-lists, each in alphabetical order, and the reasons for the best-known refusals.

/// The argument of an operator on a field in a filter.
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
    /// A mask, or positions of bits.
    Bits,
}

pub(super) const CONDITIONS: &[(&str, Condition)] = &[
    ("$all", Condition::All),
    ("$bitsAllClear", Condition::Bits),
    ("$bitsAllSet", Condition::Bits),
    ("$bitsAnyClear", Condition::Bits),
    ("$bitsAnySet", Condition::Bits),
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

/// The argument of a `$` name that replaces a field in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    /// An array of filters.
    Filters,
    /// An expression.
    Expression,
}

pub(super) const CLAUSES: &[(&str, Clause)] =
    &[("$and", Clause::Filters), ("$expr", Clause::Expression), ("$nor", Clause::Filters), ("$or", Clause::Filters)];

/// The names that a geographic operator's document may hold.
pub(super) const SHAPES: &[(&str, ())] = &[
    ("$box", ()),
    ("$center", ()),
    ("$centerSphere", ()),
    ("$geometry", ()),
    ("$maxDistance", ()),
    ("$minDistance", ()),
    ("$polygon", ()),
];

/// The argument that an update operator takes for each path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    /// A plain value.
    Data,
    /// A path.
    Path,
    /// Values, each of which is compared with every element of an array.
    PullAll,
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
    ("$pullAll", Update::PullAll),
    ("$push", Update::Push),
    ("$rename", Update::Path),
    ("$set", Update::Data),
    ("$setOnInsert", Update::Data),
    ("$unset", Update::Data),
];

/// The argument that a stage of a pipeline update takes.
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

/// The cost for MongoDB of evaluating an expression operator. MongoDB checks for an interruption only between
/// documents, and in later versions also within `$map`, `$filter` and `$reduce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// As much as reading its arguments. Its value holds none of them.
    Scalar,
    /// As much as reading its arguments, which its value may hold.
    Holds,
    /// More than reading its arguments: it evaluates an expression for each element, creates elements, or compares each
    /// part of one argument with each part of another.
    Loops,
}

/// The expression operators, each of which is a function of its arguments alone. `$literal`, whose argument is data, is
/// not among them.
pub(super) const EXPRESSIONS: &[(&str, Cost)] = &[
    ("$abs", Cost::Scalar),
    ("$acos", Cost::Scalar),
    ("$acosh", Cost::Scalar),
    ("$add", Cost::Scalar),
    ("$allElementsTrue", Cost::Scalar),
    ("$and", Cost::Scalar),
    ("$anyElementTrue", Cost::Scalar),
    ("$arrayElemAt", Cost::Holds),
    ("$arrayToObject", Cost::Holds),
    ("$asin", Cost::Scalar),
    ("$asinh", Cost::Scalar),
    ("$atan", Cost::Scalar),
    ("$atan2", Cost::Scalar),
    ("$atanh", Cost::Scalar),
    ("$avg", Cost::Scalar),
    ("$binarySize", Cost::Scalar),
    ("$bitAnd", Cost::Scalar),
    ("$bitNot", Cost::Scalar),
    ("$bitOr", Cost::Scalar),
    ("$bitXor", Cost::Scalar),
    ("$bsonSize", Cost::Scalar),
    ("$ceil", Cost::Scalar),
    ("$cmp", Cost::Scalar),
    ("$concat", Cost::Scalar),
    ("$concatArrays", Cost::Loops),
    ("$cond", Cost::Holds),
    ("$convert", Cost::Scalar),
    ("$cos", Cost::Scalar),
    ("$cosh", Cost::Scalar),
    ("$dateAdd", Cost::Scalar),
    ("$dateDiff", Cost::Scalar),
    ("$dateFromParts", Cost::Scalar),
    ("$dateFromString", Cost::Scalar),
    ("$dateSubtract", Cost::Scalar),
    ("$dateToParts", Cost::Scalar),
    ("$dateToString", Cost::Scalar),
    ("$dateTrunc", Cost::Scalar),
    ("$dayOfMonth", Cost::Scalar),
    ("$dayOfWeek", Cost::Scalar),
    ("$dayOfYear", Cost::Scalar),
    ("$degreesToRadians", Cost::Scalar),
    ("$divide", Cost::Scalar),
    ("$eq", Cost::Scalar),
    ("$exp", Cost::Scalar),
    ("$filter", Cost::Loops),
    ("$first", Cost::Holds),
    ("$firstN", Cost::Holds),
    ("$floor", Cost::Scalar),
    ("$getField", Cost::Holds),
    ("$gt", Cost::Scalar),
    ("$gte", Cost::Scalar),
    ("$hour", Cost::Scalar),
    ("$ifNull", Cost::Holds),
    ("$in", Cost::Scalar),
    ("$indexOfArray", Cost::Scalar),
    ("$indexOfBytes", Cost::Loops),
    ("$indexOfCP", Cost::Loops),
    ("$isArray", Cost::Scalar),
    ("$isNumber", Cost::Scalar),
    ("$isoDayOfWeek", Cost::Scalar),
    ("$isoWeek", Cost::Scalar),
    ("$isoWeekYear", Cost::Scalar),
    ("$last", Cost::Holds),
    ("$lastN", Cost::Holds),
    ("$let", Cost::Holds),
    ("$ln", Cost::Scalar),
    ("$log", Cost::Scalar),
    ("$log10", Cost::Scalar),
    ("$lt", Cost::Scalar),
    ("$lte", Cost::Scalar),
    ("$ltrim", Cost::Scalar),
    ("$map", Cost::Loops),
    ("$max", Cost::Holds),
    ("$maxN", Cost::Holds),
    ("$median", Cost::Scalar),
    ("$mergeObjects", Cost::Holds),
    ("$millisecond", Cost::Scalar),
    ("$min", Cost::Holds),
    ("$minN", Cost::Holds),
    ("$minute", Cost::Scalar),
    ("$mod", Cost::Scalar),
    ("$month", Cost::Scalar),
    ("$multiply", Cost::Scalar),
    ("$ne", Cost::Scalar),
    ("$not", Cost::Scalar),
    ("$objectToArray", Cost::Holds),
    ("$or", Cost::Scalar),
    ("$percentile", Cost::Scalar),
    ("$pow", Cost::Scalar),
    ("$radiansToDegrees", Cost::Scalar),
    ("$range", Cost::Loops),
    ("$reduce", Cost::Loops),
    ("$regexFind", Cost::Scalar),
    ("$regexFindAll", Cost::Loops),
    ("$regexMatch", Cost::Scalar),
    ("$replaceAll", Cost::Loops),
    ("$replaceOne", Cost::Loops),
    ("$reverseArray", Cost::Holds),
    ("$round", Cost::Scalar),
    ("$rtrim", Cost::Scalar),
    ("$second", Cost::Scalar),
    ("$setDifference", Cost::Loops),
    ("$setEquals", Cost::Loops),
    ("$setField", Cost::Holds),
    ("$setIntersection", Cost::Loops),
    ("$setIsSubset", Cost::Loops),
    ("$setUnion", Cost::Loops),
    ("$sin", Cost::Scalar),
    ("$sinh", Cost::Scalar),
    ("$size", Cost::Scalar),
    ("$slice", Cost::Holds),
    ("$sortArray", Cost::Loops),
    ("$split", Cost::Loops),
    ("$sqrt", Cost::Scalar),
    ("$stdDevPop", Cost::Scalar),
    ("$stdDevSamp", Cost::Scalar),
    ("$strLenBytes", Cost::Scalar),
    ("$strLenCP", Cost::Scalar),
    ("$strcasecmp", Cost::Scalar),
    ("$substr", Cost::Scalar),
    ("$substrBytes", Cost::Scalar),
    ("$substrCP", Cost::Scalar),
    ("$subtract", Cost::Scalar),
    ("$sum", Cost::Scalar),
    ("$switch", Cost::Holds),
    ("$tan", Cost::Scalar),
    ("$tanh", Cost::Scalar),
    ("$toBool", Cost::Scalar),
    ("$toDate", Cost::Scalar),
    ("$toDecimal", Cost::Scalar),
    ("$toDouble", Cost::Scalar),
    ("$toInt", Cost::Scalar),
    ("$toLong", Cost::Scalar),
    ("$toLower", Cost::Scalar),
    ("$toObjectId", Cost::Scalar),
    ("$toString", Cost::Scalar),
    ("$toUpper", Cost::Scalar),
    ("$trim", Cost::Scalar),
    ("$trunc", Cost::Scalar),
    ("$tsIncrement", Cost::Scalar),
    ("$tsSecond", Cost::Scalar),
    ("$type", Cost::Scalar),
    ("$unsetField", Cost::Holds),
    ("$week", Cost::Scalar),
    ("$year", Cost::Scalar),
    ("$zip", Cost::Loops),
];

/// MongoDB's own variables in expressions. A handler's variables begin with a small letter.
pub(super) const VARIABLES: &[(&str, ())] = &[("CURRENT", ()), ("REMOVE", ()), ("ROOT", ())];

/// Why a name is denied, and what to use instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Denied {
    pub(super) reason: &'static str,
    pub(super) hint: Option<&'static str>,
}

const JAVASCRIPT: Denied = Denied { reason: "it runs JavaScript", hint: None };
const ELSEWHERE: Denied = Denied { reason: "it reaches another collection", hint: None };
const CLOCK: Denied =
    Denied { reason: "MongoDB's clock differs from run to run", hint: Some("use the delivery's `now`") };
const CHANCE: Denied =
    Denied { reason: "it gives another value at every run", hint: Some("use the delivery's `random`") };

/// The names that people are likely to try, and why they are denied.
pub(super) const DENIED: &[(&str, Denied)] = &[
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

/// Returns the entry for a name in a list.
pub(super) fn listed<T: Copy>(list: &[(&str, T)], name: &str) -> Option<T> {
    list.binary_search_by(|(listed, _)| (*listed).cmp(name)).ok().map(|at| list[at].1)
}
