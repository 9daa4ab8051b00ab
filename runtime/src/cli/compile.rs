//! `weir compile`: what `weir run` starts for each component. Not for people.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};

use weir_sandbox::compile_in_this_process;

pub(super) fn command() -> Command {
    Command::new("compile")
        .hide(true)
        .about("Compiles the component of the standard input within bounds; `weir run` starts it for each handler")
        .arg(Arg::new("settings").required(true).help("The engine's settings, in JSON"))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    compile_in_this_process(matches.get_one::<String>("settings").map_or("", String::as_str))
}
