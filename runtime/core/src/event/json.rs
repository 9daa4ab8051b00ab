//! The kinds of JSON, and the text of a string. Pure.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Returns whether the text is decimal digits, with or without a minus.
pub(super) fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text of a JSON string.
pub(super) enum Read<'a> {
    Text(Cow<'a, str>),
    /// It has an escape that is not a character.
    Broken,
    /// The value is another kind of JSON.
    NotText,
}

/// Returns the text of a JSON string, without its escapes.
pub(super) fn string(raw: &RawValue) -> Read<'_> {
    let Some(inner) = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return Read::NotText };
    if !inner.contains('\\') {
        return Read::Text(Cow::Borrowed(inner));
    }
    match serde_json::from_str(raw.get()) {
        Ok(text) => Read::Text(Cow::Owned(text)),
        Err(_) => Read::Broken,
    }
}

/// Returns the kind of JSON that this is, in words for people.
pub(super) fn kind(raw: &RawValue) -> &'static str {
    kind_of(raw.get())
}

/// Does the same for JSON text without white space before it.
pub(super) fn kind_of(json: &str) -> &'static str {
    match json.bytes().next() {
        Some(b'"') => "a text",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}
