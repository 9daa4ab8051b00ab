//! `weir completions`: what a shell needs to complete the command line.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::output;

const SHELL: &str = "shell";

pub(super) fn command() -> Command {
    Command::new("completions")
        .about("Writes the completions for a shell")
        .arg(Arg::new(SHELL).value_name("SHELL").required(true).value_parser(value_parser!(Shell)).help("The shell"))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let Some(shell) = matches.get_one::<Shell>(SHELL) else { return ExitCode::from(super::WRONG) };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut super::command(), "weir", &mut script);
    match output::put(&String::from_utf8_lossy(&script)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(&super::with_causes(&error));
            ExitCode::from(super::FAILED)
        }
    }
}
