use bson::oid::ObjectId;
use bson::raw::{CString, RawJavaScriptCodeWithScope};
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, RawBson, RawBsonRef, Regex, Timestamp, rawdoc};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn invalid(text: &str) -> String {
    parse_value(text).map_or_else(|invalid| invalid.to_string(), |value| panic!("{text} is taken for {value:?}"))
}

fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse().expect("a decimal"))
}

fn cstring(text: &str) -> CString {
    text.try_into().expect("no NUL")
}

/// A text, its value and its canonical text, which is [`SAME`] if it is the text itself.
type Case = (&'static str, Bson, &'static str);

const SAME: &str = "";

fn values() -> Vec<Case> {
    [numbers(), bytes_and_code(), times(), others()].concat()
}

fn numbers() -> Vec<Case> {
    vec![
        ("5", Bson::Int32(5), r#"{"$numberInt":"5"}"#),
        ("-0", Bson::Double(-0.0), r#"{"$numberDouble":"-0.0"}"#),
        (r#"{"$numberInt":"-2147483648"}"#, Bson::Int32(i32::MIN), SAME),
        (r#"{"$numberLong":"5"}"#, Bson::Int64(5), SAME),
        (r#"{"$numberLong":"-9223372036854775808"}"#, Bson::Int64(i64::MIN), SAME),
        (r#"{"$numberDouble":"1.5"}"#, Bson::Double(1.5), SAME),
        (r#"{"$numberDouble":"1"}"#, Bson::Double(1.0), r#"{"$numberDouble":"1.0"}"#),
        (r#"{"$numberDouble":"-1.2E+3"}"#, Bson::Double(-1200.0), r#"{"$numberDouble":"-1200.0"}"#),
        (r#"{"$numberDouble":"Infinity"}"#, Bson::Double(f64::INFINITY), SAME),
        (r#"{"$numberDouble":"-Infinity"}"#, Bson::Double(f64::NEG_INFINITY), SAME),
        (r#"{"$numberDecimal":"1.10"}"#, decimal("1.10"), SAME),
        (
            r#"{"$numberDecimal":"1.234567890123456789012345678901234E+6144"}"#,
            decimal("1.234567890123456789012345678901234E+6144"),
            SAME,
        ),
        (r#"{"$numberDecimal":"-0E-6176"}"#, decimal("-0E-6176"), SAME),
        (r#"{"$numberDecimal":"inf"}"#, decimal("Infinity"), r#"{"$numberDecimal":"Infinity"}"#),
        (r#"{"$numberDecimal":"NaN"}"#, decimal("NaN"), SAME),
    ]
}

fn bytes_and_code() -> Vec<Case> {
    let binary = |subtype: u8, bytes: &[u8]| Bson::Binary(Binary { subtype: subtype.into(), bytes: bytes.to_vec() });
    let oid = ObjectId::from_bytes([0x5a; 12]);
    vec![
        (r#"{"$oid":"5a5a5a5a5a5a5a5a5a5a5a5a"}"#, Bson::ObjectId(oid), SAME),
        (r#"{"$oid":"5A5a5a5a5a5a5a5a5a5a5a5A"}"#, Bson::ObjectId(oid), r#"{"$oid":"5a5a5a5a5a5a5a5a5a5a5a5a"}"#),
        (r#"{"$binary":{"base64":"AQID","subType":"00"}}"#, binary(0, &[1, 2, 3]), SAME),
        (
            r#"{"$binary":{"subType":"2","base64":"/w=="}}"#,
            binary(2, &[255]),
            r#"{"$binary":{"base64":"/w==","subType":"02"}}"#,
        ),
        (r#"{"$binary":{"base64":"","subType":"80"}}"#, binary(0x80, &[]), SAME),
        (
            r#"{"$uuid":"c8edabc3-f738-4ca3-b68d-ab92a91478a3"}"#,
            binary(
                4,
                &[0xc8, 0xed, 0xab, 0xc3, 0xf7, 0x38, 0x4c, 0xa3, 0xb6, 0x8d, 0xab, 0x92, 0xa9, 0x14, 0x78, 0xa3],
            ),
            r#"{"$binary":{"base64":"yO2rw/c4TKO2jauSqRR4ow==","subType":"04"}}"#,
        ),
        (r#"{"$code":"f()"}"#, Bson::JavaScriptCode("f()".to_owned()), SAME),
        (
            r#"{"$scope":{"x":{"$numberInt":"1"}},"$code":"f"}"#,
            Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope {
                code: "f".to_owned(),
                scope: bson::doc! {"x": 1},
            }),
            r#"{"$code":"f","$scope":{"x":{"$numberInt":"1"}}}"#,
        ),
    ]
}

fn times() -> Vec<Case> {
    let at = |ms| Bson::DateTime(DateTime::from_millis(ms));
    vec![
        (r#"{"$timestamp":{"t":4294967295,"i":7}}"#, Bson::Timestamp(Timestamp { time: u32::MAX, increment: 7 }), SAME),
        (r#"{"$date":{"$numberLong":"-1"}}"#, at(-1), SAME),
        (
            r#"{"$date":"2012-12-24T12:15:30.501Z"}"#,
            at(1_356_351_330_501),
            r#"{"$date":{"$numberLong":"1356351330501"}}"#,
        ),
        (r#"{"$date":"1969-12-31T23:59:59.9+00:30"}"#, at(-1_800_100), r#"{"$date":{"$numberLong":"-1800100"}}"#),
    ]
}

fn others() -> Vec<Case> {
    let regex =
        |pattern, options| Bson::RegularExpression(Regex { pattern: cstring(pattern), options: cstring(options) });
    vec![
        (r#"{"$symbol":"s"}"#, Bson::Symbol("s".to_owned()), SAME),
        (r#"{"$regularExpression":{"pattern":"^\"a","options":"ix"}}"#, regex("^\"a", "ix"), SAME),
        (
            r#"{"$regularExpression":{"options":"xi","pattern":"a"}}"#,
            regex("a", "ix"),
            r#"{"$regularExpression":{"pattern":"a","options":"ix"}}"#,
        ),
        (r#"{"$minKey":1}"#, Bson::MinKey, SAME),
        (r#"{"$maxKey":1}"#, Bson::MaxKey, SAME),
        (r#"{"$undefined":true}"#, Bson::Undefined, SAME),
        ("null", Bson::Null, SAME),
        ("[true, false]", bson::bson!([true, false]), "[true,false]"),
        (" { } ", bson::bson!({}), "{}"),
        (r#""\u00e9\n\ud83d\ude00\/\u0000""#, Bson::String("é\n😀/\0".to_owned()), r#""é\n😀/\u0000""#),
        // These are not wrappers but operators of queries, and references.
        (r#"{"$regex":"a","$options":"i"}"#, bson::bson!({"$regex": "a", "$options": "i"}), SAME),
        (r#"{"$type":"string"}"#, bson::bson!({"$type": "string"}), SAME),
        (r#"{"$ref":"c","$id":"x","$db":"d"}"#, bson::bson!({"$ref": "c", "$id": "x", "$db": "d"}), SAME),
    ]
}

#[test]
fn each_form_has_its_value() {
    for (text, value, canonical) in values() {
        let canonical = if canonical == SAME { text } else { canonical };
        let parsed = parse_value(text).unwrap_or_else(|invalid| panic!("{text}: {invalid}"));
        assert_eq!(parsed, RawBson::try_from(value).expect("BSON"), "{text}");
        assert_eq!(value_to_canonical(parsed.as_raw_bson_ref(), usize::MAX).expect("printed"), canonical, "{text}");
    }
}

#[test]
fn a_pointer_is_kept() {
    let text = r#"{"p":{"$dbPointer":{"$ref":"db.c","$id":{"$oid":"5a5a5a5a5a5a5a5a5a5a5a5a"}}}}"#;
    let document = parse_document(text).expect("valid");
    assert!(matches!(document.get("p"), Ok(Some(RawBsonRef::DbPointer(_)))));
    assert_eq!(to_canonical(&document, usize::MAX).expect("printed"), text);
    let other_order = r#"{"p":{"$dbPointer":{"$id":{"$oid":"5a5a5a5a5a5a5a5a5a5a5a5a"},"$ref":"db.c"}}}"#;
    assert_eq!(parse_document(other_order), Ok(document));
}

#[test]
fn signs_of_zero_and_not_a_number_are_kept() {
    for (text, bits) in [
        ("-0.0", (-0.0_f64).to_bits()),
        ("0.0", 0),
        ("-0e5", (-0.0_f64).to_bits()),
        (r#"{"$numberDouble":"-0.0"}"#, (-0.0_f64).to_bits()),
        (r#"{"$numberDouble":"NaN"}"#, f64::NAN.to_bits()),
    ] {
        let value = parse_value(text).expect("valid").as_f64().expect("a double");
        assert_eq!(value.to_bits(), bits, "{text}");
    }
    assert_eq!(
        value_to_canonical(RawBsonRef::Double(-0.0), usize::MAX).expect("printed"),
        r#"{"$numberDouble":"-0.0"}"#
    );
    assert_eq!(
        value_to_canonical(RawBsonRef::Double(f64::NAN), usize::MAX).expect("printed"),
        r#"{"$numberDouble":"NaN"}"#
    );
}

#[test]
fn plain_numbers_take_the_type_that_gives_them_back() {
    let taken = [
        ("2147483647", Bson::Int32(i32::MAX)),
        ("2147483648", Bson::Int64(1 << 31)),
        ("-2147483649", Bson::Int64(-(1 << 31) - 1)),
        ("9223372036854775807", Bson::Int64(i64::MAX)),
        ("1.0", Bson::Double(1.0)),
        ("1.1", Bson::Double(1.1)),
        ("1.10", Bson::Double(1.1)),
        ("-1.5e-3", Bson::Double(-0.0015)),
        ("1e2", Bson::Double(100.0)),
        ("1E+2", Bson::Double(100.0)),
        ("0.00000000000000000000000000000001", Bson::Double(1e-32)),
        ("100000000000000000000.0", Bson::Double(1e20)),
        ("1e23", Bson::Double(1e23)),
        ("0.30000000000000004", Bson::Double(0.1 + 0.2)),
        ("0.300000000000000040000", Bson::Double(0.1 + 0.2)),
        ("1.7976931348623157e308", Bson::Double(f64::MAX)),
        ("5e-324", Bson::Double(5e-324)),
        ("2.2250738585072014e-308", Bson::Double(f64::MIN_POSITIVE)),
        ("0e999999999999999999999999", Bson::Double(0.0)),
    ];
    for (text, value) in taken {
        assert_eq!(parse_value(text), Ok(RawBson::try_from(value).expect("BSON")), "{text}");
    }
    let inexact = [
        "9223372036854775808",
        "-9223372036854775809",
        "0.12345678901234567890",
        "9007199254740993.0",
        "1e400",
        "-1e400",
        "1e-400",
        "4e-324",
        "1e999999999999999999999999",
        "1e-999999999999999999999999",
        "0.1000000000000000055511151231257827",
    ];
    for text in inexact {
        let hint = parse_value(text).expect_err(text).hint;
        assert!(hint.is_some_and(|hint| hint.contains("$numberDecimal")), "{text}: {hint:?}");
    }
}

#[test]
fn what_is_malformed_is_named_with_its_place() {
    let cases = [
        (r#"{"metadata":{"created_at":{"$date":1}}}"#, "metadata.created_at: `$date` takes an ISO 8601 time"),
        (r#"{"a":[1,{"b":{"$oid":"5a"}}]}"#, "a.1.b: `$oid` takes 24 hexadecimal digits"),
        (r#"{"a":{"$oid":"5a5a5a5a5a5a5a5a5a5a5a5a","b":1}}"#, "a: `$oid` must stand alone"),
        (r#"{"a":{"b":1,"$oid":"5a5a5a5a5a5a5a5a5a5a5a5a"}}"#, "a: `$oid` must stand alone"),
        (r#"{"$numberInt":"2147483648"}"#, "`$numberInt` takes an integer of 32 bits"),
        (r#"{"$numberInt":5}"#, "`$numberInt` takes a string"),
        (r#"{"$numberInt":"+5"}"#, "`$numberInt` takes an integer"),
        (r#"{"$numberInt":" 5"}"#, "`$numberInt` takes an integer"),
        (r#"{"$numberInt":"-0"}"#, "`$numberInt` takes an integer"),
        (r#"{"$numberLong":"-00"}"#, "`$numberLong` takes an integer"),
        (r#"{"$dbPointer":{"$ref":"c"}}"#, "`$dbPointer` takes {"),
        (r#"{"$dbPointer":{"$ref":"c","$ref":"c"}}"#, "`$dbPointer` takes {"),
        (r#"{"$dbPointer":"c"}"#, "`$dbPointer` takes {"),
        (r#"{"$numberLong":"9223372036854775808"}"#, "`$numberLong` takes an integer of 64 bits"),
        (r#"{"$numberDouble":"1e400"}"#, "`$numberDouble` takes a number within"),
        (r#"{"$numberDouble":"inf"}"#, "`$numberDouble` takes a number within"),
        (r#"{"$numberDecimal":"1.2.3"}"#, "`$numberDecimal` takes a decimal"),
        (r#"{"$numberDecimal":""}"#, "`$numberDecimal` takes a decimal"),
        (r#"{"$numberDecimal":"12345678901234567890123456789012345"}"#, "`$numberDecimal` takes a decimal"),
        (r#"{"$numberDecimal":"1E6145"}"#, "`$numberDecimal` takes a decimal"),
        (r#"{"$binary":"AQID","$type":"00"}"#, "`$binary` takes {"),
        (r#"{"$binary":{"base64":"AQI","subType":"00"}}"#, "`$binary` takes {"),
        (r#"{"$binary":{"base64":"AQID"}}"#, "`$binary` takes {"),
        (r#"{"$binary":{"base64":"AQID","subType":"000"}}"#, "`$binary` takes {"),
        (r#"{"$binary":{"base64":"AQID","subType":"+1"}}"#, "`$binary` takes {"),
        (r#"{"$uuid":"c8edabc3f7384ca3b68dab92a91478a3"}"#, "`$uuid` takes a UUID"),
        (r#"{"$timestamp":{"t":1,"i":-1}}"#, "`$timestamp` takes {"),
        (r#"{"$timestamp":{"t":1,"t":1}}"#, "`$timestamp` takes {"),
        (r#"{"$timestamp":{"t":4294967296,"i":1}}"#, "`$timestamp` takes {"),
        (r#"{"$date":{"$numberLong":"1","x":1}}"#, "in place of `}`"),
        (r#"{"$date":"2012-12-24"}"#, "is not a time such as"),
        (r#"{"$date":"2012-12-24T12:15:30.0001Z"}"#, "is finer than a date's milliseconds"),
        (r#"{"$regularExpression":{"pattern":"a"}}"#, "`$regularExpression` takes {"),
        (r#"{"$regularExpression":{"pattern":"a\u0000","options":""}}"#, "`$regularExpression` takes {"),
        (r#"{"$scope":{}}"#, "`$code` takes a string"),
        (r#"{"$code":"f","$scope":{"$oid":"5a5a5a5a5a5a5a5a5a5a5a5a"}}"#, "`$code` takes a string"),
        (r#"{"$minKey":true}"#, "`$minKey` takes the number 1"),
        (r#"{"$undefined":false}"#, "`$undefined` takes true"),
        (r#"{"a":{"b":1,"b":2}}"#, "a: the key \"b\" occurs twice"),
        (r#"{"a\u0000b":1}"#, "has a NUL in it"),
        (r#"{"a":1"#, "not JSON: the text ends at byte 6 in place of `}`"),
        (r#"{"a":1,}"#, "not JSON: '}' stands at byte 7 in place of a string"),
        (r#"{"a":01}"#, "in place of `}`"),
        ("[1 2]", "in place of `]`"),
        ("nul", "in place of a value"),
        ("1.", "in place of a digit"),
        ("-", "in place of a digit"),
        ("\"a", "a string does not end"),
        ("\"\\", "a string does not end"),
        ("\"\\\u{e9}\"", "not JSON: the string at byte 0"),
        (r#""\ud800""#, "not JSON: the string at byte 0"),
        ("\"\n\"", "a control character's escape"),
        ("1 1", "in place of the end"),
        ("", "in place of a value"),
    ];
    for (text, expected) in cases {
        assert!(invalid(text).contains(expected), "{text}: {}", invalid(text));
    }
}

#[test]
fn a_document_is_no_single_value() {
    for text in ["[]", "1", r#"{"$oid":"5a5a5a5a5a5a5a5a5a5a5a5a"}"#, "null"] {
        let invalid = parse_document(text).expect_err("no document").to_string();
        assert!(invalid.contains("not a document"), "{text}: {invalid}");
    }
}

#[test]
fn repeated_keys_are_found_among_many() {
    let members: Vec<String> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
    assert!(parse_document(&format!("{{{}}}", members.join(","))).is_ok());
    let repeated = format!("{{{},\"k57\":0}}", members.join(","));
    assert_eq!(invalid(&repeated), "the key \"k57\" occurs twice");
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse_value(&nested(MAX_DEPTH)).is_ok());
    assert!(invalid(&nested(MAX_DEPTH + 1)).ends_with("nested deeper than 64 levels"));
    assert!(invalid(&"[".repeat(1_000_000)).ends_with("nested deeper than 64 levels"));
    assert!(invalid(&"{\"a\":".repeat(1_000_000)).ends_with("nested deeper than 64 levels"));
    // A wrapper is a value and adds no level.
    let wrapped = format!("{}{{\"$numberInt\":\"1\"}}{}", "[".repeat(MAX_DEPTH - 1), "]".repeat(MAX_DEPTH - 1));
    assert!(parse_value(&wrapped).is_ok());
}

fn leaf() -> impl Strategy<Value = Bson> {
    let text = || any::<String>().prop_map(|text| text.replace('\0', ""));
    let decimal = (any::<i128>(), -6000_i32..6000).prop_map(|(digits, power)| {
        Bson::Decimal128(format!("{}E{power}", digits % 10_i128.pow(34)).parse::<Decimal128>().expect("a decimal"))
    });
    prop_oneof![
        any::<f64>().prop_map(Bson::Double),
        any::<String>().prop_map(Bson::String),
        any::<bool>().prop_map(Bson::Boolean),
        Just(Bson::Null),
        (text(), "[ilmsux]{0,3}").prop_map(|(pattern, options)| {
            let mut options: Vec<char> = options.chars().collect();
            options.sort_unstable();
            let options: String = options.into_iter().collect();
            Bson::RegularExpression(Regex { pattern: cstring(&pattern), options: cstring(&options) })
        }),
        any::<String>().prop_map(Bson::JavaScriptCode),
        any::<String>().prop_map(|code| {
            Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code, scope: bson::doc! {"a": 1_i64} })
        }),
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        (any::<u32>(), any::<u32>()).prop_map(|(time, increment)| Bson::Timestamp(Timestamp { time, increment })),
        (any::<u8>(), vec(any::<u8>(), 0..40))
            .prop_map(|(subtype, bytes)| Bson::Binary(Binary { subtype: BinarySubtype::from(subtype), bytes })),
        any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(ObjectId::from_bytes(bytes))),
        any::<i64>().prop_map(|millis| Bson::DateTime(DateTime::from_millis(millis))),
        any::<String>().prop_map(Bson::Symbol),
        decimal,
        Just(Bson::Undefined),
        Just(Bson::MinKey),
        Just(Bson::MaxKey),
    ]
}

/// A key that does not name a wrapper, because a wrapper's name cannot be written as a key in Extended JSON.
fn key() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|key| key.replace('\0', "").trim_start_matches('$').to_owned())
}

fn tree() -> impl Strategy<Value = Bson> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Bson::Array),
            vec((key(), inner), 0..6).prop_map(|members| Bson::Document(members.into_iter().collect())),
        ]
    })
}

/// Returns a number's text without the trailing zeros that do not change its value.
fn plain(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

proptest! {
    #[test]
    fn bson_survives_its_canonical_text(value in tree()) {
        let document = rawdoc! {"value": RawBson::try_from(value).expect("BSON")};
        let text = to_canonical(&document, usize::MAX).expect("printed");
        let parsed = parse_document(&text).expect("parsed");
        prop_assert_eq!(parsed.as_bytes(), document.as_bytes(), "{}", text);
    }

    #[test]
    fn doubles_survive_their_plain_text(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
        let parsed = parse_value(&format!("{number:?}")).expect("exact").as_f64().expect("a double");
        prop_assert_eq!(parsed.to_bits(), number.to_bits());
        // The full decimal value is accepted only if the shortest text has the same value.
        let full = format!("{number:.1100}");
        let exact = plain(&full) == plain(&number.to_string());
        prop_assert_eq!(parse_value(&full).is_ok(), exact, "{}", full);
    }

    #[test]
    fn short_decimals_are_doubles(digits in 0_u64..1_000_000_000_000_000, power in -300_i32..280, negative: bool) {
        let text = format!("{}{digits}e{power}", if negative { "-" } else { "" });
        let parsed = parse_value(&text).expect("exact").as_f64().expect("a double");
        prop_assert_eq!(parsed.to_bits(), text.parse::<f64>().expect("a double").to_bits());
    }

    #[test]
    fn takes_the_same_texts_for_json_as_serde_json(text in r#"[\[\]{},:"\\a1e.+\-0 nul\n]{0,12}"#) {
        let ours = parse_value(&text);
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        let beyond_json = ours.as_ref().err().is_some_and(|invalid| !invalid.message.starts_with("not JSON"));
        prop_assert!(ours.is_ok() == theirs.is_ok() || beyond_json, "{:?} {:?}", ours, theirs);
    }

    #[test]
    fn parses_what_serde_json_prints(words in vec((key(), any::<String>()), 0..8)) {
        let object: serde_json::Map<String, serde_json::Value> =
            words.iter().map(|(key, text)| (key.clone(), text.clone().into())).collect();
        let parsed = parse_document(&serde_json::Value::Object(object.clone()).to_string()).expect("parsed");
        for (key, value) in &object {
            prop_assert_eq!(parsed.get(key).expect("BSON").and_then(RawBsonRef::as_str), value.as_str());
        }
    }

    #[test]
    fn never_panics(text in any::<String>()) {
        let _ = parse_value(&text);
    }
}

#[test]
fn code_with_scope_is_raw_too() {
    let raw = RawBson::JavaScriptCodeWithScope(RawJavaScriptCodeWithScope { code: "f".to_owned(), scope: rawdoc! {} });
    assert_eq!(value_to_canonical(raw.as_raw_bson_ref(), usize::MAX).expect("printed"), r#"{"$code":"f","$scope":{}}"#);
}
