//! `weir version`.

use std::io::Write;
use std::process::ExitCode;

use clap::Command;

pub(super) fn command() -> Command {
    Command::new("version").about("Shows the version")
}

pub(super) fn run() -> ExitCode {
    match writeln!(std::io::stdout(), "weir {}", env!("CARGO_PKG_VERSION")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(super::FAILED),
    }
}
