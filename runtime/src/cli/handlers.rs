//! `weir handlers`: lists the handlers that hosts have loaded.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use super::output::{self, Format, table};
use super::run;
use crate::logging::log_line::printable as line;
use crate::operations::handlers::{self, Handler};

/// The digits of a version that tell it from others.
const VERSION_DIGITS: usize = 12;

pub(super) fn command() -> Command {
    let list = Command::new("list").about("Lists them in the order in which they run");
    Command::new("handlers")
        .about("Shows the handlers that hosts have loaded")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::with_settings(output::with_output(list)))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let Some((_, matches)) = matches.subcommand() else { return ExitCode::from(super::WRONG) };
    super::with_store(matches, async |store, _| Format::of(matches).write(&handlers::list(&store).await?, listed))
}

#[expect(clippy::ptr_arg, reason = "the type that is written in the other forms")]
pub(super) fn listed(handlers: &Vec<Handler>) -> String {
    let rows = handlers.iter().map(|handler| {
        [
            handler.id.to_string(),
            handler.team.clone(),
            handler.name.clone(),
            handler.generation.to_string(),
            handler.version.chars().take(VERSION_DIGITS).collect(),
            line(&handler.events.join(", ")),
        ]
    });
    table(["ID", "TEAM", "NAME", "GENERATION", "VERSION", "EVENTS"], rows)
}
