//! The imports that a component may have. They are checked by name before any of it is compiled into an instance, so
//! that an upload learns everything that is wrong at once.

use crate::host::INTERFACES;

/// The newest 0.1.x of the contract that this host has.
const CONTRACT: (u64, u64, u64) = (0, 1, 0);
const PACKAGE: &str = "weir:handler/";
const OF_CONTRACT: [&str; 4] = ["delivery", "documents", "log", "types"];
const HANDLER: &str = "weir:handler/handler";

/// Returns what is wrong with an import, if anything.
pub(super) fn refuse(import: &str) -> Option<String> {
    let (name, version) = split(import);
    if let Some(interface) = name.strip_prefix(PACKAGE) {
        if !OF_CONTRACT.contains(&interface) {
            return Some(format!("{import}: the contract has no interface of that name"));
        }
        return newer(import, version);
    }
    if INTERFACES.contains(&name) {
        let fits = version.is_some_and(|(major, minor, _)| (major, minor) == (0, 2));
        return (!fits).then(|| format!("{import}: only WASI 0.2 can be had"));
    }
    let network = ["wasi:sockets/", "wasi:http/"].iter().any(|package| name.starts_with(package));
    let why = if network { "a handler has no network" } else { "a handler cannot have that" };
    Some(format!("{import}: {why}"))
}

/// Returns `None` if an export is not the handler. Otherwise says whether its version is right, and if not, why.
pub(super) fn handler(export: &str) -> Option<Result<(), String>> {
    let (name, version) = split(export);
    (name == HANDLER).then(|| newer(export, version).map_or(Ok(()), Err))
}

fn newer(name: &str, version: Option<(u64, u64, u64)>) -> Option<String> {
    let (major, minor, patch) = CONTRACT;
    match version {
        Some((0, 1, theirs)) if theirs <= patch => None,
        Some((0, 1, _)) => Some(format!(
            "{name}: built for a newer contract than this host's {major}.{minor}.{patch}\nhint: update the host first"
        )),
        _ => Some(format!("{name}: this host has version {major}.{minor}.{patch} of the contract")),
    }
}

/// Returns the name before the `@`, and the version's three numbers if there is a plain one.
fn split(name: &str) -> (&str, Option<(u64, u64, u64)>) {
    let Some((name, version)) = name.split_once('@') else { return (name, None) };
    let mut numbers = version.splitn(3, '.').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    let version = match (next(), next(), next()) {
        (Some(major), Some(minor), Some(patch)) => Some((major, minor, patch)),
        _ => None,
    };
    (name, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_and_what_standard_libraries_import_pass() {
        for import in ["weir:handler/documents@0.1.0", "wasi:cli/stderr@0.2.6", "wasi:filesystem/types@0.2.0"] {
            assert_eq!(refuse(import), None);
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let cases = [
            ("wasi:sockets/tcp@0.2.6", "a handler has no network"),
            ("wasi:http/outgoing-handler@0.2.6", "a handler has no network"),
            ("wasi:cli/stdin@0.3.0", "only WASI 0.2"),
            ("wasi:keyvalue/store@0.2.0", "cannot have that"),
            ("env", "cannot have that"),
            ("weir:handler/documents@0.1.1", "newer contract"),
            ("weir:handler/documents@0.2.0", "this host has version 0.1.0"),
            ("weir:handler/documents", "this host has version 0.1.0"),
            ("weir:handler/files@0.1.0", "no interface"),
        ];
        for (import, expected) in cases {
            let refused = refuse(import).expect(import);
            assert!(refused.starts_with(import) && refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn the_handler_is_known_by_its_name() {
        assert_eq!(handler("init"), None);
        assert_eq!(handler("weir:handler/handler@0.1.0"), Some(Ok(())));
        assert!(handler("weir:handler/handler@0.1.9").is_some_and(|version| version.is_err()));
    }
}
