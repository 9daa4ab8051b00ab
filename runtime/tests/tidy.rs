//! Enforces the layout: which module may name which, who sees the clients of Kafka, MongoDB and WebAssembly, what is
//! pure, and how long a file may be.
//!
//! It reads the sources line by line and understands no Rust beyond comments, so it finds a name anywhere. That is
//! intended: a path spelled out in full is as much a dependency as a `use`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// From the top down. A layer may name those after it.
const LAYERS: [&[&str]; 12] = [
    &["cli", "main"],
    &["server"],
    &["api"],
    &["operations"],
    &["registry"],
    &["sandbox"],
    &["host"],
    &["consumer"],
    &["delivery"],
    &["call"],
    &["documents"],
    &["store"],
];

/// The sandbox's wing. It meets the core in `call` and may not name [`CORE`]; the layers keep the core from naming it.
const WING: [&str; 2] = ["sandbox", "host"];
const CORE: [&str; 2] = ["consumer", "delivery"];

/// Everything may name these, and they name none of the layers.
const SHARED: [&str; 9] =
    ["allocator", "clock", "config", "cut", "event", "failpoint", "seeded", "shutdown", "telemetry"];

/// Crates that only these modules see.
const CLIENTS: [(&str, &[&str]); 4] = [
    ("rdkafka", &["consumer"]),
    ("wasmtime", &["sandbox", "host"]),
    ("wasmtime_wasi", &["sandbox", "host"]),
    ("mongodb", &["store"]),
];

/// A pure file may name none of these.
const IMPURE: [&str; 5] = ["tokio", "rdkafka", "wasmtime", "wasmtime_wasi", "mongodb"];

/// Files that are pure whatever their head says. A file whose `//!` head has the word "Pure" is pure too.
const PURE: [&str; 3] = ["event/", "call/", "documents/"];

const UNBOUNDED: [&str; 6] = [
    "unbounded_channel",
    "UnboundedSender",
    "UnboundedReceiver",
    "channel::unbounded",
    "mpsc::unbounded",
    "std::sync::mpsc::channel",
];

const MOST_LINES: usize = 600;

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

/// Checks one file of `runtime/src`, named by its path below that folder.
fn check(file: &str, text: &str) -> Vec<Fault> {
    let module = file.split(['/', '.']).next().unwrap_or_default();
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
        for named in modules_named(&code) {
            if let Some(rule) = may_not_name(module, named) {
                fault(line, rule);
            }
        }
        for (client, seen_by) in CLIENTS {
            if names_crate(&code, client) && !seen_by.contains(&module) {
                fault(line, format!("only {} may name {client}", seen_by.join(" and ")));
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

/// Returns whether the line contains the absolute path, not as the tail of a relative path or of an address.
fn starts_somewhere(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| {
            before.is_alphanumeric() || matches!(before, '.' | '_' | '-' | '}' | '*' | '~' | '/' | '$')
        })
    })
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

/// Returns the top modules named by `crate::x` or, in the binary, `weir::x`, also in a list on one line:
/// `crate::{x, y::z}`.
fn modules_named(code: &str) -> Vec<&str> {
    let mut named = Vec::new();
    for root in ["crate::", "weir::"] {
        for (at, _) in code.match_indices(root) {
            let before = &code[..at];
            if before.ends_with(is_of_a_word) {
                continue;
            }
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(list) => named.extend(list.split([',', '}']).map(first_word)),
                None => named.push(first_word(rest)),
            }
        }
    }
    named.retain(|name| !name.is_empty());
    named
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
    each_file("src", |file, text| faults.extend(check(file, text)));
    report(&faults);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut faults = Vec::new();
    for folder in ["src", "tests", "../rig/src", "../proofs/src", "../xtask/src", "../bench/src", "../sdk/rust/src"] {
        each_file(folder, |file, text| faults.extend(machine_paths(&format!("{folder}/{file}"), text)));
    }
    report(&faults);
}

