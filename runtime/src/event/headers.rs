//! Which of a record's headers a handler sees. Pure.
//!
//! Invariant: what is given depends on the event alone. Debezium's `__debezium.context.*` name the connector, its task
//! and its run, so they differ when the same row is emitted again; a delivery run twice would not be the same.

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

/// The first header of that name, where it is text.
pub(super) fn text<'a>(headers: &[(&str, Option<&'a [u8]>)], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(found, _)| *found == name)?;
    std::str::from_utf8((*value)?).ok()
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
