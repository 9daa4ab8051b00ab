//! Texts and documents that exceed a bound, for each bound. The tests check how much memory is held, never a time.

use std::fmt::Write as _;

use bson::raw::RawJavaScriptCodeWithScope;
use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf, cstr, rawdoc};
use proptest::prelude::*;

use super::parse::Parser;
use super::*;

/// Many times deeper than a thread's stack allows.
const LEVELS: usize = 1_000_000;

/// A level that may hold another: its text before and after, and how many levels of BSON it adds.
#[derive(Debug, Clone, Copy)]
struct Level(&'static str, &'static str, usize);

const NESTING: [Level; 6] = [
    Level("[", "]", 1),
    Level("{\"a\":", "}", 1),
    Level("{\"a\":0,\"b\":[", "]}", 2),
    Level("{\"$code\":\"c\",\"$scope\":{\"s\":", "}}", 2),
    Level("{\"$scope\":{\"s\":", "},\"$code\":\"c\"}", 2),
    Level("{\"\\u0024scope\":{\"s\":[", "]},\"$code\":\"c\"}", 3),
];

/// Beginnings that write no BSON, or that fail on the way back up.
const BEGINNINGS: [&str; 4] =
    ["{\"$scope\":", "{\"$code\":\"\",\"$scope\":", "{\"a\":[{\"$scope\":", "[{\"$code\":\"\",\"$scope\":{\"a\":"];

/// Wrappers that take no document, so that one within another is refused at once.
const FLAT: [&str; 17] = [
    "{\"$binary\":",
    "{\"$binary\":{\"base64\":",
    "{\"$code\":",
    "{\"$date\":",
    "{\"$date\":{\"$numberLong\":",
    "{\"$dbPointer\":{\"$id\":",
    "{\"$dbPointer\":{\"$ref\":",
    "{\"$maxKey\":",
    "{\"$minKey\":",
    "{\"$numberDecimal\":",
    "{\"$numberDouble\":",
    "{\"$numberLong\":",
    "{\"$oid\":",
    "{\"$regularExpression\":{\"pattern\":",
    "{\"$timestamp\":{\"t\":",
    "{\"$undefined\":",
    "{\"$uuid\":",
];

fn refused(text: &str) -> Invalid {
    let of_document = parse_document(&format!("{{\"a\":{text}")).expect_err("refused");
    let of_value = parse_value(text).expect_err("refused");
    assert_eq!(of_document.message, of_value.message);
    of_value
}

#[test]
fn a_million_levels_are_refused_at_the_first_that_is_too_deep() {
    for beginning in NESTING.iter().map(|level| level.0).chain(BEGINNINGS) {
        let invalid = refused(&beginning.repeat(LEVELS));
        assert_eq!(invalid.message, "nested deeper than 64 levels", "{beginning}");
    }
    for beginning in FLAT {
        let invalid = refused(&beginning.repeat(LEVELS));
        assert!(invalid.path.len() < 8, "{beginning}: {invalid}");
    }
}

proptest! {
    #[test]
    fn levels_of_every_kind_count(kinds in proptest::collection::vec(0..NESTING.len(), 0..90)) {
        let levels = kinds.iter().map(|kind| NESTING[*kind]);
        let text = levels.clone().rev().fold("null".to_owned(), |inner, Level(before, after, _)| {
            format!("{before}{inner}{after}")
        });
        let depth: usize = levels.map(|level| level.2).sum();
        match parse_value(&text) {
            Ok(value) => {
                prop_assert!(depth <= MAX_DEPTH, "{depth}: {text}");
                let printed = value_to_canonical(value.as_raw_bson_ref(), usize::MAX).expect("printed");
                prop_assert_eq!(parse_value(&printed), Ok(value));
            }
            Err(invalid) => {
                prop_assert!(depth > MAX_DEPTH, "{depth}: {text}: {invalid}");
                prop_assert!(invalid.message.contains("nested deeper"), "{}", invalid);
            }
        }
    }

    #[test]
    fn beginnings_of_every_kind_never_overflow(
        kinds in proptest::collection::vec(0..NESTING.len() + BEGINNINGS.len() + FLAT.len(), 1..6),
        times in 1_usize..20_000,
    ) {
        let beginnings: Vec<&str> = NESTING.iter().map(|level| level.0).chain(BEGINNINGS).chain(FLAT).collect();
        let round: String = kinds.iter().map(|kind| beginnings[*kind]).collect();
        prop_assert!(parse_value(&round.repeat(times)).is_err());
    }
}

