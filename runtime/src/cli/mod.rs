//! The command line, one file for each verb. It alone writes to the terminal.
//!
//! Exit status: 0 done, 1 it failed or did not stop in time, 2 the command line or a setting is wrong, 101 the host
//! panicked, 130 or 143 a second signal ended it.
//!
//! An error is written as `weir: ` and the fact, and its hint on a line of its own (see [`hint`]).

mod asks;
mod compile;
mod completions;
mod failures;
mod handlers;
mod health;
mod output;
mod progress;
mod run;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::config::Settings;
use crate::logging::{log, log_line};
use crate::{kafka, registry, server};
use weir_core::hint;
use weir_core::store::{self, Store};
use weir_sandbox::CodeCacheError;

/// It failed while running.
const FAILED: u8 = 1;
/// The command line or a setting is wrong.
const WRONG: u8 = 2;

/// Runs the command line, and returns the process's exit status.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(told) => {
            let _ = told.print();
            return if told.use_stderr() { ExitCode::from(WRONG) } else { ExitCode::SUCCESS };
        }
    };
    match matches.subcommand() {
        Some(("run", matches)) => run::run(matches),
        Some(("compile", matches)) => compile::run(matches),
        Some(("health", matches)) => health::run(matches),
        Some(("progress", matches)) => progress::run(matches),
        Some(("handlers", matches)) => handlers::run(matches),
        Some(("failures", matches)) => failures::run(matches),
        Some(("completions", matches)) => completions::run(matches),
        _ => version::run(),
    }
}

fn command() -> Command {
    Command::new("weir")
        .about("Runs WebAssembly handlers on an outbox's events and keeps their documents in MongoDB")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::command())
        .subcommand(compile::command())
        .subcommand(health::command())
        .subcommand(progress::command())
        .subcommand(handlers::command())
        .subcommand(failures::command())
        .subcommand(completions::command())
        .subcommand(version::command())
}

/// Connects to the installation that the command's settings name, and does something with it.
fn with_store(matches: &ArgMatches, what: impl AsyncFnOnce(Store, Settings) -> anyhow::Result<()>) -> ExitCode {
    let settings = match run::settings(matches) {
        Ok(settings) => settings,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(WRONG);
        }
    };
    let done = run::provider().and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let store = server::connect(&settings).await?;
            store.check_format().await?;
            what(store, settings).await
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&with_causes(&error));
            ExitCode::from(status(&error))
        }
    }
}

/// Writes to the standard error what is wrong.
fn complain(what: &str) {
    log::last_words(complaint(what));
}

/// Returns what the standard error gets. A component or a server may have chosen some of the words.
fn complaint(what: &str) -> String {
    let lines: Vec<String> = what.lines().map(log_line::printable).collect();
    format!("weir: {}\n", lines.join("\n"))
}

/// Returns the error with its causes, as [`hint`] writes them.
fn with_causes(error: &anyhow::Error) -> String {
    hint::chain(error.chain().map(ToString::to_string))
}

/// Returns the exit status for an error: whether a setting is wrong, although that was not noticed when the settings
/// were read.
fn status(error: &anyhow::Error) -> u8 {
    let of_handlers = error.downcast_ref().is_some_and(registry::Error::is_of_settings);
    let of_kafka = matches!(error.downcast_ref(), Some(kafka::Error::Property { .. }));
    let of_mongodb = matches!(error.downcast_ref(), Some(store::Error::Uri(_)));
    let of_cache = error.is::<CodeCacheError>();
    if of_handlers || of_kafka || of_mongodb || of_cache { WRONG } else { FAILED }
}

#[cfg(test)]
mod listings_test;
#[cfg(test)]
mod refusals_test;
#[cfg(test)]
#[path = "cli_test.rs"]
mod tests;
