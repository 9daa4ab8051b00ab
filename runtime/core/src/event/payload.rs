//! The payload column: from the form in which Debezium wrote it to the JSON text that the database holds. Pure.
//!
//! A jsonb or json column arrives as a JSON string that holds JSON. An expanded column arrives as an object, or as any
//! other JSON. Both give the inner text verbatim: it is checked to be JSON, but never read into numbers. An SQL null
//! and a JSON null are both `null`.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::event::bounds::{self, MAX_LEVELS};
use crate::event::error::Error;
use crate::event::row::{self, Cell};
use crate::event::unavailable::is_unavailable;

pub(super) fn text(column: &str, cell: Option<&Cell<'_>>) -> Result<String, Error> {
    let json = match cell {
        None => return Err(Error::Missing(column.to_owned())),
        Some(Cell::Json(raw)) if is_unavailable(raw) => return Err(Error::Unavailable(column.to_owned())),
        // It is part of a record that has been read, so it is JSON.
        Some(Cell::Json(raw)) if !raw.get().starts_with('"') => Cow::Borrowed(raw.get()),
        cell => {
            let text = row::text(column, cell)?;
            serde_json::from_str::<IgnoredAny>(&text)
                .map_err(|error| Error::PayloadNotJson { column: column.to_owned(), error })?;
            text
        }
    };
    if bounds::nests_too_deep(&json) {
        return Err(Error::PayloadTooDeep { column: column.to_owned(), levels: MAX_LEVELS });
    }
    Ok(json.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn given(raw: &str) -> Result<String, String> {
        let raw: &RawValue = serde_json::from_str(raw).expect("the test's text is JSON");
        text("payload", Some(&Cell::Json(raw))).map_err(|error| error.to_string())
    }

    #[test]
    fn a_string_gives_its_inner_text_verbatim() {
        let inner = r#"{ "n": 1.50, "big": 12345678901234567890, "e": 1E400, "tab": "\t", "u": "\u00fc\ud83d\ude00" }"#;
        let outer = serde_json::to_string(inner).expect("a text");
        assert_eq!(given(&outer).as_deref(), Ok(inner));
        assert_eq!(given(r#""\u007b\u007d""#).as_deref(), Ok("{}"));
    }

    #[test]
    fn any_json_gives_its_own_text() {
        for json in
            ["{\"a\": 1.0,\n \"b\":[ ]}", "[1e2,-0]", "null", "true", "0.10", r#"{"a":"__debezium_unavailable_value"}"#]
        {
            assert_eq!(given(json).as_deref(), Ok(json));
        }
        for inner in ["null", "\"text\"", "12345678901234567890.00"] {
            let outer = serde_json::to_string(inner).expect("a text");
            assert_eq!(given(&outer).as_deref(), Ok(inner));
        }
    }

    #[test]
    fn a_text_that_is_no_json_is_refused_with_the_place() {
        assert_eq!(
            given(r#""{\"a\": secret}""#),
            Err("the text in the row's payload is not JSON: expected value at line 1 column 7".to_owned())
        );
        for raw in [r#""""#, r#""{} {}""#, r#""{""#, r#""NaN""#, r#""01""#, r#""[1,]""#] {
            assert!(given(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn the_placeholder_is_never_data() {
        for raw in [
            r#""__debezium_unavailable_value""#,
            r#""{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}""#,
            r#"["__debezium_unavailable_value"]"#,
            r#""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==""#,
        ] {
            let refused = given(raw).expect_err("refused");
            assert!(refused.contains("placeholder"), "{refused}");
        }
    }

    #[test]
    fn depth_is_bounded_and_brackets_in_strings_do_not_count() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(given(&deep(127)), Ok(deep(127)));
        assert!(given(&deep(128)).is_err());
        assert!(given(&format!("\"{}\"", deep(128))).is_err());
        assert!(given(&deep(1_000_000)).is_err());
        let wide = format!("[{}[]]", "[],".repeat(1000));
        assert_eq!(given(&wide), Ok(wide.clone()));
        let quoted = format!(r#"["{}\"\\"]"#, "[".repeat(1000));
        assert_eq!(given(&quoted), Ok(quoted.clone()));
        let after = format!(r#"["\"",{},"\\",{}]"#, deep(126), deep(127));
        assert!(given(&after).is_err());
    }

    #[test]
    fn the_bound_is_what_serde_json_reads() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(serde_json::from_str::<serde_json::Value>(&deep(MAX_LEVELS)).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&deep(MAX_LEVELS + 1)).is_err());
    }

    #[test]
    fn a_large_payload_passes_whole() {
        let inner = format!("{{\"a\": \"{}\"}}", "x".repeat(8 << 20));
        let outer = serde_json::to_string(&inner).expect("a text");
        assert_eq!(given(&outer), Ok(inner));
    }
}
