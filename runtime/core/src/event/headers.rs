//! The headers of a record that a handler sees. Pure.
//!
//! Invariant: these depend on the event alone. Debezium's `__debezium.context.*` name the connector, its task and its
//! run, so they differ when the same row is emitted again, and a second run of a delivery would not be the same.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::bounds::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_KEY_BYTES, shown};
use crate::event::error::Error;
use crate::event::json::{self, Read};
use crate::event::schema;

const DEBEZIUM_CONTEXT: &str = "__debezium.context.";

/// Returns the headers that a handler receives, if they are within the bounds.
pub(super) fn kept(headers: &[(&str, Option<&[u8]>)]) -> Result<Vec<(String, String)>, Error> {
    if headers.len() > MAX_HEADERS {
        return Err(Error::TooManyHeaders { count: headers.len(), limit: MAX_HEADERS });
    }
    let bytes = headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum();
    if bytes > MAX_HEADER_BYTES {
        return Err(Error::HeadersTooLarge { bytes, limit: MAX_HEADER_BYTES });
    }
    let kept = headers
        .iter()
        .filter(|(name, _)| !name.starts_with(DEBEZIUM_CONTEXT))
        .filter_map(|(name, value)| {
            let text = std::str::from_utf8((*value)?).ok()?;
            Some(((*name).to_owned(), text.to_owned()))
        })
        .collect();
    Ok(kept)
}

/// Returns the first header of that name if it is text. Connect's converter for headers may have written it as JSON,
/// with its schema or without.
pub(super) fn value<'a>(headers: &[(&str, Option<&'a [u8]>)], name: &str) -> Option<Cow<'a, str>> {
    let (_, value) = headers.iter().find(|(found, _)| *found == name)?;
    let text = std::str::from_utf8((*value)?).ok()?;
    Some(unwrapped(text).unwrap_or(Cow::Borrowed(text)))
}

/// Fails if the first header of one of the names is not text, so that nothing else takes its place.
pub(super) fn check<S: AsRef<str>>(
    headers: &[(&str, Option<&[u8]>)],
    mut names: impl Iterator<Item = S>,
) -> Result<(), Error> {
    let is_wrong = |name: &S| {
        let first = headers.iter().find(|(found, _)| *found == name.as_ref());
        first.and_then(|(_, value)| *value).is_some_and(|value| std::str::from_utf8(value).is_err())
    };
    names.find(is_wrong).map_or(Ok(()), |name| Err(Error::HeaderNotUtf8(shown(name.as_ref()))))
}

/// Returns the key's text, as any of Connect's converters writes it, or what the key is instead.
pub(super) fn key(key: Option<&[u8]>) -> Result<Cow<'_, str>, &'static str> {
    let key = key.ok_or("absent")?;
    if key.len() > MAX_KEY_BYTES {
        return Err("longer than 64 KiB");
    }
    let text = std::str::from_utf8(key).map_err(|_| "not UTF-8")?;
    if text.is_empty() {
        return Err("empty");
    }
    match (unwrapped(text), serde_json::from_str::<&RawValue>(text)) {
        (Some(text), _) => Ok(text),
        (None, Ok(json)) if matches!(json::kind(json), "an object" | "an array" | "null") => Err(json::kind(json)),
        // A number, or not JSON: the text of a plain converter.
        _ => Ok(Cow::Borrowed(text)),
    }
}

/// Returns the text of a JSON string, bare or beside its schema.
fn unwrapped(text: &str) -> Option<Cow<'_, str>> {
    /// The object that Connect's converter writes if schemas are on.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct WithSchema<'a> {
        #[serde(borrow)]
        schema: &'a RawValue,
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    let inner = match text.as_bytes().first()? {
        b'{' => {
            let WithSchema { schema, payload } = serde_json::from_str(text).ok()?;
            schema::describes(schema, payload).then_some(payload)?
        }
        b'"' => serde_json::from_str::<&RawValue>(text).ok()?,
        _ => return None,
    };
    match json::string(inner) {
        Read::Text(text) => Some(text),
        Read::NotText if json::is_whole(inner.get()) => Some(Cow::Borrowed(inner.get())),
        Read::Broken | Read::NotText => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(kept(headers).expect("within the bounds"), expected);
    }

    #[test]
    fn what_is_more_than_the_bounds_is_refused() {
        let one: (&str, Option<&[u8]>) = ("h", Some(b"v"));
        assert_eq!(kept(&vec![one; 1000]).map(|kept| kept.len()).ok(), Some(1000));
        let refused = kept(&vec![one; 1001]).expect_err("too many").to_string();
        assert_eq!(refused, "the record has 1001 headers, and at most 1000 are allowed");
        let large = vec![b'v'; (1 << 20) - 1];
        assert!(kept(&[("h", Some(&large))]).is_ok());
        let refused = kept(&[("h", Some(&large)), ("", Some(b"v"))]).expect_err("too large").to_string();
        assert_eq!(refused, "the record's headers have 1048577 bytes, and at most 1048576 are allowed");
    }

    #[test]
    fn only_connects_schema_is_taken_off() {
        let headers: &[(&str, Option<&[u8]>)] = &[
            ("connects", Some(br#"{"schema":{"type":"string"},"payload":"T"}"#)),
            ("own", Some(br#"{"schema":"s","payload":"T"}"#)),
        ];
        assert_eq!(value(headers, "connects").as_deref(), Some("T"));
        assert_eq!(value(headers, "own").as_deref(), Some(r#"{"schema":"s","payload":"T"}"#));
    }

    #[test]
    fn a_key_has_a_bound() {
        let longest = "k".repeat(64 << 10);
        assert_eq!(key(Some(longest.as_bytes())).as_deref(), Ok(&*longest));
        assert_eq!(key(Some("k".repeat((64 << 10) + 1).as_bytes())), Err("longer than 64 KiB"));
    }
}
