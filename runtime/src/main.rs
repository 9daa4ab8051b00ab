//! The binary `weir`: parse, init, call, exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::cli::main(std::env::args_os())
}
