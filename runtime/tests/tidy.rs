//! Enforces the layout: which module may name which, who sees the clients of Kafka, MongoDB and WebAssembly, what is
//! pure, how long a file may be, and where unit tests stand.
//!
//! It reads the sources line by line and understands no Rust beyond comments, so it finds a name anywhere. That is
//! intended: a path spelled out in full is as much a dependency as a `use`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The packages of the runtime: how code names each, and where its sources are below `runtime/`. Cargo keeps a package
/// from naming those that it does not depend on, so the rest of this file is about the modules.
const PACKAGES: [(&str, &str); 3] = [("weir_core", "core/src/"), ("weir_sandbox", "sandbox/src/"), ("weir", "src/")];

/// From the top down. A layer may name those after it.
const LAYERS: [&[&str]; 17] = [
    &["cli", "main"],
    &["server"],
    &["api"],
    &["operations"],
    &["registry"],
    &["kafka"],
    &["shutdown"],
    &["logging"],
    &["config"],
    &["sandbox"],
    &["host"],
    &["consumer"],
    &["delivery"],
    &["call"],
    &["documents"],
    &["driver"],
    &["store"],
];

/// The sandbox's wing. It meets the core in `call` and may not name [`CORE`]. Cargo keeps the core from naming it.
const WING: [&str; 2] = ["sandbox", "host"];
const CORE: [&str; 2] = ["consumer", "delivery"];

/// Everything may name these, and they name none of the layers.
const SHARED: [&str; 8] = ["allocator", "clock", "cut", "event", "failpoint", "hint", "seeded", "telemetry"];

/// Crates that only these modules see.
const CLIENTS: [(&str, &str); 2] = [("rdkafka", "kafka"), ("mongodb", "driver")];

/// What a package may not be built with, directly or through others.
const WITHOUT: [(&str, &[&str]); 3] = [
    ("weir-core", &["rdkafka-sys", "openssl-sys", "mongodb", "wasmtime", "tokio"]),
    ("simulation", &["rdkafka-sys", "openssl-sys", "mongodb", "wasmtime", "tokio"]),
    ("weir-sandbox", &["rdkafka-sys", "openssl-sys", "mongodb"]),
];

/// A pure file may name none of these.
const IMPURE: [&str; 5] = ["tokio", "rdkafka", "wasmtime", "wasmtime_wasi", "mongodb"];

/// Files that are pure whatever their head says. A file whose `//!` head has the word "Pure" is pure too.
const PURE: [&str; 3] = ["core/src/event/", "core/src/call/", "core/src/documents/"];

const UNBOUNDED: [&str; 6] = [
    "unbounded_channel",
    "UnboundedSender",
    "UnboundedReceiver",
    "channel::unbounded",
    "mpsc::unbounded",
    "std::sync::mpsc::channel",
];

/// Tests and tools.
const OTHERS: [&str; 6] = ["tests", "../rig/src", "../proofs/src", "../xtask/src", "../bench/src", "../sdk/rust/src"];

const MOST_LINES: usize = 600;

/// The most lines of tests at the end of the file that they test.
const MOST_TEST_LINES: usize = 100;

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

/// Checks one file, named by its path below `runtime/`.
fn check(file: &str, text: &str) -> Vec<Fault> {
    let (package, module) = place(file);
    let pure = is_pure(file, text);
    let mut faults = Vec::new();
    let mut fault = |line: usize, rule: String| faults.push(Fault { file: file.to_owned(), line, rule });

    let count = text.lines().count();
    if count > MOST_LINES {
        fault(MOST_LINES + 1, format!("has {count} lines; a file has at most {MOST_LINES}"));
    }
    if module != "lib" && layer(module).is_none() && !SHARED.contains(&module) {
        fault(1, format!("the module {module} has no place among the layers; give it one in tests/tidy.rs"));
    }
    for (line, code) in code_lines(text) {
        for named in modules_named(package, &code) {
            if let Some(rule) = may_not_name(module, named) {
                fault(line, rule);
            }
        }
        for (client, seen_by) in CLIENTS {
            if names_crate(&code, client) && seen_by != module {
                fault(line, format!("only {seen_by} may name {client}"));
            }
        }
        if pure && let Some(name) = IMPURE.into_iter().find(|name| names_crate(&code, name)) {
            fault(line, format!("is pure and may not name {name}"));
        }
        if let Some(name) = UNBOUNDED.into_iter().find(|name| code.contains(name)) {
            fault(line, format!("every queue has a bound; {name} has none"));
        }
    }
    faults
}