#[test]
fn a_leaf_that_is_written_as_an_object_adds_no_level() {
    for (leaf, canonical) in [("1", "{\"$numberInt\":\"1\"}"), ("{\"$oid\":\"5a5a5a5a5a5a5a5a5a5a5a5a\"}", "")] {
        let text = format!("{}{leaf}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        let value = parse_value(&text).expect("as deep as may be");
        let printed = value_to_canonical(value.as_raw_bson_ref(), usize::MAX).expect("printed");
        assert!(printed.contains(if canonical.is_empty() { leaf } else { canonical }));
        assert_eq!(parse_value(&printed).as_ref(), Ok(&value));
    }
}

/// Returns the error, and the memory that the parser holds when it gives up.
fn held(text: &str) -> (Invalid, usize) {
    let mut parser = Parser::new(text).expect("the text itself is not too long");
    let invalid = parser.value().expect_err("too large");
    (invalid, parser.held())
}

#[test]
fn small_text_of_large_bson_is_refused_before_it_is_held() {
    let text_bytes = 15 << 20;
    let many = |element: &str| element.repeat(text_bytes / element.len());
    let mut keys = String::new();
    for n in 0..1_500_000 {
        write!(keys, "\"{n:x}\":0,").expect("a String takes everything");
    }
    let scope = format!("{{\"$scope\":{{\"a\":[{}0]}},\"$code\":\"\"}}", many("0,"));
    let texts = [
        format!("[{}1]", many("1,")),
        format!("{{{keys}\"end\":[{}0]}}", many("0,")),
        format!("[{scope}]"),
        format!("[{}", many("{\"a\":[1,\"\"]},")),
    ];
    for text in texts {
        let (invalid, held) = held(&text);
        let beginning = &text[..20];
        assert!(invalid.too_large, "{beginning}: {invalid}");
        assert!(invalid.message.starts_with("more than 16777216 bytes of BSON"), "{beginning}: {invalid}");
        assert!(held <= 2 * MAX_BYTES + (32 << 20), "{beginning}: {held}");
    }
}

#[test]
fn a_value_longer_than_mongodb_takes_is_refused_before_it_is_copied() {
    let long = "x".repeat(MAX_BYTES + 1);
    let base64 = "AAAA".repeat(MAX_BYTES / 3 + 1);
    let texts = [
        format!("\"{long}\""),
        format!("{{\"{long}\":1}}"),
        format!("{{\"$symbol\":\"{long}\"}}"),
        format!("{{\"$code\":\"{long}\"}}"),
        format!("{{\"$code\":\"{long}\",\"$scope\":{{}}}}"),
        format!("{{\"$binary\":{{\"base64\":\"{base64}\",\"subType\":\"00\"}}}}"),
        format!("{{\"$regularExpression\":{{\"pattern\":\"{long}\",\"options\":\"\"}}}}"),
        format!("{{\"$dbPointer\":{{\"$ref\":\"{long}\",\"$id\":{{\"$oid\":\"5a5a5a5a5a5a5a5a5a5a5a5a\"}}}}}}"),
    ];
    for text in texts {
        let (invalid, held) = held(&text);
        assert!(invalid.too_large, "{}: {invalid}", &text[..20]);
        assert!(held <= MAX_BYTES + 4_096, "{}: {held}", &text[..20]);
    }
}

#[test]
fn text_is_bounded_whatever_it_says() {
    let invalid = parse_value(&" ".repeat(MAX_TEXT_BYTES + 1)).expect_err("too long");
    assert!(invalid.too_large, "{invalid}");
    assert!(invalid.message.contains("134217729 bytes of text"), "{invalid}");
}

#[test]
fn the_parts_of_wrappers_are_bounded() {
    let regex = |options: usize| {
        parse_value(&format!("{{\"$regularExpression\":{{\"pattern\":\"\",\"options\":\"{}\"}}}}", "i".repeat(options)))
    };
    assert!(regex(64).is_ok());
    assert!(regex(65).expect_err("too long").message.contains("at most 64 bytes of options"));
    let decimal = |zeros: usize| parse_value(&format!("{{\"$numberDecimal\":\"0.{}1\"}}", "0".repeat(zeros)));
    assert!(decimal(6_175).is_ok());
    assert!(decimal(8_192).is_err());
}

#[test]
fn what_is_kept_has_no_room_to_spare() {
    let spaces = " ".repeat(1 << 20);
    for text in [format!("{{{spaces}\"a\":1}}"), format!("{{\"a\":{{\"$numberLong\":{spaces}\"1\"}}}}")] {
        let document = parse_document(&text).expect("parsed").into_bytes();
        assert!(document.capacity() <= document.len() + 128, "{}", document.capacity());
    }
}

/// Builds a document with this many levels, without the parser.
fn nested(levels: usize) -> RawDocumentBuf {
    (1..levels).fold(rawdoc! {}, |inner, _| {
        let mut outer = RawDocumentBuf::new();
        outer.append(cstr!("a"), inner);
        outer
    })
}

#[test]
fn printing_is_bounded_in_depth() {
    assert!(to_canonical(&nested(MAX_PRINTED_DEPTH), usize::MAX).is_ok());
    let error = to_canonical(&nested(MAX_PRINTED_DEPTH + 1), usize::MAX).expect_err("too deep");
    assert!(matches!(error, Unprintable::TooDeep), "{error}");
    assert!(matches!(to_canonical(&nested(20_000), usize::MAX), Err(Unprintable::TooDeep)));

    let arrays = (1..20_000).fold(RawArrayBuf::new(), |inner, _| {
        let mut outer = RawArrayBuf::new();
        outer.push(inner);
        outer
    });
    assert!(matches!(value_to_canonical(RawBsonRef::Array(&arrays), usize::MAX), Err(Unprintable::TooDeep)));

    let scopes = (1..2_000).fold(rawdoc! {}, |scope, _| {
        let mut outer = RawDocumentBuf::new();
        let code = String::new();
        outer.append(cstr!("a"), RawBson::JavaScriptCodeWithScope(RawJavaScriptCodeWithScope { code, scope }));
        outer
    });
    assert!(matches!(to_canonical(&scopes, usize::MAX), Err(Unprintable::TooDeep)));
}

#[test]
fn printing_stops_at_the_length_that_is_left() {
    let most = 100_000;
    let binary = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0; 1 << 20] };
    let numbers: Vec<bson::Bson> = (0..100_000).map(bson::Bson::Int32).collect();
    let keys: bson::Document = (0..50_000).map(|n| (format!("{n}"), bson::Bson::MinKey)).collect();
    let values = [
        bson::Bson::String("x".repeat(1 << 20)),
        bson::Bson::String("\u{1}".repeat(50_000)),
        bson::Bson::Symbol("x".repeat(1 << 20)),
        bson::Bson::Binary(binary),
        bson::Bson::Array(numbers),
        bson::Bson::Document(keys),
        bson::Bson::JavaScriptCode("\"".repeat(100_000)),
    ];
    for value in values {
        let error = bson_to_canonical(&value, most).expect_err("too long");
        assert!(matches!(error, Unprintable::TooLong(100_000)), "{error}");
        let whole = bson_to_canonical(&value, usize::MAX).expect("printed");
        assert_eq!(bson_to_canonical(&value, whole.len()).expect("it fits"), whole);
        assert!(bson_to_canonical(&value, whole.len() - 1).is_err());
    }
}

