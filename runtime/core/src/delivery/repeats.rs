//! Merges a statement that is repeated several times into one. Pure.
//!
//! A document in which many events are counted, such as statistics, is written by the same statement again and again,
//! and each one costs MongoDB as much as the first. An operator that sets a value, or adds to a set, has no effect the
//! second time, and an amount is multiplied. This skips intermediate values that nobody would see, and a double is
//! rounded once and not each time.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

/// Operators that change nothing the second time.
const IDEMPOTENT: [&str; 6] = ["$set", "$unset", "$min", "$max", "$addToSet", "$setOnInsert"];
const INC: &str = "$inc";
/// The members that a statement may have. A filter of array elements is not among them, because it may no longer match
/// the second time.
const MEMBERS: [&str; 4] = ["q", "u", "multi", "upsert"];

/// Returns one statement with the effect of repeating an update of a single `_id` that many times. Returns none if
/// there is no such statement: it has another operator, or an amount that is no whole number or overflows its type.
pub(super) fn times(statement: &RawDocument, count: usize) -> Option<RawDocumentBuf> {
    let update = statement.get("u").ok()??.as_document()?;
    let mut repeated = RawDocumentBuf::new();
    for part in update {
        let (operator, fields) = part.ok()?;
        if operator.as_str() == INC {
            repeated.append(operator, added(fields.as_document()?, count)?);
        } else if IDEMPOTENT.contains(&operator.as_str()) {
            repeated.append(operator, fields);
        } else {
            return None;
        }
    }
    let mut all = RawDocumentBuf::new();
    for part in statement {
        match part.ok()? {
            (name, _) if name.as_str() == "u" => all.append(name, repeated.clone()),
            (name, value) if MEMBERS.contains(&name.as_str()) => all.append(name, value),
            _ => return None,
        }
    }
    Some(all)
}

fn added(fields: &RawDocument, count: usize) -> Option<RawDocumentBuf> {
    let mut all = RawDocumentBuf::new();
    for field in fields {
        match field.ok()? {
            (name, RawBsonRef::Int32(n)) => all.append(name, n.checked_mul(i32::try_from(count).ok()?)?),
            (name, RawBsonRef::Int64(n)) => all.append(name, n.checked_mul(i64::try_from(count).ok()?)?),
            _ => return None,
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn amounts_are_multiplied_and_the_rest_stands() {
        let update = |n: i32, m: i64| {
            rawdoc! {
                "q": { "_id": "a" },
                "u": { "$inc": { "n": n, "m": m }, "$set": { "at": 7 }, "$addToSet": { "who": "x" } },
                "upsert": true,
            }
        };
        assert_eq!(times(&update(2, -3), 4), Some(update(8, -12)));
        assert_eq!(times(&update(i32::MAX, 1), 2), None, "it would become another type");
        assert_eq!(times(&update(1, i64::MAX), 2), None);
    }

    #[test]
    fn what_is_not_the_same_the_second_time_is_no_single_statement() {
        for update in [
            rawdoc! { "$push": { "list": 1 } },
            rawdoc! { "$mul": { "n": 2 } },
            rawdoc! { "$inc": { "n": 0.1 } },
            rawdoc! { "$bit": { "n": { "xor": 1 } } },
            rawdoc! { "$set": { "a": 1 }, "$pop": { "list": 1 } },
        ] {
            assert_eq!(times(&rawdoc! { "q": { "_id": 1 }, "u": update.clone() }, 2), None, "{update:?}");
        }
        let pipeline = rawdoc! { "q": { "_id": 1 }, "u": [{ "$set": { "n": { "$add": ["$n", 1] } } }] };
        assert_eq!(times(&pipeline, 2), None);
        assert_eq!(times(&rawdoc! { "q": { "_id": 1 } }, 2), None);
        let filtered =
            rawdoc! { "q": { "_id": 1 }, "u": { "$inc": { "a.$[x].n": 1 } }, "arrayFilters": [{ "x.n": 0 }] };
        assert_eq!(times(&filtered, 2), None);
    }
}
