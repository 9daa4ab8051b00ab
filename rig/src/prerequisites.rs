//! What a machine must have. It is checked before anything is built or downloaded, and everything missing is listed.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

const JAVA: u32 = 17;
const TARGET: &str = "wasm32-wasip2";

/// Checks what the services need.
pub fn for_services() -> Result<()> {
    report(&services())
}

/// Checks what the services and the builds need.
pub fn for_everything() -> Result<()> {
    let mut missing = builds();
    missing.extend(services());
    report(&missing)
}

/// Checks what the builds need.
pub fn for_builds() -> Result<()> {
    report(&builds())
}

/// Checks what the builds need, and a MongoDB, but neither Java nor Maven.
pub fn for_embedded() -> Result<()> {
    let mut missing = builds();
    missing.extend(machine());
    missing.extend(python());
    report(&missing)
}

/// Returns what is missing of Java and Maven, one line each.
pub fn lacks_of_java() -> Vec<String> {
    java().into_iter().chain(maven()).collect()
}

fn report(missing: &[String]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let mut text = String::from("this machine lacks:");
    for line in missing {
        let _ = write!(text, "\n  - {line}");
    }
    bail!(text)
}

fn services() -> Vec<String> {
    [machine(), java(), maven(), python()].into_iter().flatten().collect()
}

fn machine() -> Option<String> {
    let fits = cfg!(target_os = "linux") && (cfg!(target_arch = "x86_64") || cfg!(target_arch = "aarch64"));
    (!fits).then(|| "Linux on x86_64 or aarch64: the services' programs are built for nothing else".to_owned())
}

fn java() -> Option<String> {
    let java = said(Command::new("java").arg("-version")).and_then(|text| java_version(&text));
    if java.is_some_and(|version| version >= JAVA) {
        return None;
    }
    let found = java.map_or_else(String::new, |version| format!(" (java in PATH is {version})"));
    Some(format!("Java {JAVA} or later{found}: install openjdk-17-jre-headless, or put it first in PATH"))
}

fn maven() -> Option<String> {
    let there = said(Command::new("mvn").arg("--version")).is_some();
    (!there).then(|| "Maven, which fetches Kafka, Debezium and PostgreSQL: install maven".to_owned())
}

fn python() -> Option<String> {
    let probe = "import sys, venv, ensurepip, lzma; sys.exit(sys.version_info < (3, 10))";
    let there = said(Command::new("python3").args(["-c", probe])).is_some();
    (!there).then(|| "Python 3.10 or later with venv and lzma: install python3 and python3-venv".to_owned())
}

fn builds() -> Vec<String> {
    let mut missing = Vec::new();
    for (program, package) in [("cc", "gcc"), ("c++", "g++"), ("make", "make")] {
        if said(Command::new(program).arg("--version")).is_none() {
            missing.push(format!("{program}, for the Kafka client's C code: install {package}"));
        }
    }
    let there = std::env::var_os("OPENSSL_DIR").is_some();
    if !there && said(Command::new("pkg-config").args(["--atleast-version=1.1.1", "openssl"])).is_none() {
        let packages = "install libssl-dev and pkg-config, or set OPENSSL_DIR";
        missing.push(format!("OpenSSL 1.1.1 or later with its headers, for the Kafka client: {packages}"));
    }
    let sysroot = said(Command::new("rustc").args(["--print", "sysroot"])).unwrap_or_default();
    if !Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).is_dir() {
        missing.push(format!("Rust's target {TARGET}, for the handlers: rustup target add {TARGET}"));
    }
    missing
}

/// Returns what a program prints on both streams, if it runs and succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Parses the major version from the output of `java -version`: `version "17.0.15"`, or the old form `"1.8.0_392"`.
fn java_version(text: &str) -> Option<u32> {
    let quoted = text.split('"').nth(1)?;
    let mut parts = quoted.split(['.', '-', '+', '_']);
    let first = parts.next()?.parse().ok()?;
    if first == 1 { parts.next()?.parse().ok() } else { Some(first) }
}

#[cfg(test)]
mod tests {
    use super::java_version;

    #[test]
    fn java_versions_old_and_new() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15\n"), Some(17));
        assert_eq!(java_version("java version \"1.8.0_392\"\n"), Some(8));
        assert_eq!(java_version("openjdk version \"25-ea\" 2025-09-16\n"), Some(25));
        assert_eq!(java_version("no such thing"), None);
    }
}