/// Finds paths of the machine that this was written on, in every file and in comments too.
fn machine_paths(file: &str, text: &str) -> Vec<Fault> {
    // The paths are assembled here, so that the check does not find this file.
    let paths = ["home", "root", "work", "Users"].map(|folder| format!("/{folder}/"));
    let found = |line: &str| paths.iter().any(|path| starts_somewhere(line, path));
    let lines = text.lines().enumerate().filter(|(_, line)| found(line));
    lines
        .map(|(at, _)| Fault { file: file.to_owned(), line: at + 1, rule: "names a path of one machine".to_owned() })
        .collect()
}

/// Finds unit tests that do not stand where they belong: at the end of their file, or in a `NAME_test.rs`.
fn misplaced_tests(file: &str, text: &str) -> Vec<Fault> {
    let lines: Vec<&str> = text.lines().collect();
    let gated = lines.iter().enumerate().filter(|(_, line)| **line == "#[cfg(test)]").map(|(at, _)| at);
    let found = gated.filter_map(|at| {
        let after = &lines[at + 1..];
        let (attributes, item) = after.split_at(after.iter().take_while(|line| line.starts_with("#[")).count());
        let rule = match item.first()?.strip_prefix("mod ")?.strip_suffix(';') {
            Some(name) => in_another_file(name, attributes)?,
            None => too_long(item.iter().position(|line| *line == "}").unwrap_or(item.len()) + 1)?,
        };
        Some(Fault { file: file.to_owned(), line: at + 1, rule })
    });
    found.collect()
}

fn in_another_file(module: &str, attributes: &[&str]) -> Option<String> {
    let path = attributes.iter().find_map(|line| line.strip_prefix("#[path = \"")?.strip_suffix(".rs\"]"));
    let stands = path.unwrap_or(module).ends_with("_test");
    (!stands).then(|| format!("the tests in {module} do not stand in a NAME_test.rs"))
}

fn too_long(tests: usize) -> Option<String> {
    let rule = || format!("has {tests} lines of tests; more than {MOST_TEST_LINES} stand in a NAME_test.rs");
    (tests > MOST_TEST_LINES).then(rule)
}

/// Returns whether the line contains the absolute path, not as the tail of a relative path or of an address.
fn starts_somewhere(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| {
            before.is_alphanumeric() || matches!(before, '.' | '_' | '-' | '}' | '*' | '~' | '/' | '$')
        })
    })
}

/// Returns the package and the module of a file.
fn place(file: &str) -> (&'static str, &str) {
    let found = PACKAGES.into_iter().find_map(|(package, sources)| Some((package, file.strip_prefix(sources)?)));
    let (package, below) = found.unwrap_or_else(|| panic!("{file} is in none of the packages"));
    (package, module(package, below.split(['/', '.']).next().unwrap_or_default()))
}

/// Returns the module that a package's top module or item belongs to. The sandbox's package is the module `sandbox`,
/// except for `host`.
fn module<'a>(package: &str, top: &'a str) -> &'a str {
    if package == "weir_sandbox" && top != "host" { "sandbox" } else { top }
}

