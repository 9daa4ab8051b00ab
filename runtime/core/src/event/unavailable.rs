//! Debezium's placeholder for a value that PostgreSQL did not send because an update left it unchanged (TOAST), in
//! every shape that it has by the column's type. Pure.
//!
//! For arrays of booleans, decimals and enums, and for `bit varying`, Debezium writes null instead. Nothing
//! distinguishes that null from a real one.

use serde_json::value::RawValue;

use crate::event::json::{self, Read};
use crate::event::members::Members;

/// The text itself (`unavailable.value.placeholder`).
pub(super) const UNAVAILABLE: &str = "__debezium_unavailable_value";
/// The placeholder in `bytea`, unless that is written as hexadecimal digits: then it is the text itself.
const BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";
/// The placeholder in an array of UUIDs: the UUID of the text (RFC 9562, version 3, no namespace).
const UUID: &str = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";

/// More bytes than any of these shapes has, however much of it is escaped.
const MOST_BYTES: usize = 512;

/// Returns whether a column's value is the placeholder. This runs for every payload, so a quick check rules out most.
pub(super) fn is_unavailable(raw: &RawValue) -> bool {
    let json = raw.get();
    let may_be = || [UNAVAILABLE, BASE64, "\\u"].iter().any(|part| json.contains(part)) || json.starts_with('[');
    if json.len() > MOST_BYTES || !may_be() {
        return false;
    }
    match json::string(raw) {
        Read::Text(text) => matches!(&*text, UNAVAILABLE | BASE64) || is_map(&text),
        Read::Broken => false,
        Read::NotText => is_list(json) || is_map(json),
    }
}

/// Recognises the placeholder in `hstore`: an object, or the text of one (`hstore.handling.mode`).
fn is_map(json: &str) -> bool {
    if !json.starts_with('{') || !json.contains(UNAVAILABLE) {
        return false;
    }
    let members = Members::of(json);
    let mut all = members.iter();
    let (Some((name, value)), None) = (all.next(), all.next()) else { return false };
    name == UNAVAILABLE && matches!(json::string(value), Read::Text(text) if text == UNAVAILABLE)
}

/// Recognises the placeholder in an array: one text, or the text's bytes as numbers, for dates too.
fn is_list(json: &str) -> bool {
    // The longest is the list of numbers, with a space after each comma.
    if !json.starts_with('[') || json.len() > 5 * UNAVAILABLE.len() + 2 {
        return false;
    }
    let is_text = |items: Vec<&RawValue>| match items[..] {
        [item] => matches!(json::string(item), Read::Text(text) if text == UNAVAILABLE || text == UUID),
        _ => false,
    };
    serde_json::from_str(json).is_ok_and(is_text)
        || serde_json::from_str(json).is_ok_and(|bytes: Vec<u8>| bytes == UNAVAILABLE.as_bytes())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn is(json: &str) -> bool {
        is_unavailable(serde_json::from_str(json).expect("the test's text is JSON"))
    }

    #[test]
    fn the_placeholder_is_known_in_every_shape() {
        for json in [
            r#""__debezium_unavailable_value""#,
            r#""__debezium\u005funavailable_value""#,
            r#""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==""#,
            r#"["__debezium_unavailable_value"]"#,
            r#"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#,
            r#""{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}""#,
            "[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]",
            r#"["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]"#,
        ] {
            assert!(is(json), "{json}");
        }
    }

    #[test]
    fn what_only_holds_it_is_data() {
        for json in [
            r#""text""#,
            "[]",
            "[95,95]",
            "null",
            r#"{"a":"__debezium_unavailable_value"}"#,
            r#"{"__debezium_unavailable_value":1}"#,
            r#"{"__debezium_unavailable_value":"__debezium_unavailable_value","a":1}"#,
            r#"["a","__debezium_unavailable_value"]"#,
            r#""\"__debezium_unavailable_value\"""#,
            r#""\ud83d""#,
        ] {
            assert!(!is(json), "{json}");
        }
    }

    #[test]
    fn the_encoded_shape_is_of_the_text() {
        assert_eq!(STANDARD.encode(UNAVAILABLE), BASE64);
    }
}
