//! `docs/configuration.md` and `.env.example` say what the table says. With `UPDATE_DOCUMENTS=1` the test writes them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{Limits, table};

const BEGIN: &str = "<!-- made from the table of settings: UPDATE_DOCUMENTS=1 cargo test -p weir documents -->\n";
const END: &str = "<!-- end -->\n";

fn settings_as_table() -> String {
    let mut out = String::from("| name | default | allowed | what for |\n|---|---|---|---|\n");
    for setting in table() {
        let default = match setting.default {
            Some(default) => format!("`{default}`"),
            None if setting.required => "required".to_owned(),
            None => "not set".to_owned(),
        };
        let allowed = setting.allowed.replace('|', "\\|");
        let later = if setting.later { " Takes effect in a later version." } else { "" };
        let _ = writeln!(out, "| {} | {default} | {allowed} | {}{later} |", setting.name, setting.help);
    }
    out
}

fn limits_as_table() -> String {
    let mut out = String::from("| limit | default | from | to | what for |\n|---|---|---|---|---|\n");
    for limit in Limits::table() {
        let (from, to) = limit.range.into_inner();
        let _ = writeln!(out, "| {} | {} | {from} | {to} | {} |", limit.name, limit.default, limit.help);
    }
    out
}

fn example() -> String {
    let mut out = String::from(
        "# Settings of `weir run`. What stands here is the default; take away the # to change it. What is set in the\n\
         # environment or by a flag goes before it. docs/configuration.md says what is allowed.\n",
    );
    for setting in table() {
        let value = match setting.default {
            Some(default) => format!("#{}={default}", setting.name),
            None if setting.required => format!("{}=mongodb://localhost:27017/?replicaSet=rs0", setting.name),
            None => format!("#{}=", setting.name),
        };
        let _ = writeln!(out, "\n# {}\n{value}", setting.help);
    }
    out
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
}

/// Compares, or writes where that is asked for.
fn hold(name: &str, expected: &str) {
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(path(name), expected).expect("the document can be written");
    }
    assert_eq!(read(name), expected, "{name} is out of date: run with UPDATE_DOCUMENTS=1");
}

#[test]
fn the_reference_page_has_the_tables() {
    let page = read("docs/configuration.md");
    let mut parts = page.split(BEGIN);
    let mut expected = parts.next().expect("a split gives a part").to_owned();
    let tables = [settings_as_table(), limits_as_table()];
    let rests: Vec<_> = parts.collect();
    assert_eq!(rests.len(), tables.len(), "the page has a place for each table");
    for (table, rest) in tables.iter().zip(rests) {
        let (_, after) = rest.split_once(END).expect("a table's place has an end");
        expected = expected + BEGIN + "\n" + table + "\n" + END + after;
    }
    hold("docs/configuration.md", &expected);
}

#[test]
fn the_example_has_every_setting_and_is_right_as_it_stands() {
    hold(".env.example", &example());
    let sources = super::Sources { dotenv: Some(example()), ..super::Sources::default() };
    assert!(super::Settings::load(&sources).is_ok());
    let set = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    let uncommented = example().lines().map(set).collect::<Vec<_>>().join(
        "
",
    );
    let sources = super::Sources { dotenv: Some(uncommented), ..super::Sources::default() };
    let settings = super::Settings::load(&sources).expect("every default may be written out");
    assert!(settings.origins.len() > 20, "{:?}", settings.origins);
}