fn is_pure(file: &str, text: &str) -> bool {
    let listed = PURE.iter().any(|prefix| file.starts_with(prefix));
    let mut head = text.lines().take_while(|line| line.starts_with("//!"));
    listed || head.any(|line| line.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "Pure"))
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn may_not_name(module: &str, named: &str) -> Option<String> {
    let to = layer(named)?;
    if named == module || matches!(module, "lib" | "main") {
        return None;
    }
    match layer(module) {
        Some(_) if WING.contains(&module) && CORE.contains(&named) => {
            Some(format!("{module} may not name {named}: sandbox and core meet in call"))
        }
        Some(from) if from < to => None,
        Some(_) => Some(format!("{module} may not name {named}: layers point from cli down to store")),
        None => Some(format!("{module} may not name {named}: what every layer may use names none of them")),
    }
}

/// Returns the lines that contain code, numbered from 1, without comments and without the contents of strings.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, code_of(line))).filter(|(_, code)| !code.trim().is_empty())
}

/// From its second line on, a string of several lines is treated as code.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        let raw = rest.strip_prefix('r').filter(|_| !code.ends_with(is_of_a_word)).and_then(raw_end);
        rest = if rest.starts_with("//") {
            ""
        } else if let Some(after) = ["'\"'", "'\\\"'"].into_iter().find_map(|quote| rest.strip_prefix(quote)) {
            after
        } else if let Some(after) = raw {
            after
        } else if let Some(inner) = rest.strip_prefix('"') {
            plain_end(inner)
        } else {
            code.push(letter);
            &rest[letter.len_utf8()..]
        };
    }
    code
}

/// Returns the rest after a raw string, given the text after its `r`.
fn raw_end(text: &str) -> Option<&str> {
    let inner = text.trim_start_matches('#');
    let end = format!("\"{}", "#".repeat(text.len() - inner.len()));
    let inner = inner.strip_prefix('"')?;
    Some(inner.find(&end).map_or("", |at| &inner[at + end.len()..]))
}

/// Returns the rest after a string, given the text after its first quote.
fn plain_end(inner: &str) -> &str {
    let mut escaped = false;
    let end = inner.find(|letter| {
        let ends = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    });
    end.map_or("", |at| &inner[at + 1..])
}

/// Returns the modules named by `crate::x` or by another package's `weir_core::x`, also in a list on one line:
/// `crate::{x, y::z}`.
fn modules_named<'a>(package: &'static str, code: &'a str) -> Vec<&'a str> {
    let mut named = Vec::new();
    let roots = PACKAGES.map(|(package, _)| (package, format!("{package}::")));
    for (of, root) in roots.into_iter().chain([(package, "crate::".to_owned())]) {
        for (at, _) in code.match_indices(&root) {
            let before = &code[..at];
            if before.ends_with(is_of_a_word) {
                continue;
            }
            let rest = &code[at + root.len()..];
            let tops = match rest.strip_prefix('{') {
                Some(list) => list.split([',', '}']).map(first_word).collect(),
                None => vec![first_word(rest)],
            };
            named.extend(tops.into_iter().filter(|top| !top.is_empty()).map(|top| module(of, top)));
        }
    }
    named
}

/// Returns the packages that a lock file's package is built with, directly and through others, tests included.
fn built_with<'a>(lock: &'a str, package: &'a str) -> BTreeSet<&'a str> {
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(named) = line.strip_prefix("name = ") {
            name = named.trim_matches('"');
        } else if let Some(needed) = line.strip_prefix(" \"") {
            needs.entry(name).or_default().insert(needed.split([' ', '"']).next().unwrap_or_default());
        }
    }
    let mut found = BTreeSet::from([package]);
    let mut open = vec![package];
    while let Some(next) = open.pop() {
        open.extend(needs.get(next).into_iter().flatten().copied().filter(|needed| found.insert(needed)));
    }
    found
}

/// Returns what the package is built with although [`WITHOUT`] forbids it.
fn forbidden(lock: &str, package: &str, without: &[&str]) -> Vec<String> {
    let found = built_with(lock, package);
    without.iter().filter(|name| found.contains(**name)).map(|name| format!("{package} is built with {name}")).collect()
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|letter| !is_of_a_word(letter)).unwrap_or(text.len())]
}

