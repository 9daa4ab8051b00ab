//! Regular expressions, whose search of a single text MongoDB does not interrupt. Pure.
//!
//! MongoDB 6.0.5 searched 15 MiB for `x*y` for more than ten minutes, in spite of `maxTimeMS` and `killOp`. So with
//! `expressions = "safe"` a pattern may use neither repetition nor alternatives, and a search then takes as long as the
//! text times the pattern. A pattern that is anchored to the beginning of the text costs no more than its own length.
//! The others may have at most [`MOST_BYTES`] together: patterns with four times as many bytes kept the same server
//! busy for 7 to 33 s with one text of 15 MiB, on a busy machine.

use bson::{RawBsonRef, RawDocument, RawRegexRef};

use super::{Check, Objection, each, each_of};
use crate::documents::Expressions;

/// The most bytes of the patterns in one argument that may match anywhere in a text.
const MOST_BYTES: usize = 32;
/// The letters that may follow a backslash: character classes, word boundaries, and control characters.
const ESCAPED: &str = "dDwWsSbBtnrfv";

/// Checks every pattern in an argument, wherever it occurs.
pub(super) fn check(value: RawBsonRef<'_>, expressions: Expressions) -> Check {
    match expressions {
        Expressions::All => Ok(()),
        Expressions::Safe => Patterns { bytes: std::cell::Cell::new(0) }.walk(value),
    }
}

struct Patterns {
    bytes: std::cell::Cell<usize>,
}

impl Patterns {
    fn walk(&self, value: RawBsonRef<'_>) -> Check {
        match value {
            RawBsonRef::Document(document) => {
                let options = text(document, "$options")?.unwrap_or_default();
                each(document, |key, value| match (key, value) {
                    ("$regex", pattern) => self.given(pattern, options),
                    ("$regexMatch" | "$regexFind", RawBsonRef::Document(arguments)) => self.expression(arguments),
                    (_, value) => self.walk(value),
                })
            }
            RawBsonRef::Array(array) => each_of(array, |value| self.walk(value)),
            RawBsonRef::RegularExpression(RawRegexRef { pattern, options, .. }) => {
                self.pattern(pattern.as_str(), options.as_str())
            }
            _ => Ok(()),
        }
    }

    /// Checks the arguments of `$regexMatch` or `$regexFind`, whose pattern may itself be an expression.
    fn expression(&self, arguments: &RawDocument) -> Check {
        let options = text(arguments, "options")?.unwrap_or_default();
        each(arguments, |key, value| match (key, value) {
            ("regex" | "options", RawBsonRef::String(text)) if text.starts_with('$') => Err(computed(key)),
            ("regex" | "options", RawBsonRef::Document(_) | RawBsonRef::Array(_)) => Err(computed(key)),
            ("regex", pattern) => self.given(pattern, options),
            (_, value) => self.walk(value),
        })
    }

    /// Checks a text or a regular expression. The latter may have its own options and others beside it.
    fn given(&self, pattern: RawBsonRef<'_>, options: &str) -> Check {
        match pattern {
            RawBsonRef::String(pattern) => self.pattern(pattern, options),
            RawBsonRef::RegularExpression(regex) => {
                self.pattern(regex.pattern.as_str(), &[regex.options.as_str(), options].concat())
            }
            other => self.walk(other),
        }
    }

    fn pattern(&self, pattern: &str, options: &str) -> Check {
        if options.contains('x') {
            return Err(refused("the option `x` is not allowed"));
        }
        if let Some(found) = costly(pattern) {
            return Err(refused(&format!("`{found}` is not allowed in a regular expression")));
        }
        if pattern.starts_with('^') && !options.contains('m') {
            return Ok(());
        }
        self.bytes.set(self.bytes.get().saturating_add(pattern.len()));
        if self.bytes.get() <= MOST_BYTES {
            return Ok(());
        }
        Err(refused(&format!(
            "regular expressions that do not begin with `^` and have more than {MOST_BYTES} bytes together are not allowed"
        )))
    }
}

/// Returns the part of a pattern that makes a search take longer than the text times the pattern, or that is not known
/// to be harmless.
fn costly(pattern: &str) -> Option<String> {
    let mut letters = pattern.chars();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(escaped) if escaped.is_ascii_alphanumeric() && !ESCAPED.contains(escaped) => {
                    return Some(format!("\\{escaped}"));
                }
                _ => {}
            },
            '[' => in_class = true,
            ']' => in_class = false,
            '*' | '+' | '?' | '{' | '|' if !in_class => return Some(letter.to_string()),
            _ => {}
        }
    }
    None
}

fn text<'a>(document: &'a RawDocument, key: &str) -> Result<Option<&'a str>, Objection> {
    Ok(document.get(key)?.and_then(RawBsonRef::as_str))
}

