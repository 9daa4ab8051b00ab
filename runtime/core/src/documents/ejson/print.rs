//! Prints raw BSON as canonical Extended JSON text.
//!
//! The BSON may come from MongoDB, and so hold anything that MongoDB stores. Its length, its depth and repeated keys
//! are checked here, because nothing has checked them before.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bson::raw::{RawJavaScriptCodeWithScopeRef, RawRegexRef};
use bson::{RawBsonRef, RawDocument};

use super::{MAX_PRINTED_DEPTH, shown};

/// Up to this many keys of a document are compared with each other to find a repeated one. If there are more, they are
/// sorted.
const COMPARED: usize = 16;

/// The most bytes of a regular expression's options that are sorted. MongoDB knows six letters.
const SORTED_OPTIONS: usize = 64;

/// Why no Extended JSON text preserves a document.
#[derive(Debug, thiserror::Error)]
pub enum Unprintable {
    /// It is not BSON, or a value is not valid for its type.
    #[error("its bytes are not BSON: {0}")]
    Malformed(#[from] bson::error::Error),
    /// A key is repeated, so a reader of JSON would see only one of the two values.
    #[error("the key {0:?} occurs twice")]
    RepeatedKey(String),
    /// It is nested deeper than anything that MongoDB stores.
    #[error("nested deeper than {MAX_PRINTED_DEPTH} levels")]
    TooDeep,
    /// Its text is longer than the caller allows.
    #[error("its text is longer than {0} bytes")]
    TooLong(usize),
}

type Printed = Result<(), Unprintable>;

pub(super) fn canonical(value: RawBsonRef<'_>, most: usize) -> Result<String, Unprintable> {
    let bytes = match value {
        RawBsonRef::Document(document) => document.as_bytes().len(),
        RawBsonRef::Array(array) => array.as_bytes().len(),
        _ => 32,
    };
    // The wrappers of numbers and dates make the text longer than the BSON, usually by less than half.
    let out = String::with_capacity((bytes + bytes / 2).min(most));
    let mut printer = Printer { out, most, depth: 0, keys: Vec::new() };
    printer.value(value)?;
    printer.check()?;
    Ok(printer.out)
}

struct Printer<'a> {
    out: String,
    /// The most bytes of text.
    most: usize,
    depth: usize,
    /// The keys of the documents that are open.
    keys: Vec<&'a str>,
}

impl<'a> Printer<'a> {
    fn document(&mut self, document: &'a RawDocument) -> Printed {
        self.enter()?;
        let frame = self.keys.len();
        self.out.push('{');
        for (at, element) in document.iter().enumerate() {
            let (key, value) = element?;
            if at > 0 {
                self.out.push(',');
            }
            self.keys.push(key.as_str());
            self.text(key.as_str())?;
            self.out.push(':');
            self.value(value)?;
        }
        self.out.push('}');
        self.refuse_repeated(frame)?;
        self.keys.truncate(frame);
        self.depth -= 1;
        Ok(())
    }