#[test]
fn no_test_or_tool_is_too_long() {
    for folder in ["tests", "../rig/src", "../proofs/src", "../xtask/src", "../bench/src", "../sdk/rust/src"] {
        each_file(folder, |file, text| {
            assert!(text.lines().count() <= MOST_LINES, "{folder}/{file} has more than {MOST_LINES} lines");
        });
    }
}

#[test]
fn the_rules_bite() {
    let bad = [
        ("store/mod.rs", "use crate::host::Host;", "store may not name host"),
        ("host/mod.rs", "use crate::{event::Event, delivery::Batch};", "host may not name delivery"),
        ("delivery/run.rs", "    let it = crate::server::start();", "delivery may not name server"),
        ("event/mod.rs", "use crate::store::Write;", "event may not name store"),
        ("config.rs", "use crate::store::Write;", "config may not name store"),
        ("api/mod.rs", "use crate::server::run;", "api may not name server"),
        ("delivery/mod.rs", "use rdkafka::Message;", "only consumer may name rdkafka"),
        ("registry/mod.rs", "fn of(it: &wasmtime::Engine) {}", "only sandbox and host may name wasmtime"),
        ("registry/mod.rs", "use wasmtime_wasi as wasi;", "only sandbox and host may name wasmtime_wasi"),
        ("host/mod.rs", "use {mongodb::bson, std::fmt};", "only store may name mongodb"),
        ("event/time.rs", "use tokio::time;", "is pure and may not name tokio"),
        ("delivery/decide.rs", "//! Decides. Pure: no clock.\n\nuse tokio::time;", "is pure and may not name tokio"),
        ("documents/request.rs", "use tokio::time;", "is pure and may not name tokio"),
        ("sandbox/mod.rs", "use crate::consumer::Member;", "sandbox and core meet in call"),
        ("delivery/mod.rs", "use crate::sandbox::Handler;", "delivery may not name sandbox"),
        ("consumer/mod.rs", "let (tx, rx) = mpsc::unbounded_channel();", "every queue has a bound"),
        ("event/a.rs", r#"let a = ('"', "\"\\", tokio::b());"#, "is pure and may not name tokio"),
        ("plugins/mod.rs", "", "the module plugins has no place"),
    ];
    for (file, text, rule) in bad {
        let faults = check(file, text);
        assert_eq!(faults.len(), 1, "{file}: {text}: {faults:?}");
        assert!(faults[0].to_string().contains(rule), "{}", faults[0]);
    }
    assert_eq!(check("delivery/decide.rs", "//! Pure.\n\nuse tokio::time;")[0].line, 3);
    assert_eq!(check("store/mod.rs", &"\n".repeat(MOST_LINES + 1)).len(), 1);
    let path = format!("let path = \"/{}/me/x\";", "home");
    assert_eq!(machine_paths("store/mod.rs", &path).len(), 1);
}

#[test]
fn what_is_allowed_passes() {
    let good = [
        ("cli/run.rs", "use crate::server;"),
        ("documents/pending.rs", "use crate::store::{IdKey, Write};"),
        ("consumer/mod.rs", "use rdkafka::Message;\nuse tokio::sync::mpsc::channel;"),
        ("sandbox/mod.rs", "use wasmtime::Engine;\nuse crate::host::Host;\nuse crate::telemetry;"),
        ("store/mod.rs", "use mongodb::bson;\nuse crate::clock;"),
        ("delivery/mod.rs", "// rdkafka::Message is the consumer's.\nlet mongodb = store.mongodb();"),
        ("telemetry/log.rs", r##"f("mongodb::a", r#"a "rdkafka::b" c"#, '"', "\"wasmtime::c\\", "https://x");"##),
        ("lib.rs", "pub mod store;"),
        ("main.rs", "use weir::cli;"),
    ];
    for (file, text) in good {
        assert_eq!(check(file, text), [], "{file}");
    }
    assert_eq!(machine_paths("a.rs", "see https://example.org/work/x and src/work/y"), []);
}