fn computed(key: &str) -> Objection {
    refused("a pattern that MongoDB computes is not allowed").within(key)
}

fn refused(what: &str) -> Objection {
    let setting = "the handler's setting `expressions = \"safe\"`";
    let fact = format!("{what} by {setting}: MongoDB does not interrupt the search of a text");
    let hint = "begin the pattern with `^` and a fixed text, match in the handler, or set `expressions = \"all\"` for this \
                handler in weir.toml";
    Objection::denied(fact).hinting(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::ejson;

    fn checked(text: &str) -> Check {
        let value = ejson::parse_value(text).unwrap_or_else(|invalid| panic!("{text}: {invalid}"));
        assert_eq!(check(value.as_raw_bson_ref(), Expressions::All), Ok(()), "{text}");
        check(value.as_raw_bson_ref(), Expressions::Safe)
    }

    #[test]
    fn patterns_that_take_no_longer_than_the_text_are_allowed() {
        for text in [
            r#"{"a":{"$regex":"^user-[0-9]","$options":"i"}}"#,
            r#"{"a":{"$not":{"$regex":"@example\\.com$"}},"b":{"$in":[{"$regularExpression":{"pattern":"^[+*?|{]","options":""}}]}}"#,
            r#"{"$expr":{"$regexMatch":{"input":"$a","regex":"^\\d\\d:\\d\\d"}}}"#,
            r#"{"a":"x*y","b":{"$eq":"x+"}}"#,
        ] {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
        let long = format!(r#"{{"a":{{"$regex":"^{}"}}}}"#, "x".repeat(1000));
        assert_eq!(checked(&long), Ok(()));
    }

    #[test]
    fn what_repeats_chooses_or_is_computed_is_refused() {
        for pattern in [
            "x*y",
            "x+y",
            "^x?x?xx",
            "a{2,}",
            "^(a|b)",
            "(?i)a",
            "(*UTF8)a",
            r"\\R",
            r"\\Q[\\E*",
            r"[\\pL]",
            "[]a]*",
            "[^]*",
            "[[:alpha:]]*",
            r"\\1",
        ] {
            for text in [
                format!(r#"{{"a":{{"$regex":"{pattern}"}}}}"#),
                format!(r#"{{"$or":[{{"a":{{"$elemMatch":{{"b":{{"$regex":"{pattern}"}}}}}}}}]}}"#),
                format!(r#"{{"a":{{"$regularExpression":{{"pattern":"{pattern}","options":""}}}}}}"#),
                format!(r#"{{"a":{{"$nin":[1,{{"$regularExpression":{{"pattern":"{pattern}","options":""}}}}]}}}}"#),
                format!(
                    r#"[{{"$set":{{"a":{{"$cond":[{{"$regexFind":{{"input":"$a","regex":"{pattern}"}}}},1,2]}}}}}}]"#
                ),
            ] {
                let objection = checked(&text).expect_err(&text);
                assert!(objection.message.contains("expressions = \"safe\""), "{text}: {objection}");
            }
        }
        for text in [
            r#"{"$expr":{"$regexMatch":{"input":"$a","regex":"$b"}}}"#,
            r#"{"$expr":{"$regexMatch":{"input":"$a","regex":{"$concat":["x","*"]}}}}"#,
            r#"{"$expr":{"$regexMatch":{"input":"$a","regex":"^x","options":"$b"}}}"#,
            r#"{"$expr":{"$regexMatch":{"input":"$a","regex":{"$regularExpression":{"pattern":"^a","options":""}},"options":"x"}}}"#,
            r#"{"a":{"$regex":"^a # [\n*","$options":"x"}}"#,
            r#"{"a":{"$regex":{"$regularExpression":{"pattern":"^a","options":""}},"$options":"x"}}"#,
        ] {
            assert!(checked(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_that_match_anywhere_are_short() {
        let filter = |patterns: &[&str], options: &str| {
            let each = |pattern: &&str| format!(r#"{{"a":{{"$regex":"{pattern}","$options":"{options}"}}}}"#);
            format!(r#"{{"$or":[{}]}}"#, patterns.iter().map(each).collect::<Vec<_>>().join(","))
        };
        let half = "x".repeat(MOST_BYTES / 2);
        assert_eq!(checked(&filter(&[&half, &half], "")), Ok(()));
        assert!(checked(&filter(&[&half, &half, "y"], "")).is_err());
        let anchored = format!("^{}", "x".repeat(MOST_BYTES));
        assert_eq!(checked(&filter(&[&anchored], "i")), Ok(()));
        assert!(checked(&filter(&[&anchored], "m")).is_err());
    }
}
