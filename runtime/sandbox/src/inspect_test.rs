use super::*;

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is right")
}

fn customs(wasm: &[u8]) -> Vec<String> {
    let payloads = Parser::new(0).parse_all(wasm).map(|payload| payload.expect("well-formed"));
    let custom = payloads.filter_map(|payload| match payload {
        Payload::CustomSection(section) => Some(section.name().to_owned()),
        _ => None,
    });
    custom.collect()
}

/// Returns what `inspect` says of a core function with this body.
fn of_body(body: &str) -> Result<(), Objection> {
    inspect(&wasm(&format!("(component (core module (func {body})))"))).map(drop)
}

#[test]
fn only_names_are_kept_of_custom_sections_at_any_depth() {
    let text = r#"(component $outer
            (@custom "sourceMappingURL" "x")
            (core module (func $first) (@custom ".debug_info" "\01\02"))
            (component $inner
                (core module (func $second) (@custom "producers" "p"))
                (@custom ".debug_str" "name")))"#;
    let before = wasm(text);
    assert_eq!(customs(&before).len(), 8, "{:?}", customs(&before));
    let after = inspect(&before).expect("small and plain");
    assert_eq!(customs(&after), ["name", "name"]);
    assert_eq!(inspect(&after).as_ref(), Ok(&after), "what is stripped stays as it is");
    let plain = wasm("(component (core module (func)) (component (core module (func))))");
    assert_eq!(inspect(&plain).as_ref(), Ok(&plain), "nothing but custom sections is touched");
}

#[test]
fn what_compiles_for_too_long_is_refused_by_what_it_has_too_much_of() {
    let nested = (0..9).fold(String::new(), |inner, _| format!("(component {inner})"));
    let cases = [
        (format!("(component {nested})"), "levels of nested components: 9"),
        (format!("(component {})", "(core module)".repeat(200)), "modules and components: 201"),
        (format!("(component (core module {}))", "(func)".repeat(50_001)), "functions: 50001"),
    ];
    for (text, expected) in cases {
        let objection = inspect(&wasm(&text)).expect_err(expected).to_string();
        assert!(objection.starts_with(expected), "{objection}");
    }
}

#[test]
fn a_function_is_judged_by_its_branches_and_locals() {
    let locals = |count: usize| format!("(local{})", " i32".repeat(count));
    let blocks = |count: usize| "(block)".repeat(count);
    let loops = |count: usize| "(loop)".repeat(count);
    assert_eq!(of_body(&format!("{}{}", locals(200), blocks(10_000))), Ok(()));
    for (body, expected) in [
        (locals(10_001), "local variables of one function: 10001"),
        (loops(4_001), "loops of one function: 4001"),
        (blocks(50_001), "branches of one function: 50001"),
        (format!("{}{}", locals(201), blocks(10_000)), "branches times local variables of one function: 2010000"),
        (format!("(block (br_table {} (i32.const 0)))", "0 ".repeat(50_001)), "branches of one function: 50002"),
    ] {
        let objection = of_body(&body).expect_err(expected).to_string();
        assert!(objection.starts_with(expected), "{objection}");
    }
    let function = format!("(func {}{})", locals(100), blocks(10_000));
    let many = |count: usize| inspect(&wasm(&format!("(component (core module {}))", function.repeat(count))));
    assert!(many(30).is_ok());
    let objection = many(31).expect_err("too many in all").to_string();
    assert!(objection.starts_with("branches times local variables: 31000000"), "{objection}");
}

#[test]
fn loops_and_branches_count_by_their_squares_in_all() {
    let many = |body: &str, count: usize| {
        let function = format!("(func {body})");
        inspect(&wasm(&format!("(component (core module {}))", function.repeat(count))))
    };
    for (body, count, expected) in [
        ("(loop)".repeat(4_000), 3, "squares of loops: 64000000"),
        ("(block)".repeat(40_000), 3, "squares of branches: 6400000000"),
    ] {
        assert!(many(&body, count).is_ok());
        let objection = many(&body, count + 1).expect_err("too many in all").to_string();
        assert!(objection.starts_with(expected), "{objection}");
    }
}

#[test]
fn what_is_cut_off_or_no_webassembly_is_malformed() {
    let whole = wasm("(component (core module (func)))");
    for bytes in (0..whole.len() - 1).map(|end| &whole[..end]).chain([&b"#!/bin/sh\n"[..]]) {
        // A file may end between two sections.
        let ends = inspect(bytes);
        assert!(matches!(ends, Err(Objection::Malformed(_))) || bytes.len() == 8, "{bytes:?}: {ends:?}");
    }
}
