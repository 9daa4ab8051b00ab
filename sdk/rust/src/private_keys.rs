//! Keys that `serde_json` reserves. An object that begins with one silently turns into another value when it is read
//! into `serde_json::Value`. So text with such a key is refused as it enters: payloads, columns, documents.

use serde::de::{DeserializeOwned, Error as _};

const PRIVATE: [&str; 2] = ["$serde_json::private::Number", "$serde_json::private::RawValue"];

/// Reads the value that the JSON text holds.
///
/// # Errors
///
/// If the text is not JSON, does not fit the type, or has such a key.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    match find(text) {
        Some(key) => {
            Err(serde_json::Error::custom(format!("the key `{key}` is one that serde_json takes for its own")))
        }
        None => serde_json::from_str(text),
    }
}

fn find(text: &str) -> Option<&'static str> {
    // Almost no text has such a key, and only an escape can hide it.
    let may_have = text.contains(PRIVATE[0]) || text.contains(PRIVATE[1]) || text.contains("\\u");
    if may_have { strings(text).filter(|(_, is_key)| *is_key).find_map(|(string, _)| named(string)) } else { None }
}

/// Returns the private key that a JSON string, with its quotes, represents.
fn named(string: &str) -> Option<&'static str> {
    // Each character may be written as six.
    if string.len() > 6 * PRIVATE[1].len() + 2 {
        return None;
    }
    let key: String = serde_json::from_str(string).ok()?;
    PRIVATE.into_iter().find(|private| *private == key)
}

/// Returns the strings of JSON text in their order, and whether each is a key. For text that is not JSON, it may return
/// anything.
fn strings(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let from = &rest[rest.find('"')?..];
        let end = end(from)?;
        rest = &from[end..];
        Some((&from[..end], rest.trim_start().starts_with(':')))
    })
}

/// Returns the end of the string with which the text begins.
fn end(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_private_key_is_refused_at_any_depth_and_in_any_spelling() {
        for text in [
            r#"{"$serde_json::private::RawValue":"[1,2]"}"#,
            r#"[{"v":{"$serde_json::private::Number" : "12"}}]"#,
            r#"{"a":1,"$serde_json::private::RawValue":"[]"}"#,
            r#"{"\u0024serde_json::private::\u0052awValue":"[]"}"#,
        ] {
            let error = read::<Value>(text).expect_err(text).to_string();
            assert!(error.starts_with("the key `$serde_json::private::"), "{error}");
        }
    }

    #[test]
    fn everything_else_is_read_as_it_stands() {
        for text in [
            r#"["$serde_json::private::RawValue",{"$serde_json::private::RawValue2":1}]"#,
            r#"{"a":"\"$serde_json::private::RawValue\":\\","\u00fc":12345678901234567890.10}"#,
            r#"{"v":1.50}"#,
        ] {
            let read: Value = read(text).expect(text);
            assert_eq!(read, serde_json::from_str::<Value>(text).expect("JSON"));
        }
        for text in ["", "\"", "\"\\u", "{\"\\u0024serde", "\\u\"\\"] {
            assert!(read::<Value>(text).is_err(), "{text}");
        }
    }
}
