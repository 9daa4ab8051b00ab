//! Extended JSON: documents to text and back, exactly. It must not know which side sends or receives the text.

use serde_json::{Map, Number, Value as Json};

use crate::{DateTime, Decimal, Document, ObjectId, Value, private_keys};

/// How values are written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// The form of documents, in which each type can be recognised.
    Extended,
    /// The form of a log line's fields: plain JSON, for people.
    Plain,
}

/// Returns the document as Extended JSON, or the reason why it cannot be written.
pub(crate) fn render_document(document: &Document) -> Result<String, String> {
    let mut out = Vec::with_capacity(256);
    write_document(&mut out, document, Form::Extended)?;
    Ok(text(out))
}

/// Returns the documents as one Extended JSON array, or the reason why they cannot be written.
pub(crate) fn render_pipeline(stages: &[Document]) -> Result<String, String> {
    let mut out = Vec::with_capacity(256);
    write_all(&mut out, stages.iter(), |out, stage| write_document(out, stage, Form::Extended))?;
    Ok(text(out))
}

/// Returns the document as plain JSON. A value that JSON cannot hold becomes its reason, in words.
pub(crate) fn render_plain(document: &Document) -> String {
    let mut out = Vec::with_capacity(128);
    write_document(&mut out, document, Form::Plain).expect("in the plain form nothing is refused");
    text(out)
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("only whole texts are written")
}

fn write_document(out: &mut Vec<u8>, document: &Document, form: Form) -> Result<(), String> {
    let mut before = b'{';
    for (key, value) in document.iter() {
        out.push(before);
        before = b',';
        write_text(out, key);
        out.push(b':');
        write_value(out, value, form)?;
    }
    if before == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
    Ok(())
}

fn write_all<T>(
    out: &mut Vec<u8>,
    elements: impl Iterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T) -> Result<(), String>,
) -> Result<(), String> {
    out.push(b'[');
    for (place, element) in elements.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, element)?;
    }
    out.push(b']');
    Ok(())
}

fn write_value(out: &mut Vec<u8>, value: &Value, form: Form) -> Result<(), String> {
    let extended = form == Form::Extended;
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int32(number) => write_json(out, number),
        Value::Int64(number) if extended => write_wrapped(out, "$numberLong", &number.to_string()),
        Value::Int64(number) => write_json(out, number),
        Value::Double(number) if extended || !number.is_finite() => {
            write_wrapped(out, "$numberDouble", &double_text(*number));
        }
        Value::Double(number) => write_json(out, number),
        Value::Decimal(number) if extended => write_wrapped(out, "$numberDecimal", number.as_str()),
        Value::Decimal(number) => write_text(out, number.as_str()),
        Value::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
        Value::String(text) => write_text(out, text),
        Value::DateTime(time) if extended => {
            out.extend_from_slice(b"{\"$date\":");
            write_wrapped(out, "$numberLong", &time.millis().to_string());
            out.push(b'}');
        }
        Value::DateTime(time) => write_text(out, &time.to_string()),
        Value::ObjectId(id) if extended => write_wrapped(out, "$oid", &id.to_string()),
        Value::ObjectId(id) => write_text(out, &id.to_string()),
        Value::Array(elements) => write_all(out, elements.iter(), |out, element| write_value(out, element, form))?,
        Value::Document(document) | Value::Other(document) => write_document(out, document, form)?,
        Value::Refused(reason) if extended => return Err(reason.clone()),
        Value::Refused(reason) => write_text(out, reason),
    }
    Ok(())
}

fn write_wrapped(out: &mut Vec<u8>, name: &str, digits: &str) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    out.extend_from_slice(digits.as_bytes());
    out.extend_from_slice(b"\"}");
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_json(out, text);
}

fn write_json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("a text or a number is JSON");
}

fn double_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        format!("{number:?}")
    }
}

/// Reads a document from Extended JSON text.
pub(crate) fn parse_document(text: &str) -> Result<Document, serde_json::Error> {
    let fields: Map<String, Json> = private_keys::read(text)?;
    Ok(fields.into_iter().map(|(key, value)| (key, from_json(value))).collect())
}

/// Reads a value from Extended JSON text.
pub(crate) fn parse_value(text: &str) -> Result<Value, serde_json::Error> {
    private_keys::read(text).map(from_json)
}

fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => Value::number(&number),
        Json::String(text) => Value::String(text),
        Json::Array(elements) => Value::Array(elements.into_iter().map(from_json).collect()),
        Json::Object(fields) => from_object(fields),
    }
}

fn from_object(fields: Map<String, Json>) -> Value {
    if let Some(value) = wrapped(&fields) {
        return value;
    }
    let other = fields.keys().next().is_some_and(|key| OTHERS.contains(&key.as_str()));
    let timestamp = fields.keys().next().is_some_and(|key| key == "$timestamp");
    let part = if timestamp { with_plain_numbers } else { from_json };
    let document = fields.into_iter().map(|(key, value)| (key, part(value))).collect();
    if other { Value::Other(document) } else { Value::Document(document) }
}

/// Reads the inside of a `$timestamp`: its numbers are plain, whatever their size, and not BSON values.
fn with_plain_numbers(json: Json) -> Value {
    match json {
        Json::Number(number) => Value::Number(number),
        Json::Object(fields) => {
            Value::Document(fields.into_iter().map(|(key, value)| (key, with_plain_numbers(value))).collect())
        }
        other => from_json(other),
    }
}

