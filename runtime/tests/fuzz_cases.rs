//! Replays the corpus of the fuzz targets, and every case that they found, through the same functions.
//! `cargo xtask fuzz` looks for more.

#[allow(unreachable_pub, unused_imports, dead_code, reason = "the fuzz targets' crate, of which this uses a part")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the files of a target, its corpus and then its cases, each sorted by name.
fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut files = Vec::new();
    for folder in ["corpus", "cases"] {
        let Ok(entries) = fs::read_dir(root.join(folder).join(target)) else { continue };
        files.extend(entries.map(|entry| entry.expect("an entry can be read").path()));
    }
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file can be read"))).collect()
}

fn replay(target: &str, run: impl Fn(&[u8])) {
    let files = files(target);
    assert!(files.len() >= 3, "the corpus of {target} has {} files", files.len());
    for (path, data) in files {
        // The output of a failing test then names the file.
        eprintln!("{}", path.display());
        run(&data);
    }
}

#[test]
fn records() {
    replay("record", fuzz::record);
}

#[test]
fn extended_json() {
    replay("extended-json", fuzz::extended_json);
}

#[test]
fn bson() {
    replay("bson", fuzz::bson);
}

#[test]
fn requests() {
    replay("request", fuzz::request);
}

#[test]
fn components() {
    replay("component", |data| {
        fuzz::component(&fuzz::component_of(data).expect("a component, or the text of one or of a core module"));
    });
}

#[test]
fn a_good_component_is_called() {
    let module = "(module (import \"host\" \"insert-one\" (func $insert (param i32 i32 i32 i32 i32 i32 i32 i32)))
        (func (export \"handle\") (param i32) (result i32)
            (call $insert (i32.const 0) (i32.const 5) (i32.const 5) (i32.const 2)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
            (i32.const 32)))";
    let component = fuzz::component_of(module.as_bytes()).expect("a component");
    assert_eq!(fuzz::component(&component), Some(1));
}
