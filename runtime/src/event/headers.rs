//! Which of a record's headers a handler sees. Pure.
//!
//! Invariant: what is given depends on the event alone. Debezium's `__debezium.context.*` name the connector, its task
//! and its run, so they differ when the same row is emitted again; a delivery run twice would not be the same.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::event::row::{self, Read};

const DEBEZIUM_CONTEXT: &str = "__debezium.context.";

pub(super) fn kept(headers: &[(&str, Option<&[u8]>)]) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !name.starts_with(DEBEZIUM_CONTEXT))
        .filter_map(|(name, value)| {
            let text = std::str::from_utf8((*value)?).ok()?;
            Some(((*name).to_owned(), text.to_owned()))
        })
        .collect()
}

/// What the first header of that name holds, where it is text. Connect's converter for headers may have written it as
/// JSON, with its schema or without.
pub(super) fn value<'a>(headers: &[(&str, Option<&'a [u8]>)], name: &str) -> Option<Cow<'a, str>> {
    let (_, value) = headers.iter().find(|(found, _)| *found == name)?;
    let text = std::str::from_utf8((*value)?).ok()?;
    Some(unwrapped(text).unwrap_or(Cow::Borrowed(text)))
}

/// The key's text, as any of Connect's converters writes it, or what it is instead.
pub(super) fn key(key: Option<&[u8]>) -> Result<Cow<'_, str>, &'static str> {
    let text = std::str::from_utf8(key.ok_or("absent")?).map_err(|_| "not UTF-8")?;
    if text.is_empty() {
        return Err("empty");
    }
    match (unwrapped(text), serde_json::from_str::<&RawValue>(text)) {
        (Some(text), _) => Ok(text),
        (None, Ok(json)) if matches!(row::kind(json), "an object" | "an array" | "null") => Err(row::kind(json)),
        // A number, or what is no JSON: the text of a plain converter.
        _ => Ok(Cow::Borrowed(text)),
    }
}

/// The text in a JSON string, or in one beside its schema.
fn unwrapped(text: &str) -> Option<Cow<'_, str>> {
    /// What Connect's converter writes where schemas are on.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct WithSchema<'a> {
        #[serde(rename = "schema")]
        _schema: IgnoredAny,
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    let inner = match text.as_bytes().first()? {
        b'{' => serde_json::from_str::<WithSchema<'_>>(text).ok()?.payload,
        b'"' => serde_json::from_str::<&RawValue>(text).ok()?,
        _ => return None,
    };
    match row::string(inner) {
        Read::Text(text) => Some(text),
        Read::NotText if row::is_whole(inner.get()) => Some(Cow::Borrowed(inner.get())),
        Read::Broken | Read::NotText => None,
    }
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn keeps_text_in_order_and_leaves_the_rest_out() {
        let headers: &[(&str, Option<&[u8]>)] = &[
            ("traceparent", Some(b"00-ab-cd-01")),
            ("__debezium.context.runId", Some(b"01a20747")),
            ("binary", Some(b"\xff\xfe")),
            ("null", None),
            ("traceparent", Some("ü".as_bytes())),
            ("empty", Some(b"")),
        ];
        let expected = [("traceparent", "00-ab-cd-01"), ("traceparent", "ü"), ("empty", "")];
        assert_eq!(kept(headers), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