/// The first keys of the types that have no variant of their own.
const OTHERS: &[&str] = &[
    "$binary",
    "$code",
    "$dbPointer",
    "$maxKey",
    "$minKey",
    "$regularExpression",
    "$symbol",
    "$timestamp",
    "$undefined",
    "$uuid",
];

/// Returns the value of an object that represents one of the types with a variant.
fn wrapped(fields: &Map<String, Json>) -> Option<Value> {
    let mut entries = fields.iter();
    let (Some((key, inner)), None) = (entries.next(), entries.next()) else { return None };
    match (key.as_str(), inner) {
        ("$numberInt", Json::String(digits)) => digits.parse().ok().map(Value::Int32),
        ("$numberLong", Json::String(digits)) => digits.parse().ok().map(Value::Int64),
        ("$numberDouble", Json::String(digits)) => digits.parse().ok().map(Value::Double),
        ("$numberDecimal", Json::String(digits)) => digits.parse::<Decimal>().ok().map(Value::Decimal),
        ("$oid", Json::String(digits)) => digits.parse::<ObjectId>().ok().map(Value::ObjectId),
        ("$date", inner) => date(inner).map(Value::DateTime),
        _ => None,
    }
}

/// Returns the point in time that `$date` holds: a text, or a `$numberLong`.
pub(crate) fn date(inner: &Json) -> Option<DateTime> {
    match inner {
        Json::String(text) => text.parse().ok(),
        Json::Object(fields) => match wrapped(fields)? {
            Value::Int64(millis) => Some(DateTime::from_millis(millis)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the JSON from which serde's types read a document: plain numbers, and every other BSON type as its Extended
/// JSON object.
pub(crate) fn to_json(document: &Document) -> Json {
    Json::Object(document.iter().map(|(key, value)| (key.to_owned(), value_to_json(value))).collect())
}

fn value_to_json(value: &Value) -> Json {
    let wrap = |name: &str, inner: Json| Json::Object(Map::from_iter([(name.to_owned(), inner)]));
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int32(number) => Json::from(*number),
        Value::Int64(number) => Json::from(*number),
        Value::Double(number) => Number::from_f64(*number)
            .map_or_else(|| wrap("$numberDouble", Json::String(double_text(*number))), Json::Number),
        Value::Number(number) => Json::Number(number.clone()),
        Value::Decimal(number) => wrap("$numberDecimal", Json::from(number.as_str())),
        Value::String(text) => Json::from(text.as_str()),
        Value::DateTime(time) => wrap("$date", wrap("$numberLong", Json::String(time.millis().to_string()))),
        Value::ObjectId(id) => wrap("$oid", Json::String(id.to_string())),
        Value::Array(elements) => Json::Array(elements.iter().map(value_to_json).collect()),
        Value::Document(document) | Value::Other(document) => to_json(document),
        Value::Refused(reason) => Json::String(reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{array, doc};

    #[test]
    fn every_type_comes_back() {
        let document = doc! {
            "int32": 1, "int64": 1_i64, "double": 1.0, "big": 1e300, "decimal": "1.10".parse::<Decimal>().expect("a decimal"),
            "date": DateTime::from_millis(-62_135_596_800_001), "id": ObjectId::from_bytes([7; 12]),
            "text": "\"\u{1}\u{1f600}", "list": [true, null, []], "empty": {},
        };
        let text = render_document(&document).expect("nothing is refused");
        assert_eq!(parse_document(&text).expect("it is JSON"), document);
        assert!(text.contains(r#""date":{"$date":{"$numberLong":"-62135596800001"}}"#), "{text}");
        assert!(text.contains(r#""double":{"$numberDouble":"1.0"}"#), "{text}");
    }

    #[test]
    fn doubles_that_json_does_not_know() {
        let text = doc! { "a": [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] }.to_string();
        assert_eq!(
            text,
            r#"{"a":[{"$numberDouble":"Infinity"},{"$numberDouble":"-Infinity"},{"$numberDouble":"NaN"}]}"#
        );
        let back = parse_document(&text).expect("it is JSON");
        assert_eq!(back.at("a.0").and_then(Value::as_f64), Some(f64::INFINITY));
        assert!(back.at("a.2").and_then(Value::as_f64).is_some_and(f64::is_nan));
    }

    #[test]
    fn unnamed_types_are_kept() {
        let text = r#"{"b":{"$binary":{"base64":"AQ==","subType":"00"}},"m":{"$minKey":1},"t":{"$timestamp":{"t":4294967295,"i":4294967295}},"l":[{"$timestamp":{"t":0,"i":1}}]}"#;
        let document = parse_document(text).expect("it is JSON");
        assert!(matches!(document.get("b"), Some(Value::Other(_))));
        assert_eq!(document.to_string(), text);
    }

    #[test]
    fn keys_of_serde_json_are_refused() {
        for text in
            [r#"{"$serde_json::private::RawValue":"[1,2]"}"#, r#"{"a":[{"$serde_json::private::Number":"12"}]}"#]
        {
            assert!(parse_document(text).expect_err(text).to_string().contains("private"), "{text}");
            assert!(parse_value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn operators_stay_documents() {
        let document = parse_document(r#"{"a":{"$ne":{"$numberInt":"1"}}}"#).expect("it is JSON");
        assert_eq!(document, doc! { "a": { "$ne": 1 } });
    }

    #[test]
    fn fields_of_a_log_line_are_plain() {
        let fields = doc! { "n": 5_i64, "at": DateTime::from_millis(0), "list": array![1.5] };
        assert_eq!(render_plain(&fields), r#"{"n":5,"at":"1970-01-01T00:00:00Z","list":[1.5]}"#);
    }
}
