//! JSON from a handler, on its way into a log line. Pure.

/// How deep the objects and arrays of a log line's fields may nest. Programs that read logs often recurse.
const MAX_DEPTH: usize = 64;

/// Returns the object on one line, with its members as they are written, or `None` if the text is not an object or
/// nests too deep.
///
/// The text is not parsed into values, because a parser gives some keys a meaning of its own, rounds numbers and
/// recurses.
pub(super) fn object(text: &str) -> Option<String> {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if !is_json || !text.trim_start().starts_with('{') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut within, mut escaped) = (0_usize, false, false);
    for letter in text.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => within = !within,
            '{' | '[' if !within => depth += 1,
            '}' | ']' if !within => depth = depth.saturating_sub(1),
            ' ' | '\t' | '\n' | '\r' if !within => continue,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return None;
        }
        out.push(letter);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_as_they_are_written() {
        let cases = [
            ("{ \"a\" : [ 1.10, -0 ],\n\t\"b\":{ } }", r#"{"a":[1.10,-0],"b":{}}"#),
            (r#" {"a b":"c \" } d\\"} "#, r#"{"a b":"c \" } d\\"}"#),
            (r#"{"$serde_json::private::RawValue":"[1,2]"}"#, r#"{"$serde_json::private::RawValue":"[1,2]"}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
        ];
        for (text, expected) in cases {
            assert_eq!(object(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in ["", "[1]", "1", "{", "{\"a\":1}}", "{a:1}", "{\"a\":01}", "\"{}\""] {
            assert_eq!(object(text), None, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert!(object(&nested(MAX_DEPTH)).is_some());
        assert_eq!(object(&nested(MAX_DEPTH + 1)), None);
        assert_eq!(object(&nested(1_000_000)), None);
        let raw = (0..2_000).fold("1".to_owned(), |inner, _| format!("{{\"a\":[{inner}]}}"));
        assert_eq!(object(&raw), None);
    }
}