    fn value(&mut self, value: RawBsonRef<'a>) -> Printed {
        use RawBsonRef as Raw;
        self.check()?;
        match value {
            Raw::String(text) => self.text(text)?,
            Raw::Document(document) => self.document(document)?,
            Raw::Array(array) => self.array(array)?,
            Raw::Boolean(value) => self.out.push_str(if value { "true" } else { "false" }),
            Raw::Null => self.out.push_str("null"),
            Raw::Int32(number) => self.put(format_args!(r#"{{"$numberInt":"{number}"}}"#)),
            Raw::Int64(number) => self.put(format_args!(r#"{{"$numberLong":"{number}"}}"#)),
            Raw::Double(number) => self.double(number),
            Raw::Decimal128(number) => self.put(format_args!(r#"{{"$numberDecimal":"{number}"}}"#)),
            Raw::DateTime(date) => {
                self.put(format_args!(r#"{{"$date":{{"$numberLong":"{}"}}}}"#, date.timestamp_millis()));
            }
            Raw::ObjectId(oid) => self.put(format_args!(r#"{{"$oid":"{oid}"}}"#)),
            Raw::Binary(binary) => {
                self.room_for(binary.bytes.len() / 3 * 4)?;
                self.out.push_str(r#"{"$binary":{"base64":""#);
                STANDARD.encode_string(binary.bytes, &mut self.out);
                self.put(format_args!(r#"","subType":"{:02x}"}}}}"#, u8::from(binary.subtype)));
            }
            Raw::Timestamp(stamp) => {
                self.put(format_args!(r#"{{"$timestamp":{{"t":{},"i":{}}}}}"#, stamp.time, stamp.increment));
            }
            Raw::RegularExpression(regex) => self.regular_expression(regex)?,
            Raw::JavaScriptCode(code) => self.wrapped("$code", code)?,
            Raw::JavaScriptCodeWithScope(code) => self.code_with_scope(code)?,
            Raw::Symbol(text) => self.wrapped("$symbol", text)?,
            // The library does not expose the parts of a pointer, so it must print them itself.
            Raw::DbPointer(_) => {
                let text = serde_json::to_string(&value).map_err(<bson::error::Error as serde::ser::Error>::custom)?;
                self.out.push_str(&text);
            }
            Raw::Undefined => self.out.push_str(r#"{"$undefined":true}"#),
            Raw::MinKey => self.out.push_str(r#"{"$minKey":1}"#),
            Raw::MaxKey => self.out.push_str(r#"{"$maxKey":1}"#),
        }
        Ok(())
    }

    fn array(&mut self, array: &'a bson::RawArray) -> Printed {
        self.enter()?;
        self.out.push('[');
        for (at, element) in array.into_iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.value(element?)?;
        }
        self.out.push(']');
        self.depth -= 1;
        Ok(())
    }

    fn double(&mut self, number: f64) {
        let text: &dyn std::fmt::Debug = match number {
            number if number.is_nan() => return self.out.push_str(r#"{"$numberDouble":"NaN"}"#),
            f64::INFINITY => return self.out.push_str(r#"{"$numberDouble":"Infinity"}"#),
            f64::NEG_INFINITY => return self.out.push_str(r#"{"$numberDouble":"-Infinity"}"#),
            _ => &number,
        };
        self.put(format_args!(r#"{{"$numberDouble":"{text:?}"}}"#));
    }

    fn regular_expression(&mut self, regex: RawRegexRef<'a>) -> Printed {
        let options = regex.options.as_str();
        self.out.push_str(r#"{"$regularExpression":{"pattern":"#);
        self.text(regex.pattern.as_str())?;
        self.out.push_str(r#","options":"#);
        if options.len() <= SORTED_OPTIONS {
            let mut options: Vec<char> = options.chars().collect();
            options.sort_unstable();
            self.text(&options.into_iter().collect::<String>())?;
        } else {
            self.text(options)?;
        }
        self.out.push_str("}}");
        Ok(())
    }

    fn code_with_scope(&mut self, code: RawJavaScriptCodeWithScopeRef<'a>) -> Printed {
        self.enter()?;
        self.out.push_str(r#"{"$code":"#);
        self.text(code.code)?;
        self.out.push_str(r#","$scope":"#);
        self.document(code.scope)?;
        self.out.push('}');
        self.depth -= 1;
        Ok(())
    }

    fn wrapped(&mut self, name: &str, text: &str) -> Printed {
        self.put(format_args!(r#"{{"{name}":"#));
        self.text(text)?;
        self.out.push('}');
        Ok(())
    }

    fn text(&mut self, text: &str) -> Printed {
        self.room_for(text.len())?;
        self.out.push('"');
        if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            for letter in text.chars() {
                match letter {
                    '"' => self.out.push_str("\\\""),
                    '\\' => self.out.push_str("\\\\"),
                    '\n' => self.out.push_str("\\n"),
                    '\r' => self.out.push_str("\\r"),
                    '\t' => self.out.push_str("\\t"),
                    control if control < ' ' => {
                        self.check()?;
                        self.put(format_args!("\\u{:04x}", u32::from(control)));
                    }
                    plain => self.out.push(plain),
                }
            }
        } else {
            self.out.push_str(text);
        }
        self.out.push('"');
        Ok(())
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
    }

    /// Goes one level down. Everything that recurses calls this first.
    fn enter(&mut self) -> Printed {
        self.depth += 1;
        if self.depth > MAX_PRINTED_DEPTH { Err(Unprintable::TooDeep) } else { Ok(()) }
    }

    fn check(&self) -> Printed {
        self.room_for(0)
    }

    fn room_for(&self, bytes: usize) -> Printed {
        if self.out.len().saturating_add(bytes) <= self.most { Ok(()) } else { Err(Unprintable::TooLong(self.most)) }
    }

    fn refuse_repeated(&mut self, frame: usize) -> Printed {
        let keys = &mut self.keys[frame..];
        let repeated = if keys.len() <= COMPARED {
            keys.iter().enumerate().find(|(at, key)| keys[..*at].contains(key)).map(|(_, key)| *key)
        } else {
            keys.sort_unstable();
            keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
        };
        repeated.map_or(Ok(()), |key| Err(Unprintable::RepeatedKey(shown(key).to_owned())))
    }
}
