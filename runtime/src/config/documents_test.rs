//! Checks that `docs/configuration.md`, `.env.example` and `docker-compose.yml` say what the table says. With
//! `UPDATE_DOCUMENTS=1` the tests write them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::table;
use weir_sandbox::Limits;

const BEGIN: &str = "<!-- made from the table of settings: UPDATE_DOCUMENTS=1 cargo test -p weir documents -->\n";
const END: &str = "<!-- end -->\n";
const BEGIN_IN_COMPOSE: &str =
    "      # made from the table of settings: UPDATE_DOCUMENTS=1 cargo test -p weir documents\n";
const END_IN_COMPOSE: &str = "      # end\n";
/// The settings that docker-compose.yml needs besides Weir's own: it creates PostgreSQL with them.
const FOR_COMPOSE: [(&str, &str); 3] =
    [("POSTGRES_DB", "activity"), ("POSTGRES_USER", "postgres"), ("POSTGRES_PASSWORD", "change-me")];
/// The variables that docker-compose.yml reads itself.
const OF_COMPOSE_ONLY: [(&str, &str, &str); 2] = [
    ("WEIR_MEMORY", "1g", "The memory of a host's container."),
    ("WEIR_CPUS", "2", "The processors of a host's container."),
];
/// What the names of settings begin with that Weir's container does not receive: this version does not write the row's
/// status, and the container's file system is read-only.
const NOT_FOR_THE_CONTAINER: [&str; 2] = ["POSTGRES_", "HANDLERS_CACHE"];

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
        "# Settings of `weir run`, and of docker-compose.yml, where the addresses of the services and the handlers' folder\n\
         # are its own. What stands behind a # is the default; take the # away to change it. What is set in the\n\
         # environment or by a flag goes before it. docs/configuration.md says what is allowed.\n",
    );
    for setting in table() {
        let compose = FOR_COMPOSE.iter().find(|(name, _)| *name == setting.name);
        let value = match (setting.default, compose) {
            (_, Some((name, value))) => format!("{name}={value}"),
            (Some(default), None) => format!("#{}={default}", setting.name),
            (None, None) if setting.required => format!("{}=mongodb://localhost:27017/?replicaSet=rs0", setting.name),
            (None, None) => format!("#{}=", setting.name),
        };
        let also = if compose.is_some() { " docker-compose.yml makes its database with it." } else { "" };
        let _ = writeln!(out, "\n# {}{also}\n{value}", setting.help);
    }
    for (name, default, help) in OF_COMPOSE_ONLY {
        let _ = writeln!(out, "\n# {help} No setting of Weir: docker-compose.yml takes it.\n#{name}={default}");
    }
    out
}

/// Returns the environment that the service `weir` sets, as `(name, value)`.
fn environment_in_compose(compose: &str) -> Vec<(String, String)> {
    let mut lines = compose.lines().skip_while(|line| *line != "  weir:");
    assert!(lines.any(|line| line == "    environment:"), "docker-compose.yml has a service weir with an environment");
    let of_it = lines.take_while(|line| line.starts_with("      "));
    let pairs = of_it.map(str::trim).filter(|line| !line.starts_with('#'));
    pairs
        .map(|line| line.split_once(':').unwrap_or_else(|| panic!("{line} is no variable")))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
}

/// Compares the document, or writes it if that is asked for.
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

#[test]
fn the_container_is_given_settings_and_every_one_that_stands_in_env() {
    let compose = read("docker-compose.yml");
    let (before, rest) = compose.split_once(BEGIN_IN_COMPOSE).expect("there is a place for the settings");
    let (_, after) = rest.split_once(END_IN_COMPOSE).expect("the place has an end");
    let fixed = environment_in_compose(before);
    assert!(fixed.iter().all(|(_, value)| !value.is_empty()), "{fixed:?}");
    let mut expected = format!("{before}{BEGIN_IN_COMPOSE}");
    for setting in table() {
        let is_fixed = fixed.iter().any(|(name, _)| name == setting.name);
        if !is_fixed && !NOT_FOR_THE_CONTAINER.iter().any(|begin| setting.name.starts_with(begin)) {
            let _ = writeln!(expected, "      {}:", setting.name);
        }
    }
    hold("docker-compose.yml", &(expected + END_IN_COMPOSE + after));
    let given = environment_in_compose(&read("docker-compose.yml"));
    for (name, _) in &given {
        assert!(table().iter().any(|setting| setting.name == name), "docker-compose.yml gives weir {name}, no setting");
    }
    let environment = given.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let sources = super::Sources { environment, ..super::Sources::default() };
    let settings = super::Settings::load(&sources).expect("what the container is given is right");
    assert_eq!(settings.admin_listen.port(), 7070);
}

#[test]
fn what_compose_takes_from_env_stands_in_the_example() {
    let compose = read("docker-compose.yml");
    let code = compose.lines().filter(|line| !line.trim_start().starts_with('#'));
    let taken: Vec<_> = code
        .flat_map(|line| line.split("${").skip(1))
        .map(|rest| rest.split([':', '}']).next().unwrap_or_default().to_owned())
        .collect();
    assert!(taken.len() >= 5, "{taken:?}");
    for name in taken {
        let stands = example().lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{name}=")));
        assert!(stands, "docker-compose.yml takes {name}, which .env.example does not have");
    }
}
