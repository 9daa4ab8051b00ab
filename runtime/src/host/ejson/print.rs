//! Raw BSON into canonical Extended JSON text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bson::error::Error;
use bson::{RawBsonRef, RawDocument};

pub(super) fn canonical(value: RawBsonRef<'_>) -> Result<String, Error> {
    let bytes = match value {
        RawBsonRef::Document(document) => document.as_bytes().len(),
        RawBsonRef::Array(array) => array.as_bytes().len(),
        _ => 32,
    };
    // The wrappers of numbers and dates make text longer than BSON, most often by less than half.
    let mut out = String::with_capacity(bytes + bytes / 2);
    write_value(&mut out, value)?;
    Ok(out)
}

fn write_document(out: &mut String, document: &RawDocument) -> Result<(), Error> {
    out.push('{');
    for (at, element) in document.iter().enumerate() {
        let (key, value) = element?;
        if at > 0 {
            out.push(',');
        }
        write_text(out, key.as_str());
        out.push(':');
        write_value(out, value)?;
    }
    out.push('}');
    Ok(())
}

fn write_value(out: &mut String, value: RawBsonRef<'_>) -> Result<(), Error> {
    use RawBsonRef as Raw;
    match value {
        Raw::String(text) => write_text(out, text),
        Raw::Document(document) => write_document(out, document)?,
        Raw::Array(array) => {
            out.push('[');
            for (at, element) in array.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(out, element?)?;
            }
            out.push(']');
        }
        Raw::Boolean(value) => out.push_str(if value { "true" } else { "false" }),
        Raw::Null => out.push_str("null"),
        Raw::Int32(number) => put(out, format_args!(r#"{{"$numberInt":"{number}"}}"#)),
        Raw::Int64(number) => put(out, format_args!(r#"{{"$numberLong":"{number}"}}"#)),
        Raw::Double(number) => write_double(out, number),
        Raw::Decimal128(number) => put(out, format_args!(r#"{{"$numberDecimal":"{number}"}}"#)),
        Raw::DateTime(date) => {
            put(out, format_args!(r#"{{"$date":{{"$numberLong":"{}"}}}}"#, date.timestamp_millis()));
        }
        Raw::ObjectId(oid) => put(out, format_args!(r#"{{"$oid":"{oid}"}}"#)),
        Raw::Binary(binary) => {
            out.push_str(r#"{"$binary":{"base64":""#);
            STANDARD.encode_string(binary.bytes, out);
            put(out, format_args!(r#"","subType":"{:02x}"}}}}"#, u8::from(binary.subtype)));
        }
        Raw::Timestamp(stamp) => {
            put(out, format_args!(r#"{{"$timestamp":{{"t":{},"i":{}}}}}"#, stamp.time, stamp.increment));
        }
        Raw::RegularExpression(regex) => {
            out.push_str(r#"{"$regularExpression":{"pattern":"#);
            write_text(out, regex.pattern.as_str());
            out.push_str(r#","options":"#);
            let mut options: Vec<char> = regex.options.as_str().chars().collect();
            options.sort_unstable();
            write_text(out, &options.into_iter().collect::<String>());
            out.push_str("}}");
        }
        Raw::JavaScriptCode(code) => {
            out.push_str(r#"{"$code":"#);
            write_text(out, code);
            out.push('}');
        }
        Raw::JavaScriptCodeWithScope(code) => {
            out.push_str(r#"{"$code":"#);
            write_text(out, code.code);
            out.push_str(r#","$scope":"#);
            write_document(out, code.scope)?;
            out.push('}');
        }
        Raw::Symbol(text) => {
            out.push_str(r#"{"$symbol":"#);
            write_text(out, text);
            out.push('}');
        }
        // The library keeps the parts of a pointer to itself, and prints them itself.
        Raw::DbPointer(_) => {
            let text = serde_json::to_string(&value).map_err(<Error as serde::ser::Error>::custom)?;
            out.push_str(&text);
        }
        Raw::Undefined => out.push_str(r#"{"$undefined":true}"#),
        Raw::MinKey => out.push_str(r#"{"$minKey":1}"#),
        Raw::MaxKey => out.push_str(r#"{"$maxKey":1}"#),
    }
    Ok(())
}

fn write_double(out: &mut String, number: f64) {
    let text: &dyn std::fmt::Debug = match number {
        number if number.is_nan() => return out.push_str(r#"{"$numberDouble":"NaN"}"#),
        f64::INFINITY => return out.push_str(r#"{"$numberDouble":"Infinity"}"#),
        f64::NEG_INFINITY => return out.push_str(r#"{"$numberDouble":"-Infinity"}"#),
        _ => &number,
    };
    put(out, format_args!(r#"{{"$numberDouble":"{text:?}"}}"#));
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        for letter in text.chars() {
            match letter {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                control if control < ' ' => put(out, format_args!("\\u{:04x}", u32::from(control))),
                plain => out.push(plain),
            }
        }
    } else {
        out.push_str(text);
    }
    out.push('"');
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
