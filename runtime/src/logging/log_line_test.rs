use proptest::prelude::*;

use super::*;

fn line(message: String, fields: Vec<(&'static str, FieldValue)>) -> Line<'static> {
    Line { ms: 0, level: Level::INFO, library: None, message, fields }
}

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    let hidden = "\x1b[2J\u{7f}\u{9b}31m\u{202e}dlrow\u{2066}\u{2028}é";
    let fields = vec![
        ("text", FieldValue::Text(hidden.to_owned())),
        ("fields", FieldValue::Json(format!("{{\"k\":\"{}\"}}", &hidden[4..]))),
    ];
    let text = line("named".to_owned(), fields).json();
    let escaped = r#""text":"\u001b[2J\u007f\u009b31m\u202edlrow\u2066\u2028é","fields":{"k":"\u007f\u009b31m\u202edlrow\u2066\u2028é"}"#;
    assert!(text.contains(escaped), "{text}");
    let read: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(read["text"], hidden);
    let fields = vec![("text", FieldValue::Text(hidden.to_owned()))];
    let text = line("named".to_owned(), fields).text(false);
    assert!(text.trim_end().chars().all(|c| !c.is_control() && !is_hidden(c)), "{text}");
}

#[test]
fn the_longest_values_are_cut_and_the_others_are_whole() {
    let fields = || {
        vec![
            ("error", FieldValue::Text("x".repeat(15 << 20))),
            ("handler", FieldValue::Text("user-created".to_owned())),
            ("trace", FieldValue::Text("\u{0}".repeat(40_000))),
            ("offset", FieldValue::Json("12".to_owned())),
            ("fields", FieldValue::Json(format!("{{\"k\":\"{}\"}}", "\u{202e}".repeat(30_000)))),
        ]
    };
    let text = line("delivery_failed".to_owned(), fields()).json();
    assert!((LINE_BYTES / 2..=LINE_BYTES).contains(&text.len()), "{}", text.len());
    let read: serde_json::Value = serde_json::from_str(&text).expect("a line that is cut is JSON still");
    assert_eq!((&read["event"], &read["handler"]), (&"delivery_failed".into(), &"user-created".into()));
    assert_eq!(read["offset"], 12);
    let error = read["error"].as_str().expect("a text");
    assert!(error.starts_with("xxx") && error.ends_with("x… (cut: 15728640 bytes in all)"), "{error}");
    assert!(read["fields"].as_str().is_some_and(|text| text.starts_with("{\"k\":\"")));
    assert!(line("delivery_failed".to_owned(), fields()).text(true).len() <= LINE_BYTES);
    assert!(line("m".repeat(1 << 20), Vec::new()).json().len() <= LINE_BYTES);
}

#[test]
fn a_value_that_fits_is_whole() {
    let text = "\n".repeat(7_000) + &"\"".repeat(2_000);
    let read = line("n".to_owned(), vec![("text", FieldValue::Text(text.clone()))]).json();
    let read: serde_json::Value = serde_json::from_str(&read).expect("it is JSON");
    assert_eq!(read["text"].as_str(), Some(text.as_str()));
}

/// Tries the costliest characters of each kind, in as many fields as `tracing` takes.
#[test]
fn the_worst_line_fits_in_every_form() {
    const MOST_FIELDS: usize = 32;
    let mut longest = 0;
    let characters = "\0\n\t\u{1b} \"\\a\u{7f}\u{9f}\u{202e}\u{2028}é\u{10ffff}";
    for (c, bytes, json) in characters
        .chars()
        .flat_map(|c| [1, 40, 2_000, 70_000].map(|bytes| (c, bytes)))
        .flat_map(|(c, bytes)| [(c, bytes, false), (c, bytes, true)])
    {
        let made = |library: Option<&'static str>| {
            let text = || c.to_string().repeat(bytes);
            let as_json = || serde_json::to_string(&text()).expect("a text is JSON");
            let value = || if json { FieldValue::Json(as_json()) } else { FieldValue::Text(text()) };
            let fields = (0..MOST_FIELDS).map(|_| ("a_name_of_more_than_thirty_letters", value()));
            Line { level: Level::WARN, library, ..line(text(), fields.collect()) }
        };
        for library in [None, Some("the_target_of_a_library::of_some_length")] {
            for shown in [made(library).json(), made(library).text(true), made(library).text(false)] {
                assert!(shown.len() <= LINE_BYTES, "{} bytes of {c:?}", shown.len());
                longest = longest.max(shown.len());
            }
        }
    }
    assert!(longest > LINE_BYTES * 9 / 10, "nothing came near the bound: {longest}");
}

proptest! {
    #[test]
    fn no_line_is_longer_than_its_bound(
        parts in prop::collection::vec((any::<char>(), 0_usize..60_000, any::<bool>()), 0..6),
        library in any::<bool>(),
        colour in any::<bool>(),
    ) {
        let made = || {
            let fields = parts.iter().map(|(c, count, json)| {
                let text: String = std::iter::repeat_n(*c, *count).chain(['"', '\\', ' ', '\n']).collect();
                let value = if *json {
                    FieldValue::Json(serde_json::to_string(&text).expect("a text is JSON"))
                } else {
                    FieldValue::Text(text)
                };
                ("name", value)
            });
            let mut line = line("message ".repeat(20), fields.collect());
            line.library = library.then_some("rdkafka::client");
            line
        };
        let json = made().json();
        prop_assert!(json.len() <= LINE_BYTES);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        prop_assert_eq!(json.matches('\n').count(), 1);
        prop_assert!(made().text(colour).len() <= LINE_BYTES);
    }
}
