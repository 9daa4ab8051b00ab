use super::*;

fn told(args: &[&str]) -> clap::Error {
    command().try_get_matches_from([&["weir"], args].concat()).expect_err("the command line is wrong")
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn every_setting_has_a_flag() {
    for setting in crate::config::table() {
        let flag = format!("--{}=1", setting.flag);
        let matches = command().try_get_matches_from(["weir", "run", &flag]).expect("the flag exists");
        let (_, matches) = matches.subcommand().expect("run was given");
        assert_eq!(run::flags(matches), [(setting.name.to_owned(), "1".to_owned())]);
    }
}

#[test]
fn a_switch_may_stand_alone_and_a_secret_in_a_file() {
    let args = ["weir", "run", "--snapshot-events", "--mongodb-uri-file", "/run/secrets/uri"];
    let matches = command().try_get_matches_from(args).expect("the command line is right");
    let (_, matches) = matches.subcommand().expect("run was given");
    let mut flags = run::flags(matches);
    flags.sort();
    let expected = [("MONGODB_URI_FILE", "/run/secrets/uri"), ("SNAPSHOT_EVENTS", "true")];
    assert_eq!(flags, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn an_unknown_flag_is_answered_with_the_one_that_was_meant() {
    let told = told(&["run", "--kafka-topik", "x"]);
    assert_eq!(told.exit_code(), i32::from(WRONG));
    let text = told.to_string();
    assert!(text.contains("unexpected argument '--kafka-topik' found"), "{text}");
    assert!(text.contains("'--kafka-topic'"), "{text}");
}

#[test]
fn version_and_help_are_no_errors() {
    assert_eq!(told(&["--version"]).to_string(), format!("weir {}\n", env!("CARGO_PKG_VERSION")));
    assert!(!told(&["--version"]).use_stderr());
    let help = told(&["run", "--help"]).to_string();
    assert!(help.contains("--processing-batch-size <VALUE>"), "{help}");
}

#[test]
fn help_says_what_the_snapshots_say() {
    let verbs = [
        &[][..],
        &["run"],
        &["health"],
        &["progress"],
        &["progress", "set"],
        &["handlers"],
        &["handlers", "show"],
        &["handlers", "pause"],
        &["handlers", "resume"],
        &["handlers", "reset"],
        &["failures"],
        &["failures", "list"],
        &["failures", "show"],
        &["completions"],
        &["version"],
    ];
    for verb in verbs {
        let name = ["help", &verb.join("-")].join("-");
        insta::assert_snapshot!(name.trim_end_matches('-'), told(&[verb, &["--help"]].concat()));
    }
}

#[test]
fn a_cause_is_named_once() {
    let io = std::io::Error::other("no such file");
    let names_it = anyhow::Error::new(registry::Error::Unreadable { path: "a".into(), source: io });
    assert_eq!(
        with_causes(&names_it.context("the start failed")),
        "the start failed: HANDLERS: a cannot be read: no such file"
    );
}