/// Builds a document whose bytes repeat a key, as another client may have stored it.
fn repeating(keys: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for key in keys {
        bytes.push(0x0a);
        bytes.extend_from_slice(key.as_bytes());
        bytes.push(0);
    }
    bytes.push(0);
    let length = i32::try_from(bytes.len()).expect("short").to_le_bytes();
    bytes[..4].copy_from_slice(&length);
    bytes
}

#[test]
fn a_key_that_stands_twice_is_an_error_and_never_half_a_document() {
    let many: Vec<String> = (0..100).map(|n| format!("k{n}")).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    let print = |keys: &[&str]| {
        let bytes = repeating(keys);
        let document = RawDocument::from_bytes(&bytes).expect("a document");
        let outer = rawdoc! { "outer": document.to_owned() };
        to_canonical(&outer, usize::MAX).map_err(|error| error.to_string())
    };
    assert!(print(&["a", "b"]).is_ok() && print(&many).is_ok());
    assert_eq!(print(&["a", "b", "a"]), Err("the key \"a\" occurs twice".to_owned()));
    many.push("k57");
    assert_eq!(print(&many), Err("the key \"k57\" occurs twice".to_owned()));
}

proptest! {
    #[test]
    fn any_bytes_print_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64), fix in any::<bool>()) {
        let mut bytes = bytes;
        if fix && bytes.len() >= 5 {
            let length = i32::try_from(bytes.len()).expect("short").to_le_bytes();
            bytes[..4].copy_from_slice(&length);
            let last = bytes.len() - 1;
            bytes[last] = 0;
        }
        if let Ok(document) = RawDocument::from_bytes(&bytes)
            && let Ok(text) = to_canonical(document, 1 << 20)
            && let Ok(parsed) = parse_document(&text)
        {
            let again = to_canonical(&parsed, usize::MAX).expect("printed");
            prop_assert_eq!(parse_document(&again), Ok(parsed));
        }
    }
}
