//! `weir version`.

use std::process::ExitCode;

use clap::Command;

use super::output;

pub(super) fn command() -> Command {
    Command::new("version").about("Shows the version")
}

pub(super) fn run() -> ExitCode {
    match output::put(concat!("weir ", env!("CARGO_PKG_VERSION"), "\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(super::FAILED),
    }
}