/// Returns whether the line has a path that begins with the crate, or a `use` of the whole crate.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let whole = !before.ends_with(is_of_a_word) && !after.starts_with(is_of_a_word);
        let begins = !before.ends_with("::") && !before.ends_with('.');
        let whole_crate = before.trim_end().ends_with("use") || before.contains("extern crate");
        whole && begins && (after.starts_with("::") || whole_crate)
    })
}

fn is_of_a_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn report(faults: &[Fault]) {
    let lines: Vec<_> = faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "{} lines break the house's rules:\n{}", lines.len(), lines.join("\n"));
}

fn each_file(folder: &str, mut see: impl FnMut(&str, &str)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = rust_files(&root);
    assert!(!files.is_empty(), "{folder} has no Rust files");
    for path in files {
        let name = path.strip_prefix(&root).expect("it was found there").to_string_lossy().replace('\\', "/");
        see(&name, &fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {name}: {error}")));
    }
}

#[test]
fn the_sources_keep_the_lines() {
    let mut faults = Vec::new();
    for (_, sources) in PACKAGES {
        each_file(sources, |file, text| faults.extend(check(&format!("{sources}{file}"), text)));
    }
    report(&faults);
}

#[test]
fn the_core_and_the_sandbox_are_built_without_clients() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = fs::read_to_string(path).expect("the lock file can be read");
    let found: Vec<_> = WITHOUT.iter().flat_map(|(package, without)| forbidden(&lock, package, without)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    for client in ["rdkafka-sys", "openssl-sys", "mongodb", "wasmtime", "tokio"] {
        assert!(built_with(&lock, "weir").contains(client), "weir is built with {client}, so this test reads the file");
    }
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut faults = Vec::new();
    let own = PACKAGES.map(|(_, sources)| sources);
    for folder in own.into_iter().chain(OTHERS) {
        each_file(folder, |file, text| faults.extend(machine_paths(&format!("{folder}/{file}"), text)));
    }
    report(&faults);
}

#[test]
fn unit_tests_stand_where_they_belong() {
    let mut faults = Vec::new();
    let own = PACKAGES.map(|(_, sources)| sources);
    for folder in own.into_iter().chain(OTHERS).chain(["../simulation/src"]) {
        each_file(folder, |file, text| faults.extend(misplaced_tests(&format!("{folder}/{file}"), text)));
    }
    report(&faults);
}

#[test]
fn no_test_or_tool_is_too_long() {
    for folder in OTHERS {
        each_file(folder, |file, text| {
            assert!(text.lines().count() <= MOST_LINES, "{folder}/{file} has more than {MOST_LINES} lines");
        });
    }
}

#[test]
fn the_rules_bite() {
    let bad = [
        ("core/src/store/mod.rs", "use crate::delivery::Batch;", "store may not name delivery"),
        ("sandbox/src/host/mod.rs", "use weir_core::{event::Event, delivery::Batch};", "host may not name delivery"),
        ("sandbox/src/host/mod.rs", "use crate::{host, Engine};", "host may not name sandbox"),
        ("src/kafka/run.rs", "    let it = crate::server::start();", "kafka may not name server"),
        ("core/src/event/mod.rs", "use crate::store::Write;", "event may not name store"),
        ("core/src/telemetry/mod.rs", "use crate::store::Write;", "telemetry may not name store"),
        ("src/config.rs", "use crate::logging::log;", "config may not name logging"),
        ("src/api/mod.rs", "use crate::server::run;", "api may not name server"),
        ("src/driver.rs", "use weir_core::delivery::Batch;", "driver may not name delivery"),
        ("src/registry/mod.rs", "use rdkafka::Message;", "only kafka may name rdkafka"),
        ("src/operations/mod.rs", "use {mongodb::bson, std::fmt};", "only driver may name mongodb"),
        ("core/src/event/time.rs", "use tokio::time;", "is pure and may not name tokio"),
        ("src/logging/line.rs", "//! A line. Pure: no clock.\n\nuse tokio::time;", "is pure and may not name tokio"),
        ("core/src/documents/request.rs", "use tokio::time;", "is pure and may not name tokio"),
        ("sandbox/src/call.rs", "use weir_core::consumer::Member;", "sandbox and core meet in call"),
        ("src/kafka/mod.rs", "let (tx, rx) = mpsc::unbounded_channel();", "every queue has a bound"),
        ("core/src/event/a.rs", r#"let a = ('"', "\"\\", tokio::b());"#, "is pure and may not name tokio"),
        ("src/plugins/mod.rs", "", "the module plugins has no place"),
        ("core/src/plugins.rs", "", "the module plugins has no place"),
    ];
    for (file, text, rule) in bad {
        let faults = check(file, text);
        assert_eq!(faults.len(), 1, "{file}: {text}: {faults:?}");
        assert!(faults[0].to_string().contains(rule), "{}", faults[0]);
    }
    assert_eq!(check("core/src/delivery/decide.rs", "//! Pure.\n\nuse tokio::time;")[0].line, 3);
    assert_eq!(check("core/src/store/mod.rs", &"\n".repeat(MOST_LINES + 1)).len(), 1);
    let path = format!("let path = \"/{}/me/x\";", "home");
    assert_eq!(machine_paths("store/mod.rs", &path).len(), 1);
    let of_lines = |lines| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(lines));
    for (text, count) in [
        (of_lines(MOST_TEST_LINES - 2), 0),
        (of_lines(MOST_TEST_LINES - 1), 1),
        ("#[cfg(test)]\nmod tests;\n".to_owned(), 1),
        ("#[cfg(test)]\n#[path = \"tests/a.rs\"]\nmod tests;\n".to_owned(), 1),
        ("#[cfg(test)]\n#[allow(dead_code)]\n#[path = \"a_test.rs\"]\nmod tests;\n".to_owned(), 0),
        ("#[cfg(test)]\nmod a_test;\n#[cfg(test)]\nmod b;\n".to_owned(), 1),
        ("#[cfg(test)]\nfn a() {}\n".to_owned(), 0),
    ] {
        assert_eq!(misplaced_tests("a.rs", &text).len(), count, "{text}");
    }
    let lock = "name = \"a\"\ndependencies = [\n \"b 1.0.0\",\n]\n\nname = \"b\"\ndependencies = [\n \"c\",\n]\n";
    assert_eq!(forbidden(lock, "a", &["c", "d"]), ["a is built with c"]);
    assert!(forbidden(lock, "b", &["a"]).is_empty());
}

#[test]
fn what_is_allowed_passes() {
    let good = [
        ("src/cli/run.rs", "use crate::server;"),
        ("core/src/documents/pending.rs", "use crate::store::{IdKey, Write};"),
        ("src/kafka/mod.rs", "use rdkafka::Message;\nuse tokio::sync::mpsc::channel;\nuse weir_core::consumer;"),
        ("sandbox/src/call.rs", "use wasmtime::Engine;\nuse crate::host::Host;\nuse weir_core::telemetry;"),
        ("sandbox/src/host/mod.rs", "use weir_core::cut;\nuse weir_core::call::Call;"),
        ("src/driver.rs", "use mongodb::bson;\nuse weir_core::{clock, store::wire};"),
        ("core/src/delivery/mod.rs", "// rdkafka::Message is Kafka's.\nlet mongodb = store.mongodb();"),
        ("src/logging/log.rs", r##"f("mongodb::a", r#"a "rdkafka::b" c"#, '"', "\"wasmtime::c\\", "https://x");"##),
        ("src/config.rs", "use weir_sandbox::Limits;"),
        ("core/src/lib.rs", "pub mod store;"),
        ("src/main.rs", "use weir::cli;"),
    ];
    for (file, text) in good {
        assert_eq!(check(file, text), [], "{file}");
    }
    assert_eq!(machine_paths("a.rs", "see https://example.org/work/x and src/work/y"), []);
}
